-- Roles and database of the platform: run by the superuser on the primary, at every start, in this order.
-- Placeholders in braces are filled with psycopg.sql.Literal. Each statement may run again without harm,
-- and passwords follow the platform's file of secrets.

-- create_roles --
-- Creates the roles that are missing; what they may do is set below, so that a change here reaches old platforms.
DO $$
DECLARE
  role_name text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY[
    'frontrow_owner', 'frontrow_write', 'frontrow_read', 'frontrow_capture', 'frontrow_replication'
  ] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
      EXECUTE format('CREATE ROLE %I', role_name);
    END IF;
  END LOOP;
END
$$;

-- owner --
-- Owns the database and runs migrations; no process serves requests with it.
ALTER ROLE frontrow_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD {frontrow_owner};

-- write --
-- Serves writes; what it may do to which table is granted by migrations.
ALTER ROLE frontrow_write LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD {frontrow_write};

-- read --
-- Serves reads from the schema read_side only, by grants in migrations.
ALTER ROLE frontrow_read LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD {frontrow_read};

-- capture --
-- Change data capture: makes and reads the logical slot on the region's reader.
ALTER ROLE frontrow_capture LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE REPLICATION PASSWORD {frontrow_capture};

-- replication --
-- Standbys stream with it.
ALTER ROLE frontrow_replication LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE REPLICATION
  PASSWORD {frontrow_replication};

-- monitor --
-- The writer judges quorum and lag by the replication views.
GRANT pg_monitor TO frontrow_write;

-- allow_standby_snapshots --
-- In the platform's database: the writer lets every standby make a logical slot at any time.
GRANT EXECUTE ON FUNCTION pg_log_standby_snapshot() TO frontrow_write;
