-- select_knowledge --
-- Everything that verifying needs, in one round trip and of one moment: the public part of each key whose tokens
-- may be alive (a dozen rows), and the revocations written since the last horizon. All transactions below
-- `horizon` were over when this was read, so nothing that commits late is missed: a number drawn from a sequence
-- would not tell.
SELECT
    pg_snapshot_xmin(pg_current_snapshot())::text AS horizon,
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
