-- Lock order of all that change bookings: queue of the event, event, booking, stock (by event and ticket type), seats.
-- Whoever takes or frees seats of a ticket type holds the lock of its stock row, so seats need none before.
-- Statements name the event, so that events can be spread over shards; which don't, and why, is in docs/scaling.md.

-- join_queue_of_event --
-- A fair queue before the row: a share of a row's lock is given past those who wait for all of it, so an
-- endless stream of bookings would keep the host from ever taking the event off sale.
SELECT pg_advisory_xact_lock_shared(%(event_id)s)

-- lock_event --
-- Shares the event's row until the end, so that it can't be taken off sale or moved in between.
SELECT status, starts_at, currency, hold_seconds, policy_version FROM events WHERE id = %(event_id)s FOR SHARE

-- select_ticket_types --
-- After the event was locked: whoever changes a ticket type has it alone.
SELECT id, name, price_minor, sales_start_at, sales_end_at, per_person_limit
FROM ticket_types WHERE event_id = %(event_id)s ORDER BY position

-- lock_stock --
-- The one lock that bookings of a ticket type queue for; the time is read when it was granted, not before, for which
-- the lock must be asked for on its own.
WITH stock AS MATERIALIZED (
    SELECT remaining FROM ticket_stock
    WHERE event_id = %(event_id)s AND ticket_type_id = %(ticket_type_id)s FOR UPDATE
)
SELECT remaining, clock_timestamp() AS now FROM stock

-- lock_sale --
-- All locks of a batch in their order, for it serves whoever wants seats of the event, of whichever ticket type.
-- It reads nothing: what is read in the statement that waits for a lock may be older than the lock.
WITH queue AS MATERIALIZED (
    SELECT pg_advisory_xact_lock_shared(%(event_id)s)
), event AS MATERIALIZED (
    SELECT e.id FROM queue, events e WHERE e.id = %(event_id)s FOR SHARE OF e
), stock AS MATERIALIZED (
    SELECT s.ticket_type_id FROM ticket_stock s
    WHERE s.event_id = %(event_id)s AND EXISTS (SELECT FROM event) ORDER BY s.ticket_type_id FOR UPDATE
)
SELECT count(*) FROM stock

-- select_sale --
-- What is on sale, as of now or of the locks: a row a ticket type, or one of nulls for an event without any.
SELECT
    e.status, e.starts_at, e.currency, e.hold_seconds, e.policy_version, e.xmin::text AS event_version,
    t.id, t.name, t.price_minor, t.sales_start_at, t.sales_end_at, t.per_person_limit, s.remaining,
    t.xmin::text AS ticket_type_version, t.capacity + t.oversell_seats AS seats,
    CASE WHEN e.policy_version > 0 THEN (
        SELECT p.policy FROM read_side.event_policies p WHERE p.event_id = e.id AND p.version = e.policy_version
    ) END AS policy
FROM events e
LEFT JOIN (
    ticket_types t JOIN ticket_stock s ON s.event_id = t.event_id AND s.ticket_type_id = t.id
) ON t.event_id = e.id AND s.event_id = e.id
WHERE e.id = %(event_id)s ORDER BY t.position

-- select_time_and_line --
-- A statement of its own, so that time and waitlist are read after the locks were granted: with the locks, it
-- would not see who joined the waitlist while they were waited for. One look at an index a ticket type.
SELECT clock_timestamp() AS now, (
    SELECT jsonb_object_agg(s.ticket_type_id, l.quantity) FROM ticket_stock s
    CROSS JOIN LATERAL (
        SELECT quantity FROM waitlist_line
        WHERE event_id = s.event_id AND ticket_type_id = s.ticket_type_id ORDER BY quantity LIMIT 1
    ) l
    WHERE s.event_id = %(event_id)s
) AS awaited

