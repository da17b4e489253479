-- delete_guest --
-- What a guest has told besides name and e-mail.
DELETE FROM guests WHERE person_id = %(person_id)s

-- insert_guest --
-- What a new person without a password has told besides name and e-mail.
INSERT INTO guests (person_id, phone) VALUES (%(person_id)s, %(phone)s)
