-- Seats and who has them. Each table is keyed by event first: the platform can be sharded by event.

-- How many seats a ticket type has left: the one narrow row that every booking of it changes.
CREATE TABLE ticket_stock (
    event_id bigint NOT NULL,
    ticket_type_id bigint NOT NULL,
    remaining integer NOT NULL CHECK (remaining >= 0),
    PRIMARY KEY (event_id, ticket_type_id),
    FOREIGN KEY (event_id, ticket_type_id) REFERENCES ticket_types (event_id, id) ON DELETE CASCADE
) WITH (fillfactor = 10);

-- A booking is `held` until `hold_expires_at`, then confirmed, or cancelled, or expired.
CREATE TABLE bookings (
    event_id bigint NOT NULL REFERENCES events (id),
    id bigint GENERATED ALWAYS AS IDENTITY,
    ticket_type_id bigint NOT NULL,
    person_id bigint NOT NULL REFERENCES people (id),
    quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 100000),
    status text NOT NULL DEFAULT 'held' CHECK (status IN ('held', 'confirmed', 'cancelled', 'expired')),
    price_minor bigint NOT NULL,
    currency text NOT NULL,
    seat_positions integer[] NOT NULL,
    hold_expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    confirmed_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (event_id, id),
    UNIQUE (id),
    FOREIGN KEY (event_id, ticket_type_id) REFERENCES ticket_types (event_id, id),
    CHECK (cardinality(seat_positions) = quantity),
    CHECK ((status = 'confirmed') <= (confirmed_at IS NOT NULL)),
    CHECK ((status IN ('cancelled', 'expired')) = (ended_at IS NOT NULL))
);
CREATE INDEX bookings_by_person ON bookings (person_id, id DESC);
CREATE INDEX bookings_held_by_deadline ON bookings (hold_expires_at) WHERE status = 'held';

-- One token a seat, made with the event. A seat has at most one booking, by the shape of the row.
CREATE TABLE seats (
    event_id bigint NOT NULL,
    position integer NOT NULL CHECK (position BETWEEN 1 AND 100000),
    ticket_type_id bigint NOT NULL,
    label text NOT NULL,
    booking_id bigint,
    PRIMARY KEY (event_id, position),
    FOREIGN KEY (event_id, ticket_type_id) REFERENCES ticket_types (event_id, id) ON DELETE CASCADE
) WITH (fillfactor = 50);
CREATE INDEX seats_free ON seats (event_id, ticket_type_id, position) WHERE booking_id IS NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON ticket_stock, bookings, seats TO frontrow_write;
GRANT SELECT ON ticket_stock TO frontrow_capture;