-- insert_bookings --
-- A batch of holds under the locks of the event's stock: each gets the next free seats of its ticket type.
-- Seats are updated without a join, by two arrays in the order of positions: a planner that knows nothing yet of a
-- new event would rather go through all of its seats than find each by its key. Divides by zero, and so takes
-- nothing, where not exactly the seats were taken that were wanted, or `versions` tell what was read before the locks
-- were asked for, and the event or a ticket type has changed since (a row that is updated has another xmin), the time
-- `until` which it decides alike has come, or somebody waits. Then `now` is null as well: it is when the locks were
-- granted.
WITH moment AS MATERIALIZED (
    SELECT coalesce(%(now)s::timestamptz, clock_timestamp()) AS now
), as_assumed AS MATERIALIZED (
    SELECT %(versions)s::text[] IS NULL OR (
        %(versions)s::text[] = ARRAY(SELECT xmin::text FROM events WHERE id = %(event_id)s)
            || ARRAY(SELECT xmin::text FROM ticket_types WHERE event_id = %(event_id)s ORDER BY position)
        AND ((SELECT now FROM moment) < %(until)s::timestamptz) IS NOT FALSE
        AND NOT EXISTS (SELECT FROM waitlist_line WHERE event_id = %(event_id)s)
    ) AS holds
), wish AS MATERIALIZED (
    SELECT w.*, (sum(w.quantity) OVER (PARTITION BY w.ticket_type_id ORDER BY w.place) - w.quantity)::integer
        AS seats_before
    FROM unnest(
        %(ticket_type_ids)s::bigint[], %(person_ids)s::bigint[], %(quantities)s::integer[],
        %(prices_minor)s::bigint[], %(hold_seconds)s::integer[], %(keys)s::text[], %(order_ids)s::bigint[],
        %(attendees_sha256)s::bytea[]
    ) WITH ORDINALITY AS w (
        ticket_type_id, person_id, quantity, price_minor, hold_seconds, idempotency_key, order_id, attendees_sha256,
        place
    )
), wanted AS MATERIALIZED (
    SELECT ticket_type_id, sum(quantity)::integer AS seats FROM wish GROUP BY ticket_type_id
), free AS MATERIALIZED (
    SELECT w.ticket_type_id, (
        SELECT array_agg(position ORDER BY position) FROM (
            SELECT s.position FROM seats s
            WHERE s.event_id = %(event_id)s AND s.ticket_type_id = w.ticket_type_id AND s.booking_id IS NULL
            ORDER BY s.position LIMIT w.seats
        ) next_seats
    ) AS positions
    FROM wanted w
), made AS MATERIALIZED (
    SELECT w.*, nextval('bookings_id_seq') AS id,
        f.positions[w.seats_before + 1 : w.seats_before + w.quantity] AS seat_positions
    FROM wish w JOIN free f USING (ticket_type_id) ORDER BY w.place
), inserted AS (
    INSERT INTO bookings (
        id, event_id, order_id, ticket_type_id, person_id, quantity, price_minor, currency, policy_version,
        seat_positions, created_at, hold_expires_at
    ) OVERRIDING SYSTEM VALUE
    SELECT id, %(event_id)s, order_id, ticket_type_id, person_id, quantity, price_minor, %(currency)s,
        %(policy_version)s, seat_positions, now, now + make_interval(secs => hold_seconds)
    FROM made CROSS JOIN moment
), named AS (
    INSERT INTO idempotent_bookings (event_id, person_id, key, booking_id, attendees_sha256, created_at)
    SELECT %(event_id)s, person_id, idempotency_key, id, attendees_sha256, now
    FROM made CROSS JOIN moment WHERE idempotency_key IS NOT NULL
), sold AS MATERIALIZED (
    SELECT array_agg(position ORDER BY position) AS positions, array_agg(id ORDER BY position) AS booking_ids
    FROM (SELECT id, unnest(seat_positions) AS position FROM made) seat
), taken AS (
    UPDATE seats s
    SET booking_id = ((SELECT booking_ids FROM sold))[width_bucket(s.position, (SELECT positions FROM sold))]
    WHERE s.event_id = %(event_id)s AND s.position = ANY((SELECT positions FROM sold)::integer[])
        AND s.booking_id IS NULL
    RETURNING s.ticket_type_id, s.position, s.label
), lowered AS (
    UPDATE ticket_stock t SET remaining = t.remaining - w.seats FROM wanted w
    WHERE t.event_id = %(event_id)s AND t.ticket_type_id = w.ticket_type_id
    RETURNING t.ticket_type_id, t.remaining
)
SELECT
    w.ticket_type_id, t.positions, t.labels, (SELECT array_agg(id ORDER BY place) FROM made) AS booking_ids,
    (SELECT now FROM moment) AS now, l.remaining,
    1 / (a.holds AND cardinality(t.positions) IS NOT DISTINCT FROM w.seats)::integer AS as_it_should_be
