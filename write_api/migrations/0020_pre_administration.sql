-- What administrators do to accounts and events. Of it `events` alone is published for change capture.

-- Who is suspended can't log in, and their API keys are refused.
ALTER TABLE people ADD COLUMN suspended_at timestamptz;

-- While it is set, nobody puts the event on sale.
ALTER TABLE events ADD COLUMN deactivated_at timestamptz;

-- An API key may do what its person may; memberships give roles too, and whoever is suspended may do nothing.
CREATE OR REPLACE VIEW read_side.api_keys AS
    SELECT
        k.id, k.public_id, k.secret_hash, k.person_id, k.scopes, k.created_at, k.expires_at,
        p.roles || ARRAY(
            SELECT DISTINCT CASE WHEN m.role = 'scanner' THEN 'scanner' ELSE 'host' END
            FROM organisation_members m WHERE m.person_id = p.id
        ) AS roles
    FROM api_keys k JOIN people p ON p.id = k.person_id WHERE p.erased_at IS NULL AND p.suspended_at IS NULL;

CREATE OR REPLACE VIEW own_data.accounts AS
    SELECT
        p.id AS person_id, p.id, p.email, p.display_name, p.roles, p.password_hash IS NOT NULL AS has_password,
        p.created_at, g.phone, p.email_confirmed_at, p.suspended_at
    FROM people p LEFT JOIN guests g ON g.person_id = p.id;
