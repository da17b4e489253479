-- Orders of several bookings, who comes, and the answers to requests that were sent with a key.

-- An order is what it was placed with; its status is that of its bookings. They are in the order of its items, named
-- with their events, so that each is found by its whole key. There is no foreign key: events may be in many databases.
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id bigint NOT NULL REFERENCES people (id),
    event_ids bigint[] NOT NULL,
    booking_ids bigint[] NOT NULL,
    created_at timestamptz NOT NULL,
    CHECK (cardinality(event_ids) = cardinality(booking_ids) AND cardinality(booking_ids) BETWEEN 1 AND 100)
);
CREATE INDEX orders_by_person ON orders (person_id, id DESC);

-- Who comes: `seat_number` counts the seats of the booking, from 1.
CREATE TABLE attendees (
    event_id bigint NOT NULL,
    booking_id bigint NOT NULL,
    seat_number integer NOT NULL CHECK (seat_number BETWEEN 1 AND 100000),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    email text CHECK (length(email) BETWEEN 1 AND 320),
    PRIMARY KEY (event_id, booking_id, seat_number),
    FOREIGN KEY (event_id, booking_id) REFERENCES bookings (event_id, id)
);

-- With which key of whose something was made, and what was answered, for a day: who repeats the request hears the
-- same again. `answer` is null only while the request is in progress. Bookings have a table of their own, by event.
CREATE TABLE idempotent_requests (
    person_id bigint NOT NULL REFERENCES people (id),
    operation text NOT NULL CHECK (length(operation) BETWEEN 1 AND 40),
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    body_sha256 bytea NOT NULL CHECK (length(body_sha256) = 32),
    answer text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (person_id, operation, key)
);
CREATE INDEX idempotent_requests_by_age ON idempotent_requests (created_at);

GRANT SELECT, INSERT ON orders TO frontrow_write;
GRANT USAGE ON SEQUENCE orders_id_seq TO frontrow_write;
GRANT SELECT, INSERT, UPDATE, DELETE ON attendees, idempotent_requests TO frontrow_write;

-- Whoever does not ask for the attendees does not pay for them.
CREATE OR REPLACE VIEW read_side.bookings AS
SELECT
    b.id, b.person_id, b.event_id, b.ticket_type_id, b.quantity, b.status, b.price_minor, b.currency,
    b.hold_expires_at, b.created_at, b.confirmed_at, s.seats, b.order_id,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_object('name', a.name, 'email', a.email) ORDER BY a.seat_number), '[]')
        FROM attendees a WHERE a.event_id = b.event_id AND a.booking_id = b.id
    ) AS attendees
FROM bookings b
CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('position', position, 'label', label) ORDER BY position) AS seats
    FROM seats WHERE event_id = b.event_id AND position = ANY(b.seat_positions)
) s;

-- One row an order with its bookings, in the order of its items. Whoever reads asks for one person's.
CREATE VIEW read_side.orders AS
SELECT o.id, o.person_id, o.created_at, b.bookings
FROM orders o
CROSS JOIN LATERAL (
    SELECT jsonb_agg(to_jsonb(b) ORDER BY item.number) AS bookings
    FROM unnest(o.event_ids, o.booking_ids) WITH ORDINALITY AS item (event_id, booking_id, number)
    JOIN read_side.bookings b ON b.event_id = item.event_id AND b.id = item.booking_id
) b;
GRANT SELECT ON read_side.orders TO frontrow_read, frontrow_write;

CREATE OR REPLACE VIEW own_data.bookings AS
    SELECT
        b.person_id, b.id, b.event_id, e.name AS event_name, e.starts_at AS event_starts_at, b.quantity, b.status,
        b.price_minor, b.currency, b.seat_positions, b.created_at, b.confirmed_at, b.ended_at,
        i.key AS idempotency_key, b.order_id,
        (
            SELECT coalesce(jsonb_agg(jsonb_build_object('name', a.name, 'email', a.email) ORDER BY a.seat_number), '[]')
            FROM attendees a WHERE a.event_id = b.event_id AND a.booking_id = b.id
        ) AS attendees
    FROM bookings b
    JOIN events e ON e.id = b.event_id
    LEFT JOIN idempotent_bookings i ON i.event_id = b.event_id AND i.booking_id = b.id;
CREATE VIEW own_data.orders AS
    SELECT person_id, id, booking_ids, created_at FROM orders;
CREATE VIEW own_data.idempotent_requests AS
    SELECT person_id, operation, key, answer, created_at FROM idempotent_requests;
GRANT SELECT ON own_data.orders, own_data.idempotent_requests TO frontrow_write;
