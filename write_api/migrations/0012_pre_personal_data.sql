-- What somebody may have of what is kept about them, and what stays when it is erased. Never published for change capture.

-- The row stays, for bookings, amounts and the audit log stand on its id; nothing in it tells who it was.
ALTER TABLE people
    ADD COLUMN erased_at timestamptz,
    ADD CONSTRAINT people_erased_tell_nothing CHECK (
        erased_at IS NULL OR (email = 'erased@erased.invalid' AND display_name = 'Erased' AND password_hash IS NULL)
    );

-- One view for each kind of data about people, by the feature that owns the table.
-- A test finds tables with people in them that no view shows.
CREATE INDEX sessions_of_person ON sessions (person_id, id);
CREATE SCHEMA own_data;
COMMENT ON SCHEMA own_data IS 'Views: what is kept about a person, for that person (write_api.personal_data).';
GRANT USAGE ON SCHEMA own_data TO frontrow_write;

CREATE VIEW own_data.accounts AS
    SELECT
        p.id AS person_id, p.id, p.email, p.display_name, p.roles, p.password_hash IS NOT NULL AS has_password,
        p.created_at, g.phone
    FROM people p LEFT JOIN guests g ON g.person_id = p.id;
CREATE VIEW own_data.sessions AS
    SELECT person_id, id, client, created_at, refreshed_at, expires_at, ended_at, end_reason FROM sessions;
CREATE VIEW own_data.bookings AS
    SELECT
        b.person_id, b.id, b.event_id, e.name AS event_name, e.starts_at AS event_starts_at, b.quantity, b.status,
        b.price_minor, b.currency, b.seat_positions, b.created_at, b.confirmed_at, b.ended_at
    FROM bookings b JOIN events e ON e.id = b.event_id;
CREATE VIEW own_data.events AS
    SELECT host_id AS person_id, id, name, status, starts_at, coalesce(ends_at, starts_at) AS ends_at, created_at
    FROM events;
CREATE VIEW own_data.venues AS
    SELECT host_id AS person_id, id, name, city, country FROM venues;
-- Who asks for what was done to somebody asks by `subject`.
CREATE VIEW own_data.audit_entries AS
    SELECT actor_kind, actor_id, subject, id, at, action, outcome, client_address, region FROM audit_log;

GRANT SELECT ON
    own_data.accounts, own_data.sessions, own_data.bookings, own_data.events, own_data.venues, own_data.audit_entries
    TO frontrow_write;
