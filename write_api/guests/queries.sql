-- insert_guest --
-- What a new person without a password has told besides name and e-mail.
INSERT INTO guests (person_id, phone) VALUES (%(person_id)s, %(phone)s)
