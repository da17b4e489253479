-- What the waitlist asks of the bookings and of the catalogue, whose tables it does not know.

-- What became of a booking that was an offer.
CREATE VIEW booking_states AS SELECT event_id, id, status, confirmed_at FROM bookings;

-- Events whose seats nobody can have any more.
CREATE VIEW events_over AS
    SELECT id AS event_id FROM events WHERE status = 'cancelled' OR starts_at <= statement_timestamp();

GRANT SELECT ON booking_states, events_over TO frontrow_write;
