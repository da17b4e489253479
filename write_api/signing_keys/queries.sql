-- lock_keys --
-- One change of the keys at a time; reading and signing go on.
SELECT pg_advisory_xact_lock(hashtext('signing keys'))

-- insert_key --
-- A new key: the one that waits, or the first that signs.
INSERT INTO signing_keys (key_id, algorithm, public_jwk, private_key_sealed, state, signs_since)
VALUES (
    %(key_id)s, %(algorithm)s, %(public_jwk)s, %(private_key_sealed)s, %(state)s,
    CASE WHEN %(state)s = 'current' THEN clock_timestamp() END
)

-- select_keys --
-- All of them with their ages in seconds, as the server's clock counts.
SELECT
    key_id, state, extract(epoch FROM clock_timestamp() - created_at)::float8 AS known_seconds,
    extract(epoch FROM clock_timestamp() - signs_since)::float8 AS signing_seconds
FROM signing_keys ORDER BY created_at, key_id

-- select_current_key --
-- The key that signs now; the partial unique index allows one.
SELECT key_id, algorithm, private_key_sealed FROM signing_keys WHERE state = 'current'

-- retire_current_key --
-- It signs no more; its tokens are good until they expire.
UPDATE signing_keys SET state = 'previous', signed_until = clock_timestamp() WHERE state = 'current'

-- promote_next_key --
-- The key that waited signs from now on.
UPDATE signing_keys SET state = 'current', signs_since = clock_timestamp() WHERE state = 'next'

-- delete_key --
-- With it all of its tokens die, in every region as soon as the change has arrived.
DELETE FROM signing_keys WHERE key_id = %(key_id)s RETURNING state

-- delete_dead_keys --
-- Those whose last token has expired.
DELETE FROM signing_keys
WHERE state = 'previous' AND signed_until < clock_timestamp() - make_interval(secs => %(kept_seconds)s)
RETURNING key_id