FROM as_assumed a CROSS JOIN wanted w LEFT JOIN lowered l USING (ticket_type_id) LEFT JOIN (
    SELECT
        ticket_type_id, array_agg(position ORDER BY position) AS positions,
        array_agg(label ORDER BY position) AS labels
    FROM taken GROUP BY ticket_type_id
) t USING (ticket_type_id)

-- flushed_lsn --
-- Asked behind the commit: how far the primary's own disk has the log, with all that the transaction wrote or saw.
SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint AS lsn

-- select_made_before --
-- Under the event's locks, so that nobody makes another one with the same key meanwhile.
-- One look at the key's index for each of them.
SELECT w.person_id, w.key, made.id AS booking_id, made.ticket_type_id, made.quantity, made.attendees_sha256
FROM unnest(%(person_ids)s::bigint[], %(keys)s::text[]) AS w (person_id, key)
CROSS JOIN LATERAL (
    SELECT b.id, b.ticket_type_id, b.quantity, i.attendees_sha256
    FROM idempotent_bookings i JOIN bookings b ON b.event_id = i.event_id AND b.id = i.booking_id
    WHERE i.event_id = %(event_id)s AND i.person_id = w.person_id AND i.key = w.key LIMIT 1
) made

-- select_keys_since --
-- Which keys were used after a booking; under the event's locks ids grow in the order in which bookings are made.
SELECT
    coalesce(max(booking_id), 0) AS last_booking_id, coalesce(array_agg(person_id), '{}') AS person_ids,
    coalesce(array_agg(key), '{}') AS keys
FROM idempotent_bookings WHERE event_id = %(event_id)s AND booking_id > %(booking_id)s

-- count_seats_of_people --
-- Person by person: those who ask are few beside all who have booked. A hold counts until its seats are free.
-- That random() is 0, and keeps the planner from reading all of the event's bookings for each person: without
-- statistics of a young table that looks just as good. People's own bookings are few. Only ticket types with a limit
-- are counted; the event is locked, so these are those that its sale tells of.
SELECT counted.ticket_type_id, wanted.person_id, counted.seats
FROM unnest(%(person_ids)s::bigint[]) AS wanted (person_id)
CROSS JOIN LATERAL (
    SELECT ticket_type_id, sum(quantity)::integer AS seats FROM bookings b
    WHERE b.event_id = %(event_id)s + (0 * random())::bigint AND b.person_id = wanted.person_id
        AND b.ticket_type_id = ANY(ARRAY(
            SELECT id FROM ticket_types WHERE event_id = %(event_id)s AND per_person_limit IS NOT NULL
        )) AND b.status IN ('held', 'confirmed')
    GROUP BY ticket_type_id
) counted

-- forget_idempotency_keys --
-- The oldest first, some at a time.
DELETE FROM idempotent_bookings WHERE (event_id, person_id, key) IN (
    SELECT event_id, person_id, key FROM idempotent_bookings
    WHERE created_at < clock_timestamp() - make_interval(secs => %(kept_seconds)s)
    ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)

