-- What the regions read, and what is published to them.

-- One row an event with all that a search document and an event page need: the same view for live indexing,
-- backfill, reconcile and pages, so that they can't disagree.
CREATE VIEW read_side.event_documents AS
SELECT
    e.id, e.host_id, e.name, e.description, e.category, e.topics, e.languages, e.website, e.status,
    e.starts_at, e.ends_at, e.time_zone, e.is_online, e.currency, e.created_at, e.updated_at,
    v.name AS venue_name, v.city, v.country, v.latitude, v.longitude,
    coalesce(a.names, '{}') AS artists,
    coalesce(t.types, '[]') AS ticket_types,
    t.price_minor_min, t.price_minor_max,
    coalesce(t.capacity, 0)::bigint AS capacity,
    coalesce(t.seats_remaining, 0)::bigint AS seats_remaining
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
            'seats_remaining', s.remaining, 'sales_start_at', tt.sales_start_at, 'sales_end_at', tt.sales_end_at
        ) ORDER BY tt.position) AS types,
        min(tt.price_minor) AS price_minor_min,
        max(tt.price_minor) AS price_minor_max,
        sum(tt.capacity) AS capacity,
        sum(s.remaining) AS seats_remaining
    FROM ticket_types tt
    JOIN ticket_stock s ON s.event_id = tt.event_id AND s.ticket_type_id = tt.id
    WHERE tt.event_id = e.id
) t ON true;

-- Which events to read again when a venue or an artist changed.
CREATE VIEW read_side.venue_events AS
    SELECT venue_id, id AS event_id FROM events WHERE venue_id IS NOT NULL;
CREATE VIEW read_side.artist_events AS
    SELECT artist_id, event_id FROM event_artists;

GRANT SELECT ON read_side.event_documents, read_side.venue_events, read_side.artist_events
    TO frontrow_read, frontrow_write;

-- Never seats, bookings, accounts or jobs. Removals are told by the key columns alone.
CREATE PUBLICATION frontrow_changes
    FOR TABLE events, venues, artists, event_artists, ticket_types, ticket_stock, heartbeat;
