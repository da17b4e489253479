-- Whose events count on a person is told by their organisation: who has made an event may have left it since.
CREATE OR REPLACE VIEW own_data.events AS
    SELECT
        host_id AS person_id, id, name, status, starts_at, coalesce(ends_at, starts_at) AS ends_at, created_at,
        organisation_id
    FROM events;
