-- How far the region's reader is, as the role frontrow_read.

-- read_position --
-- The generation and the replay position in one statement of its own: what is read after it holds everything up
-- to it, and what was read before it holds nothing after it. A primary, which no reader is, has none.
SELECT
    (SELECT coalesce(max(generation), 0) FROM read_side.generations) AS generation,
    (pg_last_wal_replay_lsn() - '0/0')::bigint AS lsn;
