-- Organisations: who runs events together, and what each of them may do. Only `events` is published for change capture.

-- `host_id` is whose own organisation it is: the one of events that name none. It is emptied when this person no
-- longer may make events in it, so that the next event gets another one.
CREATE TABLE organisations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    host_id bigint UNIQUE REFERENCES people (id),
    created_by bigint NOT NULL REFERENCES people (id),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX organisations_by_creator ON organisations (created_by);

CREATE TABLE organisation_members (
    organisation_id bigint NOT NULL REFERENCES organisations (id),
    person_id bigint NOT NULL REFERENCES people (id),
    role text NOT NULL CHECK (role IN ('owner', 'staff', 'scanner')),
    joined_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organisation_id, person_id)
);
CREATE INDEX organisation_members_by_person ON organisation_members (person_id);

-- To an e-mail, not to a person: whether somebody has an account with it is told to nobody who invites.
CREATE TABLE organisation_invitations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organisation_id bigint NOT NULL REFERENCES organisations (id),
    email text NOT NULL,
    email_folded text NOT NULL,
    role text NOT NULL CHECK (role IN ('owner', 'staff', 'scanner')),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    accepted_by bigint REFERENCES people (id),
    UNIQUE (organisation_id, email_folded)
);
CREATE INDEX organisation_invitations_by_email ON organisation_invitations (email_folded);

-- Each host gets an organisation of their own, and the events that they have made are its events.
INSERT INTO organisations (name, host_id, created_by)
SELECT left(p.display_name, 200), p.id, p.id FROM people p
WHERE EXISTS (SELECT FROM events e WHERE e.host_id = p.id) ORDER BY p.id;
INSERT INTO organisation_members (organisation_id, person_id, role)
SELECT id, host_id, 'owner' FROM organisations;
ALTER TABLE events ADD COLUMN organisation_id bigint REFERENCES organisations (id);
UPDATE events e SET organisation_id = o.id FROM organisations o WHERE o.host_id = e.host_id;
ALTER TABLE events ADD CONSTRAINT events_import_reference_of_organisation UNIQUE (organisation_id, import_reference);

-- Who may make and change an event, and thereby sees it while it is inactive.
CREATE VIEW read_side.event_hosts AS
    SELECT e.id AS event_id, m.person_id
    FROM events e JOIN organisation_members m ON m.organisation_id = e.organisation_id
    WHERE m.role IN ('owner', 'staff');

-- An API key may do what its person may; memberships give roles too.
CREATE OR REPLACE VIEW read_side.api_keys AS
    SELECT
        k.id, k.public_id, k.secret_hash, k.person_id, k.scopes, k.created_at, k.expires_at,
        p.roles || ARRAY(
            SELECT DISTINCT CASE WHEN m.role = 'scanner' THEN 'scanner' ELSE 'host' END
            FROM organisation_members m WHERE m.person_id = p.id
        ) AS roles
    FROM api_keys k JOIN people p ON p.id = k.person_id WHERE p.erased_at IS NULL;

-- What people are called, for features that show them to each other; the accounts alone write it.
CREATE VIEW account_names AS SELECT id, email, display_name FROM people;

CREATE VIEW own_data.memberships AS
    SELECT m.person_id, o.id, o.name, m.role, m.joined_at, o.created_by = m.person_id AS is_creator
    FROM organisation_members m JOIN organisations o ON o.id = m.organisation_id;
CREATE VIEW own_data.invitations AS
    SELECT p.id AS person_id, i.id, i.organisation_id, i.email, i.role, i.created_at, i.expires_at
    FROM organisation_invitations i JOIN people p ON p.email_folded = i.email_folded
    WHERE p.email_confirmed_at IS NOT NULL;

GRANT SELECT ON own_data.memberships, own_data.invitations TO frontrow_write;
GRANT SELECT, INSERT, UPDATE ON organisations TO frontrow_write;
GRANT SELECT, INSERT, UPDATE, DELETE ON organisation_members, organisation_invitations TO frontrow_write;
GRANT SELECT ON read_side.event_hosts TO frontrow_read, frontrow_write;
GRANT SELECT ON account_names TO frontrow_write;
