-- Ticket types whose number of seats changes after they were made.

-- Seats beyond the capacity, which its host sells in the hope that not all come.
ALTER TABLE ticket_types
    ADD COLUMN oversell_seats integer NOT NULL DEFAULT 0 CHECK (oversell_seats BETWEEN 0 AND 100000);

-- Seats follow what was decided some at a time: so many are still to be opened, or if negative, to be withdrawn.
-- What is to be withdrawn is not counted in `remaining` any more, what is to be opened not yet.
ALTER TABLE ticket_stock ADD COLUMN unsettled integer NOT NULL DEFAULT 0;
CREATE INDEX ticket_stock_unsettled ON ticket_stock (event_id, ticket_type_id) WHERE unsettled <> 0;

-- A seat whose `booking_id` is 0 is withdrawn: not for sale, since the host lowered the capacity. It stays, for the
-- bookings that had it, and is the first to be opened again. So positions go beyond the 100,000 seats that an event may
-- have, at worst to as many for each of its 50 ticket types. The old rows fulfil the new condition.
ALTER TABLE seats DROP CONSTRAINT seats_position_check;
ALTER TABLE seats ADD CONSTRAINT seats_position_check CHECK (position BETWEEN 1 AND 5000000) NOT VALID;
CREATE INDEX seats_withdrawn ON seats (event_id, ticket_type_id, position) WHERE booking_id = 0;

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
            'per_person_limit', tt.per_person_limit, 'oversell_seats', tt.oversell_seats
        ) ORDER BY tt.position) AS types,
        min(tt.price_minor) AS price_minor_min,
        max(tt.price_minor) AS price_minor_max,
        sum(tt.capacity) AS capacity,
        sum(s.remaining) AS seats_remaining
    FROM ticket_types tt
    JOIN ticket_stock s ON s.event_id = tt.event_id AND s.ticket_type_id = tt.id
    WHERE tt.event_id = e.id
) t ON true;
