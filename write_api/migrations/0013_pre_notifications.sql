-- Confirmed e-mails, changed passwords, and the notifications that tell of them. Never published for change capture.

-- Whoever had an account before there was a confirmation keeps what they could do.
ALTER TABLE people
    ADD COLUMN email_confirmed_at timestamptz,
    ADD COLUMN password_version bigint NOT NULL DEFAULT 1;
UPDATE people SET email_confirmed_at = created_at WHERE password_hash IS NOT NULL;

-- One row a notification, written in the transaction of what it tells. It holds no secret: links are signed when
-- the mail is written. Who asked with an e-mail is not looked up before the mail is written, so that the request
-- does the same whether that e-mail has an account or not.
CREATE TABLE notifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel text NOT NULL CHECK (channel = 'mail'),
    template text NOT NULL CHECK (length(template) BETWEEN 1 AND 60),
    parameters jsonb NOT NULL CHECK (jsonb_typeof(parameters) = 'object' AND length(parameters::text) <= 4000),
    person_id bigint REFERENCES people (id),
    email_folded text CHECK (length(email_folded) <= 254),
    address text CHECK (length(address) <= 254),
    status text NOT NULL CHECK (status IN ('queued', 'sent', 'failed', 'merged', 'no_recipient')),
    tries integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at timestamptz,
    last_error text CHECK (length(last_error) <= 300),
    CHECK (person_id IS NOT NULL OR email_folded IS NOT NULL),
    CHECK ((sent_at IS NOT NULL) = (status = 'sent'))
);
CREATE INDEX notifications_queued ON notifications (due_at) WHERE status = 'queued';
CREATE INDEX notifications_by_email ON notifications (email_folded, template, created_at);
CREATE INDEX notifications_by_person ON notifications (person_id);
CREATE INDEX notifications_by_time ON notifications (created_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON notifications TO frontrow_write;

-- What somebody was told, for that somebody; also what was asked for with their e-mail.
CREATE VIEW own_data.notifications AS
    SELECT
        p.id AS person_id, n.id, n.channel, n.template, coalesce(n.address, p.email) AS address, n.status,
        n.created_at, n.sent_at
    FROM notifications n JOIN people p ON p.id = n.person_id OR p.email_folded = n.email_folded;
GRANT SELECT ON own_data.notifications TO frontrow_write;

CREATE OR REPLACE VIEW own_data.accounts AS
    SELECT
        p.id AS person_id, p.id, p.email, p.display_name, p.roles, p.password_hash IS NOT NULL AS has_password,
        p.created_at, g.phone, p.email_confirmed_at
    FROM people p LEFT JOIN guests g ON g.person_id = p.id;
