-- next_order_id --
-- Known before the bookings are made, which name it; the order itself names them and comes last.
SELECT nextval('orders_id_seq') AS id

-- insert_order --
-- With its bookings by their whole keys, in the order of the items.
INSERT INTO orders (id, person_id, event_ids, booking_ids, created_at) OVERRIDING SYSTEM VALUE
VALUES (%(order_id)s, %(person_id)s, %(event_ids)s::bigint[], %(booking_ids)s::bigint[], clock_timestamp())

-- find_bookings_of_order --
-- Which bookings a person's order has; they never change, so it needs no lock.
SELECT event_ids, booking_ids FROM orders WHERE id = %(order_id)s AND person_id = %(person_id)s

-- select_order --
-- A person's own order with its bookings.
SELECT * FROM read_side.orders WHERE id = %(order_id)s AND person_id = %(person_id)s

-- select_orders --
-- A page of a person's orders, newest first, from below an id.
SELECT * FROM read_side.orders
WHERE person_id = %(person_id)s AND id < %(before)s
ORDER BY id DESC LIMIT %(limit)s
