-- Statements of the platform's own rows and of the write-ahead log; see write_api/answer_gate.py, heartbeat.py,
-- generations.py, other_mains.py, audit_log.py, idempotency.py.

-- is_in_recovery --
-- Tells a standby from the primary.
SELECT pg_is_in_recovery() AS is_in_recovery

-- sample_local_flush --
-- How far the primary's own disk has the log: what durability `local` asks. Fails on a standby.
SELECT
    (pg_current_wal_flush_lsn() - '0/0')::bigint AS flushed_lsn,
    (pg_current_wal_flush_lsn() - '0/0')::bigint AS confirmed_lsn,
    clock_timestamp() AS sampled_at

-- sample_quorum_flush --
-- How far the k-th best of the expected members has flushed; a member that does not stream counts as nothing.
-- Two connections under one name are one member.
SELECT
    (pg_current_wal_flush_lsn() - '0/0')::bigint AS flushed_lsn,
    coalesce((
        SELECT (max(flush_lsn) - '0/0')::bigint
        FROM pg_stat_replication
        WHERE application_name = ANY(%(members)s) AND state = 'streaming' AND flush_lsn IS NOT NULL
        GROUP BY application_name
        ORDER BY max(flush_lsn) DESC
        OFFSET %(required)s - 1 LIMIT 1
    ), 0) AS confirmed_lsn,
    clock_timestamp() AS sampled_at

-- open_first_generation --
-- Names this primary as the first, unless there is a generation already; two processes may try at once.
INSERT INTO generations (
    generation, primary_region, system_identifier, timeline, fork_lsn, members, counted_members
)
SELECT
    1, %(region)s, (SELECT system_identifier FROM pg_control_system()),
    -- The control file's timeline is stale after a promotion; the current segment's name never is.
    ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer,
    pg_current_wal_lsn(), %(members)s, %(members)s
WHERE NOT EXISTS (SELECT FROM generations)
ON CONFLICT DO NOTHING

-- select_generation --
-- The newest generation, and whether it was opened with this very primary as it is now. Fails on a standby.
SELECT
    generation, members, counted_members,
    primary_region = %(region)s
        AND system_identifier = (SELECT system_identifier FROM pg_control_system())
        AND timeline = ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer AS is_ours
FROM generations
ORDER BY generation DESC LIMIT 1

-- highest_generation --
-- What another region's main knows; asked there, where this role only reads.
SELECT max(generation) FROM read_side.generations

-- set_members --
-- Changes who is in the quorum, one step at a time; see write_api/generations.py for the order.
UPDATE generations SET members = %(members)s, counted_members = %(counted_members)s
WHERE generation = %(generation)s

-- write_heartbeat --
-- Beats once. Where nothing new was confirmed, the earlier time stays, so that everyone sees the age grow.
INSERT INTO heartbeat AS h (generation, beat, written_at, confirmed_at)
VALUES (%(generation)s, 1, clock_timestamp(), coalesce(%(confirmed_at)s::timestamptz, clock_timestamp()))
ON CONFLICT (id) DO UPDATE SET
    generation = EXCLUDED.generation,
    beat = h.beat + 1,
    written_at = EXCLUDED.written_at,
    confirmed_at = greatest(h.confirmed_at, %(confirmed_at)s::timestamptz)

-- log_standby_snapshot --
-- Lets a logical slot be made on any standby at any time; an idle standby would wait for it without end.
SELECT pg_log_standby_snapshot()

-- record_in_audit_log --
-- One row a subject; the database adds when, and counts.
INSERT INTO audit_log (
    actor_kind, actor_id, action, subject, outcome, client_address, region, request_id, details
)
SELECT
    %(actor_kind)s, %(actor_id)s::bigint, %(action)s, subject, %(outcome)s, %(client_address)s, %(region)s,
    %(request_id)s, %(details)s::jsonb
FROM unnest(%(subjects)s::text[]) WITH ORDINALITY AS told (subject, position)
ORDER BY position

-- read_audit_log --
-- A page by key, so that the last is as fast as the first; what is null does not matter.
SELECT
    id, at, actor_kind, actor_id, action, subject, outcome, client_address, region, request_id, details
FROM audit_log
WHERE (%(before_id)s::bigint IS NULL OR id < %(before_id)s::bigint)
    AND (
        %(person_id)s::bigint IS NULL
        OR (actor_kind IN ('person', 'guest') AND actor_id = %(person_id)s::bigint)
        OR subject = 'person:' || %(person_id)s::bigint
    )
    AND (%(subject)s::text IS NULL OR subject = %(subject)s::text)
    AND (%(action)s::text IS NULL OR action = %(action)s::text)
    AND (%(since)s::timestamptz IS NULL OR at >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR at < %(until)s::timestamptz)
ORDER BY id DESC LIMIT %(limit)s

-- claim_idempotency_key --
-- Whoever claims the same at the same time waits here for the end of the first transaction, and finds its answer.
INSERT INTO idempotent_requests (person_id, operation, key, body_sha256)
VALUES (%(person_id)s, %(operation)s, %(key)s, %(body_sha256)s) ON CONFLICT DO NOTHING

-- select_first_answer --
-- What was answered to whoever claimed the key.
SELECT body_sha256, answer FROM idempotent_requests
WHERE person_id = %(person_id)s AND operation = %(operation)s AND key = %(key)s

-- keep_first_answer --
-- In the transaction of what it tells, so neither is there without the other.
UPDATE idempotent_requests SET answer = %(answer)s
WHERE person_id = %(person_id)s AND operation = %(operation)s AND key = %(key)s

-- forget_answers --
-- The oldest first, some at a time.
DELETE FROM idempotent_requests WHERE (person_id, operation, key) IN (
    SELECT person_id, operation, key FROM idempotent_requests
    WHERE created_at < clock_timestamp() - make_interval(secs => %(kept_seconds)s)
    ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)

-- erase_idempotency_keys --
-- All of a person's, with the answers.
DELETE FROM idempotent_requests WHERE person_id = %(person_id)s
