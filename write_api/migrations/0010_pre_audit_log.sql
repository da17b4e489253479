-- Who did what to what, when, from where, and whether it was done. Written once; never published for change capture.

-- People are in it by their ids alone, so that somebody's data can be erased without touching it. `subject` is
-- `kind:id`, such as `event:7`. `id` and `at` are the database's: nobody who writes may choose them.
CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor_kind text NOT NULL CHECK (
        actor_kind IN ('person', 'api_key', 'guest', 'nobody', 'operator', 'system')
    ),
    actor_id bigint,
    action text NOT NULL CHECK (action ~ '^[a-z]+(-[a-z]+)*$' AND length(action) <= 60),
    subject text NOT NULL CHECK (subject ~ '^[a-z]+(-[a-z]+)*:[A-Za-z0-9_.~-]{1,100}$'),
    outcome text NOT NULL CHECK (outcome IN ('done', 'refused')),
    client_address text CHECK (length(client_address) <= 100),
    region text NOT NULL,
    request_id text CHECK (length(request_id) <= 100),
    details jsonb NOT NULL CHECK (jsonb_typeof(details) = 'object' AND length(details::text) <= 2000),
    CHECK ((actor_id IS NOT NULL) = (actor_kind IN ('person', 'api_key', 'guest')))
);
CREATE INDEX audit_log_by_actor ON audit_log (actor_kind, actor_id, id) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_log_by_subject ON audit_log (subject, id);
CREATE INDEX audit_log_by_time ON audit_log (at);

-- Grants stop whoever serves requests; this stops the owner's statements too, and a session that replays others'.
CREATE FUNCTION refuse_to_change_the_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only ever added to' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_audit_log();
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_is_append_only;

GRANT SELECT ON audit_log TO frontrow_write;
GRANT INSERT (
    actor_kind, actor_id, action, subject, outcome, client_address, region, request_id, details
) ON audit_log TO frontrow_write;
