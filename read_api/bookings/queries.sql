-- Bookings are read through the contract's view alone, as the role frontrow_read, and by whom they belong to.

-- read_one --
-- A person's own booking with its seats.
SELECT * FROM read_side.bookings WHERE id = %(id)s AND person_id = %(person_id)s;

-- read_page --
-- A page of a person's bookings, newest first, from below an id.
SELECT * FROM read_side.bookings
WHERE person_id = %(person_id)s AND id < %(before)s
ORDER BY id DESC LIMIT %(limit)s;
