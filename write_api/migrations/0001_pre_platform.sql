-- The platform's own rows: which primary this is, and how fresh what everyone reads is.

CREATE SCHEMA read_side;
COMMENT ON SCHEMA read_side IS 'Views: the contract for everyone who only reads (read_api, indexer, mini_auth).';
GRANT USAGE ON SCHEMA read_side TO frontrow_read, frontrow_write;

-- Each promotion writes the next row before anything else. Document versions carry the generation in 13 bits.
CREATE TABLE generations (
    generation integer PRIMARY KEY CHECK (generation BETWEEN 1 AND 8191),
    primary_region text NOT NULL,
    system_identifier bigint NOT NULL,
    timeline integer NOT NULL,
    fork_lsn pg_lsn NOT NULL,
    members text[] NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now()
);

-- One row, updated in place. Beat n carries when beat n-1 was confirmed (flushed by the quorum, or locally where
-- durability is local), so a primary that is cut off shows an age that grows.
CREATE TABLE heartbeat (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    generation integer NOT NULL,
    beat bigint NOT NULL,
    written_at timestamptz NOT NULL,
    confirmed_at timestamptz NOT NULL
) WITH (fillfactor = 10);

CREATE VIEW read_side.generations AS
    SELECT generation, primary_region, members, opened_at FROM generations;
CREATE VIEW read_side.heartbeat AS
    SELECT generation, beat, written_at, confirmed_at FROM heartbeat;

GRANT SELECT, INSERT ON generations TO frontrow_write;
GRANT SELECT, INSERT, UPDATE ON heartbeat TO frontrow_write;
GRANT SELECT ON heartbeat TO frontrow_capture;
GRANT SELECT ON read_side.generations, read_side.heartbeat TO frontrow_read, frontrow_write;