-- select_bookings_of_event --
-- Bookings by their ids, as they were when they were made; for whom, the repeated request says itself.
SELECT
    id, event_id, ticket_type_id, quantity, status, price_minor, currency, hold_expires_at, created_at, confirmed_at,
    seats, order_id, policy
FROM read_side.bookings WHERE event_id = %(event_id)s AND id = ANY(%(booking_ids)s::bigint[])

-- free_seats --
-- The first free seats of the ticket type, by position.
SELECT position FROM seats
WHERE event_id = %(event_id)s AND ticket_type_id = %(ticket_type_id)s AND booking_id IS NULL
ORDER BY position LIMIT %(quantity)s

-- insert_booking --
-- A hold from the moment at which the stock was locked.
INSERT INTO bookings (
    event_id, ticket_type_id, person_id, quantity, price_minor, currency, policy_version, seat_positions, created_at,
    hold_expires_at
) VALUES (
    %(event_id)s, %(ticket_type_id)s, %(person_id)s, %(quantity)s, %(price_minor)s, %(currency)s,
    %(policy_version)s, %(seat_positions)s, %(now)s, %(now)s + make_interval(secs => %(hold_seconds)s)
) RETURNING id

-- take_seats --
-- Only free seats are taken; the caller compares the count, so that a seat can't change hands.
UPDATE seats SET booking_id = %(booking_id)s
WHERE event_id = %(event_id)s AND position = ANY(%(seat_positions)s) AND booking_id IS NULL

-- lower_stock --
-- The counter follows the seats; its CHECK is the last guard.
UPDATE ticket_stock SET remaining = remaining - %(quantity)s
WHERE event_id = %(event_id)s AND ticket_type_id = %(ticket_type_id)s

-- select_booking --
-- A person's own booking with its seats.
SELECT * FROM read_side.bookings WHERE id = %(booking_id)s AND person_id = %(person_id)s

-- select_bookings_now --
-- Bookings of an event with their seats, as they are.
SELECT * FROM read_side.bookings WHERE event_id = %(event_id)s AND id = ANY(%(booking_ids)s::bigint[])

-- select_bookings --
-- A page of a person's bookings, newest first, from below an id.
SELECT * FROM read_side.bookings
WHERE person_id = %(person_id)s AND id < %(before)s
ORDER BY id DESC LIMIT %(limit)s

-- find_booking_event --
-- Which event a person's booking is for; it never changes, so it needs no lock and can be locked first.
SELECT event_id FROM bookings WHERE id = %(booking_id)s AND person_id = %(person_id)s

-- lock_booking --
-- The time is read when the lock was granted: a deadline that passed while waiting has passed. What is selected along
-- with a lock is computed before it is granted, and again only where the row has changed since.
WITH locked AS MATERIALIZED (
    SELECT * FROM bookings WHERE event_id = %(event_id)s AND id = %(booking_id)s FOR UPDATE
)
SELECT
    event_id, id, ticket_type_id, person_id, quantity, status, hold_expires_at, price_minor,
    CASE WHEN policy_version > 0 THEN (
        SELECT p.policy FROM read_side.event_policies p WHERE p.event_id = b.event_id AND p.version = b.policy_version
    ) END AS policy,
    clock_timestamp() AS now
FROM locked b

-- lock_bookings --
-- As `lock_booking`, but what somebody else works on is left out: nobody in the event's queue waits for that, and so
-- there is no earlier time either.
SELECT
    event_id, id, ticket_type_id, person_id, quantity, status, hold_expires_at, price_minor,
    CASE WHEN policy_version > 0 THEN (
        SELECT p.policy FROM read_side.event_policies p WHERE p.event_id = b.event_id AND p.version = b.policy_version
    ) END AS policy,
    clock_timestamp() AS now
FROM bookings b WHERE event_id = %(event_id)s AND id = ANY(%(booking_ids)s::bigint[]) FOR UPDATE SKIP LOCKED

