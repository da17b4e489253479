-- insert_person --
-- One account an e-mail, decided by the unique index; no row comes back where there is one already.
INSERT INTO people (email, email_folded, password_hash, display_name, roles)
VALUES (%(email)s, %(email_folded)s, %(password_hash)s, %(display_name)s, %(roles)s)
ON CONFLICT (email_folded) DO NOTHING
RETURNING id, email, display_name, roles

-- select_credentials --
-- What a login compares and then puts into the token.
SELECT id, password_hash, roles FROM people WHERE email_folded = %(email_folded)s

-- select_known_person --
-- What a refreshed token says of a person, as of now.
SELECT id, roles FROM people WHERE id = %(person_id)s
