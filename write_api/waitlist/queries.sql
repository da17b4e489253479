-- Lock order: the line of a ticket type, then its event: who has locked an event asks for no line. Entries come after
-- the stock.
-- What a line was locked for needs no stock, so whoever joins waits for no sale and no sale waits for them.

-- lock_line --
-- One joins at a time, so that places are given in the order in which they can be seen.
SELECT pg_advisory_xact_lock(hashtextextended('waitlist of ticket type', %(ticket_type_id)s))

-- select_live_entry --
-- What a person waits for or is offered, as the row says and as it is.
SELECT w.id, w.quantity, w.status AS kept_status, v.status
FROM waitlist_entries w JOIN read_side.waitlist_entries v ON v.event_id = w.event_id AND v.id = w.id
WHERE w.event_id = %(event_id)s AND w.ticket_type_id = %(ticket_type_id)s AND w.person_id = %(person_id)s
    AND w.status IN ('waiting', 'offered')

-- count_line --
-- How many wait, counted up to a bound.
SELECT count(*) AS waiting FROM (
    SELECT FROM waitlist_entries
    WHERE event_id = %(event_id)s AND ticket_type_id = %(ticket_type_id)s AND status = 'waiting' LIMIT %(limit)s
) line

-- insert_entry --
-- The last in line: ids rise, for the line is locked.
INSERT INTO waitlist_entries (event_id, ticket_type_id, person_id, quantity)
VALUES (%(event_id)s, %(ticket_type_id)s, %(person_id)s, %(quantity)s)
RETURNING id

-- select_entry --
-- A person's own entry.
SELECT * FROM read_side.waitlist_entries WHERE person_id = %(person_id)s AND id = %(entry_id)s

-- select_entries --
-- A page of a person's entries, newest first, from below an id.
SELECT * FROM read_side.waitlist_entries
WHERE person_id = %(person_id)s AND id < %(before)s
ORDER BY id DESC LIMIT %(limit)s

-- leave --
-- Only who still waits: whoever was offered seats meanwhile declines the offer.
UPDATE waitlist_entries SET status = 'left', ended_at = clock_timestamp()
WHERE event_id = %(event_id)s AND id = %(entry_id)s AND status = 'waiting'

-- select_first_in_line --
-- The next whom the free seats suffice, ticket type by ticket type; whoever wants more keeps the place.
SELECT f.* FROM unnest(%(ticket_type_ids)s::bigint[], %(free_seats)s::integer[]) AS t (ticket_type_id, seats)
CROSS JOIN LATERAL (
    SELECT id AS entry_id, person_id, ticket_type_id, quantity FROM waitlist_entries
    WHERE event_id = %(event_id)s AND ticket_type_id = t.ticket_type_id AND status = 'waiting'
        AND quantity <= t.seats
    ORDER BY id LIMIT least(t.seats, %(limit)s) FOR UPDATE
) f
ORDER BY entry_id

-- mark_offered --
-- From now on the bookings say what becomes of them.
UPDATE waitlist_entries w SET status = 'offered', booking_id = o.booking_id
FROM unnest(%(entry_ids)s::bigint[], %(booking_ids)s::bigint[]) AS o (entry_id, booking_id)
WHERE w.event_id = %(event_id)s AND w.id = o.entry_id AND w.status = 'waiting'

-- mark_passed --
-- Their turn came, and they may not have the seats.
UPDATE waitlist_entries SET status = 'passed', ended_at = clock_timestamp()
WHERE event_id = %(event_id)s AND id = ANY(%(entry_ids)s::bigint[]) AND status = 'waiting'

-- select_events_to_serve --
-- Of these events, those where free seats suffice for somebody who waits.
SELECT DISTINCT s.event_id FROM seats_on_sale s
WHERE s.event_id = ANY(%(event_ids)s::bigint[]) AND s.remaining >= (
    SELECT quantity FROM waitlist_entries
    WHERE event_id = s.event_id AND ticket_type_id = s.ticket_type_id AND status = 'waiting'
    ORDER BY quantity LIMIT 1
)

-- select_all_events_to_serve --
-- The same of all events: line by line, by the index, however many wait in each.
WITH RECURSIVE line AS (
    (
        SELECT event_id, ticket_type_id, quantity FROM waitlist_entries WHERE status = 'waiting'
        ORDER BY event_id, ticket_type_id, quantity LIMIT 1
    )
    UNION ALL
    SELECT n.* FROM line l CROSS JOIN LATERAL (
        SELECT event_id, ticket_type_id, quantity FROM waitlist_entries
        WHERE status = 'waiting' AND (event_id, ticket_type_id) > (l.event_id, l.ticket_type_id)
        ORDER BY event_id, ticket_type_id, quantity LIMIT 1
    ) n
)
SELECT DISTINCT l.event_id FROM line l JOIN seats_on_sale s
    ON s.event_id = l.event_id AND s.ticket_type_id = l.ticket_type_id AND s.remaining >= l.quantity

-- settle_offers --
-- The row follows its booking, once that is no hold any more.
UPDATE waitlist_entries w SET ended_at = clock_timestamp(), status = CASE
    WHEN b.confirmed_at IS NOT NULL THEN 'accepted' WHEN b.status = 'cancelled' THEN 'left' ELSE 'passed'
END
FROM booking_states b
WHERE w.status = 'offered' AND b.event_id = w.event_id AND b.id = w.booking_id AND b.status <> 'held'

-- settle_offer --
-- The same of one entry.
UPDATE waitlist_entries w SET ended_at = clock_timestamp(), status = CASE
    WHEN b.confirmed_at IS NOT NULL THEN 'accepted' WHEN b.status = 'cancelled' THEN 'left' ELSE 'passed'
END
FROM booking_states b
WHERE w.event_id = %(event_id)s AND w.id = %(entry_id)s AND w.status = 'offered'
    AND b.event_id = w.event_id AND b.id = w.booking_id AND b.status <> 'held'

-- close_lines --
-- Who waits for an event that nobody can book any more, some at a time.
UPDATE waitlist_entries w SET status = 'closed', ended_at = clock_timestamp()
WHERE w.status = 'waiting' AND (w.event_id, w.id) IN (
    SELECT e.event_id, e.id FROM waitlist_entries e JOIN events_over o ON o.event_id = e.event_id
    WHERE e.status = 'waiting' LIMIT %(limit)s FOR UPDATE OF e SKIP LOCKED
)

-- forget_person --
-- Nothing hangs on an entry: what was offered and taken is a booking.
DELETE FROM waitlist_entries WHERE person_id = %(person_id)s