-- confirm_booking --
-- The seats stay where they are.
UPDATE bookings SET status = 'confirmed', confirmed_at = clock_timestamp()
WHERE event_id = %(event_id)s AND id = %(booking_id)s AND status = 'held'

-- end_bookings --
-- Cancels or expires bookings of an event that the caller has locked, in the order of their ids; without a join, as
-- `free_booked_seats`.
UPDATE bookings SET
    status = %(status)s, ended_at = clock_timestamp(),
    refund_minor = CASE WHEN %(status)s = 'cancelled' THEN
        (%(refunds_minor)s::bigint[])[width_bucket(id, %(booking_ids)s::bigint[])]
    END
WHERE event_id = %(event_id)s AND id = ANY(%(booking_ids)s::bigint[])

-- lock_stocks --
-- In the order of ids, so that sweeps and cancellations wait in one order.
SELECT 1 FROM ticket_stock
WHERE event_id = %(event_id)s AND ticket_type_id = ANY(%(ticket_type_ids)s::bigint[])
ORDER BY ticket_type_id FOR UPDATE

-- free_booked_seats --
-- Gives the seats of ended bookings back; what comes back per ticket type is what the counter rises by. Without a join
-- with the bookings, for which a planner that knows little of the event would compare each seat with each of them.
-- Divides by zero, and so frees nothing, where the bookings did not have all the seats that they say.
WITH ended AS MATERIALIZED (
    SELECT array_agg(position) AS positions
    FROM bookings b CROSS JOIN LATERAL unnest(b.seat_positions) AS position
    WHERE b.event_id = %(event_id)s AND b.id = ANY(%(booking_ids)s::bigint[])
), freed AS (
    UPDATE seats s SET booking_id = NULL
    WHERE s.event_id = %(event_id)s AND s.position = ANY((SELECT positions FROM ended)::integer[])
        AND s.booking_id = ANY(%(booking_ids)s::bigint[])
    RETURNING s.ticket_type_id
), raised AS (
    UPDATE ticket_stock t SET remaining = t.remaining + f.seats
    FROM (SELECT ticket_type_id, count(*)::integer AS seats FROM freed GROUP BY 1) f
    WHERE t.event_id = %(event_id)s AND t.ticket_type_id = f.ticket_type_id
    RETURNING f.seats
)
SELECT 1 / (coalesce(sum(seats), 0) = %(seats)s)::integer AS as_it_should_be FROM raised

-- select_due_holds --
-- Holds past their deadline, the oldest first. The time is the statement's, so that the index is asked for it.
SELECT event_id, id FROM bookings
WHERE status = 'held' AND hold_expires_at <= statement_timestamp() AND id <> ALL (%(left_out)s::bigint[])
ORDER BY hold_expires_at LIMIT %(limit)s

-- lock_due_holds --
-- Those that are still due and that nobody else works on: another sweep, a confirm or a cancel.
SELECT event_id, id, ticket_type_id, quantity FROM bookings
WHERE event_id = %(event_id)s AND id = ANY(%(booking_ids)s::bigint[])
    AND status = 'held' AND hold_expires_at <= clock_timestamp()
FOR UPDATE SKIP LOCKED

-- make_seats --
-- All seats of new ticket types in one statement.
INSERT INTO seats (event_id, position, ticket_type_id, label)
SELECT b.event_id, b.first_position + n - 1, b.ticket_type_id, b.label_prefix || n
FROM unnest(
    %(event_ids)s::bigint[], %(ticket_type_ids)s::bigint[], %(first_positions)s::integer[],
    %(seat_counts)s::integer[], %(label_prefixes)s::text[]
) AS b (event_id, ticket_type_id, first_position, seat_count, label_prefix)
CROSS JOIN LATERAL generate_series(1, b.seat_count) AS n

