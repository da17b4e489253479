-- Until an e-mail is confirmed, its account is that of a customer alone: in tokens, and with API keys. Only who has
-- confirmed it joins an organisation.

CREATE FUNCTION roles_of_now(roles text[], email_confirmed_at timestamptz) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN email_confirmed_at IS NULL THEN ARRAY['customer'] ELSE roles END;

CREATE OR REPLACE VIEW read_side.api_keys AS
    SELECT
        k.id, k.public_id, k.secret_hash, k.person_id, k.scopes, k.created_at, k.expires_at,
        roles_of_now(p.roles, p.email_confirmed_at) || ARRAY(
            SELECT DISTINCT CASE WHEN m.role = 'scanner' THEN 'scanner' ELSE 'host' END
            FROM organisation_members m WHERE m.person_id = p.id
        ) AS roles
    FROM api_keys k JOIN people p ON p.id = k.person_id WHERE p.erased_at IS NULL AND p.suspended_at IS NULL;
