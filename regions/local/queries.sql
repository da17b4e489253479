-- database_exists --
-- CREATE DATABASE has no IF NOT EXISTS, and cannot run in a block that could test it.
SELECT 1 FROM pg_database WHERE datname = %(database)s;

-- create_database --
-- Copies the empty template through the WAL: the other way forces a checkpoint, which costs more.
CREATE DATABASE {database} OWNER frontrow_owner STRATEGY wal_log;

-- make_physical_slot --
-- Keeps WAL for a standby from this moment on, unless its slot is there.
SELECT pg_create_physical_replication_slot(%(slot)s, true)
WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %(slot)s);

-- make_empty_slot --
-- The same, but it keeps nothing, and has no state, before somebody has streamed with it.
SELECT pg_create_physical_replication_slot(%(slot)s, false)
WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %(slot)s);

-- slot_state --
-- 'lost' means that WAL was dropped that the standby still needed; null that the slot was never used.
SELECT wal_status FROM pg_replication_slots WHERE slot_name = %(slot)s;

-- drop_slot --
-- What it has kept is no longer needed; there may be none. A killed standby's sender may still hold it.
SELECT CASE WHEN active THEN pg_terminate_backend(active_pid, 5000) END, pg_drop_replication_slot(slot_name)
FROM pg_replication_slots WHERE slot_name = %(slot)s;

-- is_in_recovery --
-- Tells a standby from a primary.
SELECT pg_is_in_recovery();

-- newest_generation --
-- The newest generation that this main knows, with the mains that may hold alone what was acknowledged in it.
SELECT generation, array_to_string(members, ' ') FROM generations ORDER BY generation DESC LIMIT 1;

-- streaming_members --
-- Those of the quorum's members that follow this node now, separated by spaces.
SELECT coalesce(string_agg(DISTINCT application_name, ' ' ORDER BY application_name), '')
FROM pg_stat_replication
WHERE application_name = ANY(%(members)s) AND state = 'streaming';

-- follower_lag --
-- How far a follower's replay is behind this node, which may be a standby itself; no lag is measured while idle.
SELECT
  pg_wal_lsn_diff(
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END, replay_lsn
  )::bigint AS lag_bytes,
  coalesce(extract(epoch FROM replay_lag) * 1000, 0)::float8 AS lag_ms
FROM pg_stat_replication
WHERE application_name = %(follower)s AND state = 'streaming';
