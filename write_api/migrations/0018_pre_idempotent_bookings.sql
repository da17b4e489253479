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
CREATE INDEX idempotent_bookings_by_age ON idempotent_bookings (created_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON idempotent_bookings TO frontrow_write;
