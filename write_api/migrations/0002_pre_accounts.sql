-- People, and the keys that sign their tokens. Never published for change capture.

CREATE TABLE people (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    email_folded text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    display_name text NOT NULL,
    roles text[] NOT NULL CHECK (
        cardinality(roles) > 0 AND roles <@ ARRAY['customer', 'host', 'scanner', 'admin', 'superadmin']
    ),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- A private key leaves the process that made it only sealed (AES-256-GCM, key from the environment): these rows
-- are replicated to every region.
CREATE TABLE signing_keys (
    key_id text PRIMARY KEY,
    algorithm text NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA')),
    public_jwk jsonb NOT NULL,
    private_key_sealed bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('next', 'current', 'previous')),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX signing_keys_one_current ON signing_keys (state) WHERE state = 'current';

CREATE VIEW read_side.signing_keys AS
    SELECT key_id, algorithm, public_jwk, state, created_at FROM signing_keys;

GRANT SELECT, INSERT, UPDATE ON people TO frontrow_write;
GRANT SELECT, INSERT, UPDATE, DELETE ON signing_keys TO frontrow_write;
GRANT SELECT ON read_side.signing_keys TO frontrow_read, frontrow_write;