-- make_stock --
-- At first all seats of a ticket type are left.
INSERT INTO ticket_stock (event_id, ticket_type_id, remaining)
SELECT * FROM unnest(%(event_ids)s::bigint[], %(ticket_type_ids)s::bigint[], %(seat_counts)s::integer[])

-- insert_attendees --
-- Who comes to an event, several bookings at once.
INSERT INTO attendees (event_id, booking_id, seat_number, name, email)
SELECT %(event_id)s, named.* FROM unnest(
    %(booking_ids)s::bigint[], %(seat_numbers)s::integer[], %(names)s::text[], %(emails)s::text[]
) AS named (booking_id, seat_number, name, email)

-- delete_attendees --
-- All of a booking.
DELETE FROM attendees WHERE event_id = %(event_id)s AND booking_id = %(booking_id)s

-- erase_attendees --
-- All whom a person has named, whatever has become of the bookings; a hash of names can be guessed.
WITH forgotten AS (
    UPDATE idempotent_bookings i SET attendees_sha256 = NULL FROM bookings b
    WHERE b.person_id = %(person_id)s AND i.event_id = b.event_id AND i.booking_id = b.id
        AND i.attendees_sha256 IS NOT NULL
)
DELETE FROM attendees a USING bookings b
WHERE b.person_id = %(person_id)s AND a.event_id = b.event_id AND a.booking_id = b.id

-- lead_queue_of_event --
-- Bookings that come later wait behind this one.
SELECT pg_advisory_xact_lock(%(event_id)s)

-- lock_supply --
-- How many can be sold, and how many seats are still to follow what was decided.
SELECT remaining, unsettled FROM ticket_stock
WHERE event_id = %(event_id)s AND ticket_type_id = %(ticket_type_id)s FOR UPDATE

-- write_supply --
-- Under that lock.
UPDATE ticket_stock SET remaining = %(remaining)s, unsettled = %(unsettled)s
WHERE event_id = %(event_id)s AND ticket_type_id = %(ticket_type_id)s

-- find_unsettled --
-- The few, or none, that somebody is about to settle or was interrupted at.
SELECT event_id, ticket_type_id FROM ticket_stock WHERE unsettled <> 0 ORDER BY event_id, ticket_type_id LIMIT %(limit)s

-- reopen_seats --
-- Seats that were withdrawn come first: they have their places and labels.
UPDATE seats SET booking_id = NULL
WHERE event_id = %(event_id)s AND booking_id = 0 AND position = ANY(ARRAY(
    SELECT position FROM seats
    WHERE event_id = %(event_id)s AND ticket_type_id = %(ticket_type_id)s AND booking_id = 0
    ORDER BY position LIMIT %(seats)s
))

-- add_seats --
-- Behind all seats of the event, numbered on from the last one of the ticket type: its first is named after it.
INSERT INTO seats (event_id, position, ticket_type_id, label)
SELECT
    t.event_id, (SELECT coalesce(max(position), 0) FROM seats WHERE event_id = %(event_id)s) + n, t.id,
    coalesce(regexp_replace(last_one.label, '[0-9]+$', ''), t.name || ' ')
        || coalesce(substring(last_one.label FROM '[0-9]+$')::integer, 0) + n
FROM ticket_types t
LEFT JOIN LATERAL (
    SELECT label FROM seats WHERE event_id = t.event_id AND ticket_type_id = t.id ORDER BY position DESC LIMIT 1
) last_one ON true
CROSS JOIN generate_series(1, %(seats)s::integer) AS n
WHERE t.event_id = %(event_id)s AND t.id = %(ticket_type_id)s

-- withdraw_seats --
-- The last ones that are free; the caller compares the count.
UPDATE seats SET booking_id = 0
WHERE event_id = %(event_id)s AND booking_id IS NULL AND position = ANY(ARRAY(
    SELECT position FROM seats
    WHERE event_id = %(event_id)s AND ticket_type_id = %(ticket_type_id)s AND booking_id IS NULL
    ORDER BY position DESC LIMIT %(seats)s
))
