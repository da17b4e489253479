-- Lock order: the lines of an event, then the event: who has locked an event asks for no line. Entries come after
-- the stock.
-- What lines are locked for needs no stock, so whoever joins waits for no sale and no sale waits for them.

-- lock_lines --
-- One batch joins at a time, so that places are given in the order in which they can be seen. All lines of an event
-- have one lock: whoever joins need not know its ticket types before.
SELECT pg_advisory_xact_lock(hashtextextended('waitlist of event', %(event_id)s))

-- select_live_entries --
-- What people wait for or were offered; whether the offer is over, and whether its booking says so too. That random()
-- is 0 and the offset too: they keep the planner from going through all entries of the event, once or for each person,
-- where without statistics of a young table that looks just as good. People's own entries are few.
SELECT w.id, w.ticket_type_id, w.person_id, w.status = 'offered' AND v.status <> 'offered' AS is_over,
    coalesce(b.status <> 'held', false) AS has_ended
FROM unnest(%(person_ids)s::bigint[]) AS asking (person_id)
CROSS JOIN LATERAL (
    SELECT * FROM waitlist_entries
    WHERE event_id = %(event_id)s + (0 * random())::bigint AND person_id = asking.person_id
        AND status IN ('waiting', 'offered')
    OFFSET 0
) w
JOIN read_side.waitlist_entries v ON v.event_id = w.event_id AND v.id = w.id
LEFT JOIN booking_states b ON b.event_id = w.event_id AND b.id = w.booking_id

-- count_lines --
-- How many wait, by ticket type.
SELECT ticket_type_id, count(*) AS waiting FROM waitlist_entries
WHERE event_id = %(event_id)s AND status = 'waiting' GROUP BY ticket_type_id

-- insert_entries --
-- The last in line, in the order in which they came: ids rise, for the lines are locked.
INSERT INTO waitlist_entries (event_id, ticket_type_id, person_id, quantity)
SELECT %(event_id)s::bigint, ticket_type_id, person_id, quantity
FROM unnest(%(ticket_type_ids)s::bigint[], %(person_ids)s::bigint[], %(quantities)s::integer[])
    WITH ORDINALITY AS joining (ticket_type_id, person_id, quantity, place)
ORDER BY place

-- select_last_entries --
-- The last entry of each, as its owner sees it: the live one, be it that they have just left it. Where they stand is
-- read from the line, which is gone through once, not once for each. random() as in `select_live_entries`.
WITH line AS MATERIALIZED (
    SELECT ticket_type_id, array_agg(id ORDER BY id) AS ids FROM waitlist_entries
    WHERE event_id = %(event_id)s AND ticket_type_id = ANY(%(ticket_type_ids)s::bigint[]) AND status = 'waiting'
    GROUP BY ticket_type_id
)
SELECT
    v.event_id, v.id, v.ticket_type_id, v.person_id, v.quantity, v.status, v.booking_id, v.offer_expires_at,
    v.joined_at, CASE WHEN v.status = 'waiting' THEN width_bucket(v.id, l.ids) END AS place
FROM unnest(%(ticket_type_ids)s::bigint[], %(person_ids)s::bigint[]) AS asking (ticket_type_id, person_id)
CROSS JOIN LATERAL (
    SELECT id FROM waitlist_entries
    WHERE event_id = %(event_id)s + (0 * random())::bigint AND person_id = asking.person_id
        AND ticket_type_id = asking.ticket_type_id
    ORDER BY id DESC LIMIT 1
) last
JOIN read_side.waitlist_entries v ON v.event_id = %(event_id)s AND v.id = last.id
LEFT JOIN line l ON l.ticket_type_id = v.ticket_type_id

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
-- From now on the bookings say what becomes of them. Divides by zero, and so offers nothing, unless all of them waited.
WITH marked AS (
    UPDATE waitlist_entries w SET status = 'offered', booking_id = o.booking_id
    FROM unnest(%(entry_ids)s::bigint[], %(booking_ids)s::bigint[]) AS o (entry_id, booking_id)
    WHERE w.event_id = %(event_id)s AND w.id = o.entry_id AND w.status = 'waiting'
    RETURNING 1
)
SELECT 1 / (count(*) = cardinality(%(entry_ids)s::bigint[]))::integer AS as_it_should_be FROM marked

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
-- The row follows its booking, once that is no hold any more. Those that others settle are left to them: who waited
-- for one with another in hand, could be waited for.
UPDATE waitlist_entries w SET ended_at = clock_timestamp(), status = CASE
    WHEN b.confirmed_at IS NOT NULL THEN 'accepted' WHEN b.status = 'cancelled' THEN 'left' ELSE 'passed'
END
FROM (
    SELECT e.event_id, e.id, s.status, s.confirmed_at
    FROM waitlist_entries e JOIN booking_states s ON s.event_id = e.event_id AND s.id = e.booking_id
    WHERE e.status = 'offered' AND s.status <> 'held' FOR UPDATE OF e SKIP LOCKED
) b
WHERE w.event_id = b.event_id AND w.id = b.id

-- settle_offers_of --
-- The same of some entries.
UPDATE waitlist_entries w SET ended_at = clock_timestamp(), status = CASE
    WHEN b.confirmed_at IS NOT NULL THEN 'accepted' WHEN b.status = 'cancelled' THEN 'left' ELSE 'passed'
END
FROM booking_states b
WHERE w.event_id = %(event_id)s AND w.id = ANY(%(entry_ids)s::bigint[]) AND w.status = 'offered'
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
