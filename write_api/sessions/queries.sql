-- Lock order: person's advisory lock, session. Whoever ends all sessions of a person thereby meets no new one.

-- lock_person --
-- One change of a person's sessions at a time: a login during a log-out everywhere comes before it, or after.
SELECT pg_advisory_xact_lock(hashtextextended('sessions of person', %(person_id)s))

-- issue_time --
-- When a token issued now was issued: never within the second of a revocation of the person, of which all are dead.
SELECT greatest(clock_timestamp(), date_trunc('second', max(revoked_at)) + interval '1 second') AS issued_at
FROM revocations WHERE kind = 'person' AND subject = %(person_id)s::text

-- insert_session --
-- A login.
INSERT INTO sessions (person_id, client, expires_at)
VALUES (%(person_id)s, %(client)s, now() + make_interval(secs => %(session_seconds)s))
RETURNING id, refresh_sequence, expires_at

-- displace_sessions --
-- Ends the oldest sessions beyond the bound.
UPDATE sessions SET ended_at = clock_timestamp(), end_reason = 'displaced'
WHERE id IN (
    SELECT id FROM sessions WHERE person_id = %(person_id)s AND ended_at IS NULL AND expires_at > now()
    ORDER BY refreshed_at DESC, id DESC OFFSET %(max_sessions)s
)
RETURNING id

-- find_session_person --
-- Whose a session is; that never changes, so it can be asked before anything is locked.
SELECT person_id FROM sessions WHERE id = %(session_id)s

-- lock_session --
-- What a refresh decides by; the times are compared on the server that wrote them.
SELECT
    id, person_id, refresh_sequence, expires_at,
    ended_at IS NULL AND expires_at > clock_timestamp() AS is_live,
    refreshed_at > clock_timestamp() - make_interval(secs => %(grace_seconds)s) AS is_just_refreshed
FROM sessions WHERE id = %(session_id)s FOR UPDATE

-- advance_session --
-- The next refresh token is the good one, and the session lives on.
UPDATE sessions
SET refresh_sequence = refresh_sequence + 1, refreshed_at = clock_timestamp(),
    expires_at = least(
        clock_timestamp() + make_interval(secs => %(session_seconds)s),
        created_at + make_interval(secs => %(longest_seconds)s)
    )
WHERE id = %(session_id)s
RETURNING id, refresh_sequence, expires_at

-- end_session --
-- Once; what is ended stays as it ended.
UPDATE sessions SET ended_at = clock_timestamp(), end_reason = %(reason)s
WHERE id = %(session_id)s AND person_id = %(person_id)s AND ended_at IS NULL
RETURNING id

-- end_sessions --
-- All of a person.
UPDATE sessions SET ended_at = clock_timestamp(), end_reason = %(reason)s
WHERE person_id = %(person_id)s AND ended_at IS NULL

-- forget_clients --
-- What somebody's programs called themselves.
UPDATE sessions SET client = '' WHERE person_id = %(person_id)s AND client <> ''

-- end_other_sessions --
-- All of a person but one.
UPDATE sessions SET ended_at = clock_timestamp(), end_reason = 'revoked'
WHERE person_id = %(person_id)s AND id <> %(kept_session_id)s AND ended_at IS NULL
RETURNING id

-- revoke --
-- Kills access tokens until the last of them has expired; of a guest, who has none, the link until it has.
-- A later revocation of the same counts instead, and for tokens that were issued since the one before, which may say
-- the second after it (see issue_time). It goes at most 3 s ahead of the clock, so that the next token is good at
-- once, as verifiers bear 5 s.
INSERT INTO revocations (kind, subject, expires_at)
SELECT
    %(kind)s, subject,
    clock_timestamp() + make_interval(secs => CASE
        WHEN %(kind)s = 'person' AND EXISTS (
            SELECT FROM own_data.accounts WHERE NOT has_password AND person_id = CASE WHEN %(kind)s = 'person' THEN subject::bigint END
        ) THEN %(guest_kept_seconds)s
        ELSE %(kept_seconds)s
    END)
FROM unnest(%(subjects)s::text[]) AS subject
ON CONFLICT (kind, subject) DO UPDATE
SET
    revoked_at = greatest(
        excluded.revoked_at,
        least(
            date_trunc('second', revocations.revoked_at) + interval '1 second',
            excluded.revoked_at + interval '3 seconds'
        )
    ),
    expires_at = excluded.expires_at, written_by = excluded.written_by

-- forget_revocations --
-- Those that no living token can meet, a few with each new one, so that the table stays as small as it is needed.
DELETE FROM revocations WHERE (kind, subject) IN (
    SELECT kind, subject FROM revocations WHERE expires_at < clock_timestamp()
    ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED
)

-- select_sessions --
-- Where a person is logged in, the last used first.
SELECT id, client, created_at, refreshed_at, expires_at FROM sessions
WHERE person_id = %(person_id)s AND ended_at IS NULL AND expires_at > now()
ORDER BY refreshed_at DESC, id DESC
