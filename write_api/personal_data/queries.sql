-- select_everything --
-- All that is kept about a person, as of one moment; of each kind the newest, at most max_rows.
SELECT
    (SELECT to_jsonb(a) - 'person_id' FROM own_data.accounts a WHERE a.person_id = %(person_id)s) AS account,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(r) - 'person_id' ORDER BY r.id DESC), '[]') FROM (
            SELECT * FROM own_data.sessions WHERE person_id = %(person_id)s ORDER BY id DESC LIMIT %(max_rows)s
        ) r
    ) AS sessions,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(r) - 'person_id' ORDER BY r.id DESC), '[]') FROM (
            SELECT * FROM own_data.api_keys WHERE person_id = %(person_id)s ORDER BY id DESC LIMIT %(max_rows)s
        ) r
    ) AS api_keys,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(r) - 'person_id' ORDER BY r.id DESC), '[]') FROM (
            SELECT * FROM own_data.bookings WHERE person_id = %(person_id)s ORDER BY id DESC LIMIT %(max_rows)s
        ) r
    ) AS bookings,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(r) - 'person_id' ORDER BY r.id DESC), '[]') FROM (
            SELECT * FROM own_data.orders WHERE person_id = %(person_id)s ORDER BY id DESC LIMIT %(max_rows)s
        ) r
    ) AS orders,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(r) - 'person_id' ORDER BY r.created_at DESC), '[]') FROM (
            SELECT * FROM own_data.idempotent_requests
            WHERE person_id = %(person_id)s ORDER BY created_at DESC LIMIT %(max_rows)s
        ) r
    ) AS idempotent_requests,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(r) - 'person_id' ORDER BY r.id DESC), '[]') FROM (
            SELECT * FROM own_data.waitlist_entries
            WHERE person_id = %(person_id)s ORDER BY id DESC LIMIT %(max_rows)s
        ) r
    ) AS waitlist_entries,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(r) - 'person_id' ORDER BY r.id DESC), '[]') FROM (
            SELECT * FROM own_data.events WHERE person_id = %(person_id)s ORDER BY id DESC LIMIT %(max_rows)s
        ) r
    ) AS events,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(r) - 'person_id' ORDER BY r.id DESC), '[]') FROM (
            SELECT * FROM own_data.venues WHERE person_id = %(person_id)s ORDER BY id DESC LIMIT %(max_rows)s
        ) r
    ) AS venues,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(r) - 'person_id' ORDER BY r.id DESC), '[]') FROM (
            SELECT * FROM own_data.notifications
            WHERE person_id = %(person_id)s ORDER BY id DESC LIMIT %(max_rows)s
        ) r
    ) AS notifications,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(r) - 'person_id' ORDER BY r.id DESC), '[]') FROM (
            SELECT * FROM own_data.memberships WHERE person_id = %(person_id)s ORDER BY id DESC LIMIT %(max_rows)s
        ) r
    ) AS memberships,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(r) - 'person_id' ORDER BY r.id DESC), '[]') FROM (
            SELECT * FROM own_data.invitations WHERE person_id = %(person_id)s ORDER BY id DESC LIMIT %(max_rows)s
        ) r
    ) AS invitations,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(r) - 'person_id' ORDER BY r.id DESC), '[]') FROM (
            SELECT
                id, at, action, subject, outcome, region, CASE WHEN is_own THEN client_address END AS client_address
            FROM (
                SELECT
                    *,
                    (actor_kind IN ('person', 'guest') AND actor_id = %(person_id)s)
                    OR (
                        actor_kind = 'api_key'
                        AND actor_id = ANY(ARRAY(SELECT id FROM own_data.api_keys WHERE person_id = %(person_id)s))
                    ) AS is_own
                FROM own_data.audit_entries
            ) a
            WHERE is_own OR subject = 'person:' || %(person_id)s::bigint
            ORDER BY id DESC LIMIT %(max_rows)s
        ) r
    ) AS audit_entries

-- count_bookings_to_come --
-- What others count on: seats that the person has of events to come.
SELECT count(*) AS bookings_to_come FROM own_data.bookings
WHERE person_id = %(person_id)s AND status IN ('held', 'confirmed') AND event_starts_at > now()
