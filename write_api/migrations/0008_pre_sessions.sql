-- Where people are logged in, and what was revoked before it expired. Never published for change capture.

-- A session is one login, kept alive by refresh tokens. The tokens themselves are not stored: `refresh_sequence`
-- is the number of the one that is good, and each carries a message authentication code.
CREATE TABLE sessions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id bigint NOT NULL REFERENCES people (id),
    client text NOT NULL,
    refresh_sequence integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    refreshed_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    end_reason text CHECK (end_reason IN ('logged_out', 'revoked', 'reused', 'displaced')),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE INDEX sessions_not_ended ON sessions (person_id, id) WHERE ended_at IS NULL;

-- Each row kills access tokens that have not expired yet; every region reads what is new four times a second, by
-- `written_by`, which has to be set by each statement that writes a row.
CREATE TABLE revocations (
    kind text NOT NULL CHECK (kind IN ('person', 'session', 'token')),
    subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 100),
    revoked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    written_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (kind, subject)
);
CREATE INDEX revocations_by_transaction ON revocations (written_by);
CREATE INDEX revocations_by_end ON revocations (expires_at);

CREATE VIEW read_side.revocations AS
    SELECT kind, subject, revoked_at, expires_at, written_by FROM revocations;

GRANT SELECT, INSERT, UPDATE ON sessions TO frontrow_write;
GRANT SELECT, INSERT, UPDATE, DELETE ON revocations TO frontrow_write;
GRANT SELECT ON read_side.revocations TO frontrow_read, frontrow_write;
