-- Bookings as their owners see them, for everyone who answers them: write_api, and each region from its reader.

-- One row a booking with its seats (those that it had, once it has ended). Whoever reads asks for one person's.
CREATE VIEW read_side.bookings AS
SELECT
    b.id, b.person_id, b.event_id, b.ticket_type_id, b.quantity, b.status, b.price_minor, b.currency,
    b.hold_expires_at, b.created_at, b.confirmed_at, s.seats
FROM bookings b
CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('position', position, 'label', label) ORDER BY position) AS seats
    FROM seats WHERE event_id = b.event_id AND position = ANY(b.seat_positions)
) s;

GRANT SELECT ON read_side.bookings TO frontrow_read, frontrow_write;
