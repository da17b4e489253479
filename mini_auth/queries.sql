-- select_knowledge --
-- Everything that verifying tokens needs, in one round trip and of one moment: the public part of each key whose
-- tokens may be alive (a dozen rows), the revocations written since the last horizon, and when the last heartbeat
-- that came through was confirmed. All transactions below `horizon` were over when this was read, so nothing that
-- commits late is missed: a number drawn from a sequence would not tell.
SELECT
    pg_snapshot_xmin(pg_current_snapshot())::text AS horizon,
    (SELECT extract(epoch FROM max(confirmed_at))::float8 FROM read_side.heartbeat) AS confirmed_at,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(k)), '[]')
        FROM (
            SELECT key_id, algorithm, public_jwk FROM read_side.signing_keys
            ORDER BY created_at, key_id LIMIT %(max_keys)s
        ) k
    ) AS keys,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(r)), '[]')
        FROM (
            SELECT
                kind, subject, extract(epoch FROM revoked_at)::float8 AS revoked_at,
                extract(epoch FROM expires_at)::float8 AS expires_at
            FROM read_side.revocations
            WHERE written_by >= %(horizon)s::xid8 AND expires_at > clock_timestamp()
        ) r
    ) AS revocations

-- select_api_key --
-- A key by its public id, with the roles that its person has now.
SELECT id, person_id, secret_hash, scopes, roles, created_at, expires_at
FROM read_side.api_keys WHERE public_id = %(public_id)s
