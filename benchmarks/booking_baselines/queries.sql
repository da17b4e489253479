-- Statements of designs with one transaction a request, over write_api's own tables. The event is not locked:
-- that it is on sale is only read. Each design names the booking by the person's key, as write_api does.

-- lock_stock --
-- Textbook: the counter of the ticket type, locked until the commit is confirmed.
SELECT t.ticket_type_id, t.remaining, y.price_minor, e.currency
FROM ticket_stock t JOIN ticket_types y ON y.event_id = t.event_id AND y.id = t.ticket_type_id
JOIN events e ON e.id = t.event_id
WHERE t.event_id = %(event_id)s AND e.status = 'active' AND e.starts_at > now()
FOR UPDATE OF t

-- free_seats --
-- Textbook: under that lock nobody else takes them.
SELECT position FROM seats
WHERE event_id = %(event_id)s AND ticket_type_id = %(ticket_type_id)s AND booking_id IS NULL
ORDER BY position LIMIT %(quantity)s

-- insert_booking --
-- Textbook: the booking, and the key that it was made with.
WITH made AS (
    INSERT INTO bookings (
        event_id, ticket_type_id, person_id, quantity, price_minor, currency, seat_positions, hold_expires_at
    ) VALUES (
        %(event_id)s, %(ticket_type_id)s, %(person_id)s, %(quantity)s, %(price_minor)s, %(currency)s,
        %(seat_positions)s, now() + make_interval(secs => %(hold_seconds)s)
    ) RETURNING event_id, id
), named AS (
    INSERT INTO idempotent_bookings (event_id, person_id, key, booking_id, created_at)
    SELECT event_id, %(person_id)s, %(key)s, id, now() FROM made WHERE %(key)s::text IS NOT NULL
)
SELECT id FROM made

-- take_seats --
-- Textbook: the seats that were free.
UPDATE seats SET booking_id = %(booking_id)s
WHERE event_id = %(event_id)s AND position = ANY(%(seat_positions)s::integer[]) AND booking_id IS NULL

-- lower_stock --
-- Textbook: the counter follows.
UPDATE ticket_stock SET remaining = remaining - %(quantity)s
WHERE event_id = %(event_id)s AND ticket_type_id = %(ticket_type_id)s

-- book_by_counter --
-- Single statement: the counter is lowered, and says which seats are next; right as long as none come back.
WITH lowered AS MATERIALIZED (
    UPDATE ticket_stock t SET remaining = t.remaining - %(quantity)s
    FROM ticket_types y, events e
    WHERE t.event_id = %(event_id)s AND t.remaining >= %(quantity)s
        AND y.event_id = t.event_id AND y.id = t.ticket_type_id
        AND e.id = t.event_id AND e.status = 'active' AND e.starts_at > now()
    RETURNING t.ticket_type_id, y.price_minor, e.currency, t.remaining
), made AS (
    INSERT INTO bookings (
        event_id, ticket_type_id, person_id, quantity, price_minor, currency, seat_positions, hold_expires_at
    )
    SELECT %(event_id)s, ticket_type_id, %(person_id)s, %(quantity)s, price_minor * %(quantity)s, currency,
        ARRAY(SELECT generate_series(remaining + 1, remaining + %(quantity)s)),
        now() + make_interval(secs => %(hold_seconds)s)
    FROM lowered
    RETURNING event_id, id, seat_positions
), taken AS (
    UPDATE seats s SET booking_id = m.id FROM made m
    WHERE s.event_id = m.event_id AND s.position = ANY(m.seat_positions) AND s.booking_id IS NULL
), named AS (
    INSERT INTO idempotent_bookings (event_id, person_id, key, booking_id, created_at)
    SELECT event_id, %(person_id)s, %(key)s, id, now() FROM made WHERE %(key)s::text IS NOT NULL
)
SELECT id, seat_positions FROM made

-- book_skipping --
-- Skip locked: no counter at all; who comes takes free seats that nobody else is about to take.
WITH free AS MATERIALIZED (
    SELECT position, ticket_type_id FROM seats
    WHERE event_id = %(event_id)s AND booking_id IS NULL
    ORDER BY ticket_type_id, position LIMIT %(quantity)s FOR UPDATE SKIP LOCKED
), made AS (
    INSERT INTO bookings (
        event_id, ticket_type_id, person_id, quantity, price_minor, currency, seat_positions, hold_expires_at
    )
    SELECT e.id, y.id, %(person_id)s, %(quantity)s, y.price_minor * %(quantity)s, e.currency, f.positions,
        now() + make_interval(secs => %(hold_seconds)s)
    FROM (
        SELECT ticket_type_id, array_agg(position) AS positions FROM free
        GROUP BY ticket_type_id HAVING count(*) = %(quantity)s
    ) f
    JOIN events e ON e.id = %(event_id)s AND e.status = 'active' AND e.starts_at > now()
    JOIN ticket_types y ON y.event_id = e.id AND y.id = f.ticket_type_id
    RETURNING event_id, id, seat_positions
), taken AS (
    UPDATE seats s SET booking_id = m.id FROM made m
    WHERE s.event_id = m.event_id AND s.position = ANY(m.seat_positions) AND s.booking_id IS NULL
), named AS (
    INSERT INTO idempotent_bookings (event_id, person_id, key, booking_id, created_at)
    SELECT event_id, %(person_id)s, %(key)s, id, now() FROM made WHERE %(key)s::text IS NOT NULL
)
SELECT id, seat_positions FROM made
