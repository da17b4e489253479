-- Until when bookings can be cancelled, edited and handed on, and what of the price comes back.

-- Version 0 is the platform's and no row. Bookings keep the version of their purchase, so no row ever changes.
CREATE TABLE event_policies (
    event_id bigint NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    version integer NOT NULL CHECK (version >= 1),
    cancel_allowed boolean NOT NULL,
    cancel_until_seconds integer NOT NULL CHECK (cancel_until_seconds BETWEEN 0 AND 31622400),
    refund_policy jsonb NOT NULL CHECK (
        jsonb_typeof(refund_policy) = 'array' AND jsonb_array_length(refund_policy) <= 10
    ),
    edit_allowed boolean NOT NULL,
    edit_until_seconds integer NOT NULL CHECK (edit_until_seconds BETWEEN 0 AND 31622400),
    transfer_allowed boolean NOT NULL,
    transfer_until_seconds integer NOT NULL CHECK (transfer_until_seconds BETWEEN 0 AND 31622400),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, version)
);

CREATE FUNCTION refuse_to_change_a_policy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a policy is never changed, only followed by another version' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER event_policies_never_change BEFORE UPDATE ON event_policies
    FOR EACH ROW EXECUTE FUNCTION refuse_to_change_a_policy();
ALTER TABLE event_policies ENABLE ALWAYS TRIGGER event_policies_never_change;

GRANT SELECT, INSERT ON event_policies TO frontrow_write;

-- What comes back to whoever cancelled: nothing for a hold, which nobody has paid for.
ALTER TABLE bookings
    ADD COLUMN refund_minor bigint,
    ADD CHECK (refund_minor IS NULL OR (status = 'cancelled' AND refund_minor BETWEEN 0 AND price_minor));

CREATE VIEW read_side.event_policies AS
SELECT
    event_id, version,
    jsonb_build_object(
        'version', version, 'cancel_allowed', cancel_allowed, 'cancel_until_seconds', cancel_until_seconds,
        'refund_policy', refund_policy, 'edit_allowed', edit_allowed, 'edit_until_seconds', edit_until_seconds,
        'transfer_allowed', transfer_allowed, 'transfer_until_seconds', transfer_until_seconds
    ) AS policy
FROM event_policies;
GRANT SELECT ON read_side.event_policies TO frontrow_read, frontrow_write;

-- Who asks nothing of a policy, or where it is the platform's, pays nothing for it.
CREATE OR REPLACE VIEW read_side.event_documents AS
SELECT
    e.id, e.host_id, e.name, e.description, e.category, e.topics, e.languages, e.website, e.status,
    e.starts_at, e.ends_at, e.time_zone, e.is_online, e.currency, e.created_at, e.updated_at,
    v.name AS venue_name, v.city, v.country, v.latitude, v.longitude,
    coalesce(a.names, '{}') AS artists,
    coalesce(t.types, '[]') AS ticket_types,
    t.price_minor_min, t.price_minor_max,
    coalesce(t.capacity, 0)::bigint AS capacity,
    coalesce(t.seats_remaining, 0)::bigint AS seats_remaining,
    e.hold_seconds,
    CASE WHEN e.policy_version > 0 THEN (
        SELECT p.policy FROM read_side.event_policies p WHERE p.event_id = e.id AND p.version = e.policy_version
    ) END AS policy
FROM events e
LEFT JOIN venues v ON v.id = e.venue_id
LEFT JOIN LATERAL (
    SELECT array_agg(artists.name ORDER BY event_artists.position) AS names
    FROM event_artists JOIN artists ON artists.id = event_artists.artist_id
    WHERE event_artists.event_id = e.id
) a ON true
LEFT JOIN LATERAL (
    SELECT
        jsonb_agg(jsonb_build_object(
            'id', tt.id, 'name', tt.name, 'price_minor', tt.price_minor, 'capacity', tt.capacity,
            'seats_remaining', s.remaining, 'sales_start_at', tt.sales_start_at, 'sales_end_at', tt.sales_end_at,
            'per_person_limit', tt.per_person_limit
        ) ORDER BY tt.position) AS types,
        min(tt.price_minor) AS price_minor_min,
        max(tt.price_minor) AS price_minor_max,
        sum(tt.capacity) AS capacity,
        sum(s.remaining) AS seats_remaining
    FROM ticket_types tt
    JOIN ticket_stock s ON s.event_id = tt.event_id AND s.ticket_type_id = tt.id
    WHERE tt.event_id = e.id
) t ON true;

CREATE OR REPLACE VIEW read_side.bookings AS
SELECT
    b.id, b.person_id, b.event_id, b.ticket_type_id, b.quantity, b.status, b.price_minor, b.currency,
    b.hold_expires_at, b.created_at, b.confirmed_at, s.seats, b.order_id,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_object('name', a.name, 'email', a.email) ORDER BY a.seat_number), '[]')
        FROM attendees a WHERE a.event_id = b.event_id AND a.booking_id = b.id
    ) AS attendees,
    b.refund_minor,
    CASE WHEN b.policy_version > 0 THEN (
        SELECT p.policy FROM read_side.event_policies p WHERE p.event_id = b.event_id AND p.version = b.policy_version
    ) END AS policy
FROM bookings b
CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('position', position, 'label', label) ORDER BY position) AS seats
    FROM seats WHERE event_id = b.event_id AND position = ANY(b.seat_positions)
) s;

CREATE OR REPLACE VIEW own_data.bookings AS
    SELECT
        b.person_id, b.id, b.event_id, e.name AS event_name, e.starts_at AS event_starts_at, b.quantity, b.status,
        b.price_minor, b.currency, b.seat_positions, b.created_at, b.confirmed_at, b.ended_at,
        i.key AS idempotency_key, b.order_id,
        (
            SELECT coalesce(jsonb_agg(jsonb_build_object('name', a.name, 'email', a.email) ORDER BY a.seat_number), '[]')
            FROM attendees a WHERE a.event_id = b.event_id AND a.booking_id = b.id
        ) AS attendees,
        b.refund_minor, b.policy_version
    FROM bookings b
    JOIN events e ON e.id = b.event_id
    LEFT JOIN idempotent_bookings i ON i.event_id = b.event_id AND i.booking_id = b.id;
