-- With which key of whose a booking was made, for a day: whoever repeats the request gets it again.
CREATE TABLE idempotent_bookings (
    event_id bigint NOT NULL,
    person_id bigint NOT NULL REFERENCES people (id),
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    booking_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (event_id, person_id, key),
    FOREIGN KEY (event_id, booking_id) REFERENCES bookings (event_id, id)
);
CREATE UNIQUE INDEX idempotent_bookings_by_booking ON idempotent_bookings (event_id, booking_id);
CREATE INDEX idempotent_bookings_by_age ON idempotent_bookings (created_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON idempotent_bookings TO frontrow_write;

-- What is kept about a person's booking includes the key that they sent.
CREATE OR REPLACE VIEW own_data.bookings AS
    SELECT
        b.person_id, b.id, b.event_id, e.name AS event_name, e.starts_at AS event_starts_at, b.quantity, b.status,
        b.price_minor, b.currency, b.seat_positions, b.created_at, b.confirmed_at, b.ended_at,
        i.key AS idempotency_key
    FROM bookings b
    JOIN events e ON e.id = b.event_id
    LEFT JOIN idempotent_bookings i ON i.event_id = b.event_id AND i.booking_id = b.id;
