-- lock_person --
-- One change of a person's keys at a time, so that their number stays bounded.
SELECT pg_advisory_xact_lock(hashtextextended('api keys of person', %(person_id)s))

-- insert_api_key --
-- A new key; no row comes back where the person has as many as one may have.
INSERT INTO api_keys (public_id, secret_hash, person_id, name, scopes, expires_at)
SELECT
    %(public_id)s, %(secret_hash)s, %(person_id)s, %(name)s, %(scopes)s,
    now() + make_interval(days => %(days)s)
WHERE (SELECT count(*) FROM api_keys WHERE person_id = %(person_id)s) < %(most)s
RETURNING id, public_id, name, scopes, created_at, expires_at, last_used_at

-- select_api_keys --
-- A person's keys, the newest first; expired ones stay until they are revoked.
SELECT id, public_id, name, scopes, created_at, expires_at, last_used_at
FROM api_keys WHERE person_id = %(person_id)s ORDER BY id DESC

-- delete_api_key --
-- Revokes one key of a person.
DELETE FROM api_keys WHERE id = %(api_key_id)s AND person_id = %(person_id)s
RETURNING id

-- delete_api_keys --
-- Revokes all keys of a person.
DELETE FROM api_keys WHERE person_id = %(person_id)s RETURNING id

-- note_uses --
-- When keys were last used, at most once a minute each; in the order of their ids, as two processes may do it.
WITH used AS (
    SELECT id FROM api_keys
    WHERE public_id = ANY(%(public_ids)s)
        AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - make_interval(secs => %(seconds)s))
    ORDER BY id FOR UPDATE
)
UPDATE api_keys SET last_used_at = clock_timestamp() FROM used WHERE api_keys.id = used.id
