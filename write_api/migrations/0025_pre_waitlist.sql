-- The waitlist: who waits for seats of a ticket type, in the order of their ids. Never published for change capture.

-- An entry is `waiting` until seats are offered: then it has a booking, a hold, and what becomes of that is what
-- becomes of the entry (read_side.waitlist_entries tells it at once; the row follows within seconds). `passed`: the
-- turn came and was not taken; `closed`: the event began or was cancelled before it came.
CREATE TABLE waitlist_entries (
    event_id bigint NOT NULL REFERENCES events (id),
    id bigint GENERATED ALWAYS AS IDENTITY,
    ticket_type_id bigint NOT NULL,
    person_id bigint NOT NULL REFERENCES people (id),
    quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 100000),
    status text NOT NULL DEFAULT 'waiting'
        CHECK (status IN ('waiting', 'offered', 'accepted', 'passed', 'left', 'closed')),
    booking_id bigint,
    joined_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    PRIMARY KEY (event_id, id),
    FOREIGN KEY (event_id, ticket_type_id) REFERENCES ticket_types (event_id, id),
    FOREIGN KEY (event_id, booking_id) REFERENCES bookings (event_id, id),
    CHECK ((status IN ('offered', 'accepted')) <= (booking_id IS NOT NULL)),
    CHECK ((status = 'waiting') <= (booking_id IS NULL)),
    CHECK ((status IN ('waiting', 'offered')) = (ended_at IS NULL))
);
-- One live entry a person and ticket type.
CREATE UNIQUE INDEX waitlist_entries_live ON waitlist_entries (event_id, ticket_type_id, person_id)
    WHERE status IN ('waiting', 'offered');
CREATE UNIQUE INDEX waitlist_entries_by_booking ON waitlist_entries (event_id, booking_id)
    WHERE booking_id IS NOT NULL;
-- The line; and the least that somebody in it wants, which each batch of bookings asks for.
CREATE INDEX waitlist_entries_in_line ON waitlist_entries (event_id, ticket_type_id, id) WHERE status = 'waiting';
CREATE INDEX waitlist_entries_by_quantity ON waitlist_entries (event_id, ticket_type_id, quantity)
    WHERE status = 'waiting';
CREATE INDEX waitlist_entries_offered ON waitlist_entries (event_id, id) WHERE status = 'offered';
CREATE INDEX waitlist_entries_by_person ON waitlist_entries (person_id, id);

-- Who waits for how many seats: for the bookings, which sell no seats past them.
CREATE VIEW waitlist_line AS
    SELECT event_id, ticket_type_id, quantity FROM waitlist_entries WHERE status = 'waiting';

-- What can be sold now, for the waitlist.
CREATE VIEW seats_on_sale AS
    SELECT s.event_id, s.ticket_type_id, s.remaining
    FROM ticket_stock s
    JOIN ticket_types t ON t.event_id = s.event_id AND t.id = s.ticket_type_id
    JOIN events e ON e.id = s.event_id
    WHERE e.status = 'active' AND e.starts_at > statement_timestamp()
        AND (t.sales_start_at IS NULL OR t.sales_start_at <= statement_timestamp())
        AND (t.sales_end_at IS NULL OR t.sales_end_at > statement_timestamp());

-- Entries as their owners see them; `place` is that in line, from 1. Whoever reads asks for one person's.
CREATE VIEW read_side.waitlist_entries AS
SELECT
    w.event_id, w.id, w.ticket_type_id, w.person_id, w.quantity, s.status,
    CASE WHEN s.status = 'waiting' THEN (
        SELECT count(*) FROM waitlist_entries o
        WHERE o.event_id = w.event_id AND o.ticket_type_id = w.ticket_type_id AND o.status = 'waiting' AND o.id <= w.id
    ) END AS place,
    w.booking_id, b.hold_expires_at AS offer_expires_at, w.joined_at
FROM waitlist_entries w
JOIN events e ON e.id = w.event_id
LEFT JOIN bookings b ON b.event_id = w.event_id AND b.id = w.booking_id
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN w.status = 'waiting' AND (e.status = 'cancelled' OR e.starts_at <= statement_timestamp()) THEN 'closed'
        WHEN w.status <> 'offered' THEN w.status
        WHEN b.confirmed_at IS NOT NULL THEN 'accepted'
        WHEN b.status = 'cancelled' THEN 'left'
        WHEN b.status <> 'held' OR b.hold_expires_at <= statement_timestamp() THEN 'passed'
        ELSE 'offered'
    END AS status
) s;

CREATE VIEW own_data.waitlist_entries AS
    SELECT
        w.person_id, w.id, w.event_id, e.name AS event_name, w.ticket_type_id, w.quantity, w.status, w.booking_id,
        w.joined_at, w.ended_at
    FROM waitlist_entries w JOIN events e ON e.id = w.event_id;

GRANT SELECT, INSERT, UPDATE, DELETE ON waitlist_entries TO frontrow_write;
GRANT SELECT ON waitlist_line, seats_on_sale, own_data.waitlist_entries TO frontrow_write;
GRANT SELECT ON read_side.waitlist_entries TO frontrow_read, frontrow_write;
