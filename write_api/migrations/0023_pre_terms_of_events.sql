-- Pages tell how long an event holds seats, and how many of a ticket type one person may have.
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
    e.hold_seconds
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
