-- API keys of people. Never published for change capture.

-- The secret itself is not stored: it has 256 random bits, and its SHA-256 hash suffices to compare. A revoked key
-- is deleted; the audit log says when and by whom.
CREATE TABLE api_keys (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL UNIQUE CHECK (public_id ~ '^[0-9a-f]{16}$'),
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    person_id bigint NOT NULL REFERENCES people (id),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    scopes text[] NOT NULL CHECK (cardinality(scopes) BETWEEN 1 AND 50),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz
);
CREATE INDEX api_keys_by_person ON api_keys (person_id, id);

-- What each region verifies keys by, with the roles that the person has now.
CREATE VIEW read_side.api_keys AS
    SELECT k.id, k.public_id, k.secret_hash, k.person_id, k.scopes, k.created_at, k.expires_at, p.roles
    FROM api_keys k JOIN people p ON p.id = k.person_id WHERE p.erased_at IS NULL;

-- What its person may have of it.
CREATE VIEW own_data.api_keys AS
    SELECT person_id, id, name, public_id, scopes, created_at, expires_at, last_used_at FROM api_keys;

GRANT SELECT, INSERT, UPDATE, DELETE ON api_keys TO frontrow_write;
GRANT SELECT ON read_side.api_keys TO frontrow_read, frontrow_write;
GRANT SELECT ON own_data.api_keys TO frontrow_write;
