-- Entries are read through the contract's view alone, as the role frontrow_read, and by whom they belong to.

-- read_one --
-- A person's own entry.
SELECT * FROM read_side.waitlist_entries WHERE person_id = %(person_id)s AND id = %(id)s;

-- read_page --
-- A page of a person's entries, newest first, from below an id.
SELECT * FROM read_side.waitlist_entries
WHERE person_id = %(person_id)s AND id < %(before)s
ORDER BY id DESC LIMIT %(limit)s;
