-- Everything the indexer reads: the contract's views on the region's reader, as the role frontrow_read.

-- read_position --
-- The generation and the replay position, in a statement of its own before the rows: what is read after it
-- holds every change up to it. A reader is always a standby, so the position never is null.
SELECT
    (SELECT max(generation) FROM read_side.generations) AS generation,
    (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint AS replay_lsn;

-- read_events --
-- The rows of some events; those that are gone are simply not there.
SELECT * FROM read_side.event_documents WHERE id = ANY(%(event_ids)s);

-- read_event_page --
-- The next rows in order of id: short statements, so that a scan never holds back the reader's replay.
SELECT * FROM read_side.event_documents WHERE id > %(after_id)s ORDER BY id LIMIT %(page_size)s;

-- venue_event_page --
-- The next events at a venue that changed.
SELECT event_id FROM read_side.venue_events
WHERE venue_id = %(changed_id)s AND event_id > %(after_id)s ORDER BY event_id LIMIT %(page_size)s;

-- artist_event_page --
-- The next events with an artist who changed.
SELECT event_id FROM read_side.artist_events
WHERE artist_id = %(changed_id)s AND event_id > %(after_id)s ORDER BY event_id LIMIT %(page_size)s;

-- slot_state --
-- Whether the slot of change capture exists, serves, is the one that was made here (see make_slot), and is not
-- behind what is replayed.
SELECT
    active,
    invalidation_reason IS NOT NULL OR wal_status = 'lost' AS is_lost,
    two_phase AS is_ours,
    coalesce(confirmed_flush_lsn <= pg_last_wal_replay_lsn(), false) AS replay_passed
FROM pg_replication_slots WHERE slot_name = %(slot)s;

-- make_slot --
-- Makes the slot; on a standby this waits for the primary's next snapshot record, which it logs each second.
-- Its two_phase flag (the last argument) is a mark and nothing else: no transaction here is ever prepared. A
-- slot without it was made by Debezium, which makes a slot that it misses and goes on as if nothing were lost.
SELECT lsn FROM pg_create_logical_replication_slot(%(slot)s, 'pgoutput', false, true);

-- drop_slot --
-- Gives up a slot that can't serve any more, whoever made it; there may be none.
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %(slot)s;
