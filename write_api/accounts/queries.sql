-- insert_person --
-- One account an e-mail, decided by the unique index; no row comes back where there is one already.
INSERT INTO people (email, email_folded, password_hash, display_name, roles)
VALUES (%(email)s, %(email_folded)s, %(password_hash)s, %(display_name)s, %(roles)s)
ON CONFLICT (email_folded) DO NOTHING
RETURNING id, email, display_name, roles

-- insert_person_without_password --
-- Somebody who never logs in; no folded e-mail, so it is nobody's else, and the same may be given again.
INSERT INTO people (email, display_name, roles)
VALUES (%(email)s, %(display_name)s, ARRAY['customer'])
RETURNING id

-- select_credentials --
-- What a login compares and then puts into the token.
SELECT id, password_hash, roles FROM people WHERE email_folded = %(email_folded)s

-- select_known_person --
-- What a refreshed token says of a person, as of now.
SELECT id, roles FROM people WHERE id = %(person_id)s
