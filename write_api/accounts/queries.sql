-- insert_person --
-- One account an e-mail, decided by the unique index; no row comes back where there is one already.
INSERT INTO people (email, email_folded, password_hash, display_name, roles)
VALUES (%(email)s, %(email_folded)s, %(password_hash)s, %(display_name)s, %(roles)s)
ON CONFLICT (email_folded) DO NOTHING
RETURNING id

-- insert_person_without_password --
-- Somebody who never logs in; no folded e-mail, so it is nobody's else, and the same may be given again.
INSERT INTO people (email, display_name, roles)
VALUES (%(email)s, %(display_name)s, ARRAY['customer'])
RETURNING id

-- select_credentials --
-- What a login compares and then puts into the token.
SELECT
    id, password_hash, roles_of_now(roles, email_confirmed_at) AS roles, password_version,
    suspended_at IS NOT NULL AS is_suspended
FROM people WHERE email_folded = %(email_folded)s

-- select_known_person --
-- What a token says of a person, as of now; nobody where no login is possible (any more).
SELECT id, roles_of_now(roles, email_confirmed_at) AS roles, password_version FROM people
WHERE id = %(person_id)s AND password_hash IS NOT NULL AND suspended_at IS NULL

-- select_email --
-- By what a person logs in.
SELECT email FROM people WHERE id = %(person_id)s AND password_hash IS NOT NULL

-- erase_person --
-- Everything that tells who it was. The e-mail is free for a new account.
UPDATE people
SET email = 'erased@erased.invalid', email_folded = NULL, password_hash = NULL, display_name = 'Erased',
    erased_at = now()
WHERE id = %(person_id)s AND erased_at IS NULL

-- confirm_email --
-- Once; when it was confirmed first stays.
UPDATE people SET email_confirmed_at = clock_timestamp()
WHERE id = %(person_id)s AND password_hash IS NOT NULL AND email_confirmed_at IS NULL
RETURNING id

-- select_password_version --
-- What a link to reset a password is good for.
SELECT password_version FROM people WHERE id = %(person_id)s AND password_hash IS NOT NULL

-- set_password --
-- Only in place of the password that was meant; whoever came by the account's mail has confirmed its e-mail.
UPDATE people
SET password_hash = %(password_hash)s, password_version = password_version + 1,
    email_confirmed_at = CASE
        WHEN %(confirms_email)s THEN coalesce(email_confirmed_at, clock_timestamp()) ELSE email_confirmed_at
    END
WHERE id = %(person_id)s AND password_hash IS NOT NULL AND password_version = %(version)s
RETURNING id

-- select_recipient --
-- Where a mail goes, and for which password a link in it is good.
SELECT id AS person_id, email, password_version, email_confirmed_at IS NOT NULL AS is_confirmed FROM people
WHERE (id = %(person_id)s::bigint OR email_folded = %(email_folded)s::text) AND erased_at IS NULL

-- select_confirmed_email --
-- By what others may name somebody who has shown that it is theirs.
SELECT email_folded FROM people WHERE id = %(person_id)s AND email_confirmed_at IS NOT NULL

-- find_account --
-- An account as administrators see it; a guest's too.
SELECT id, email, display_name, roles, created_at, email_confirmed_at, suspended_at, erased_at
FROM people WHERE id = %(person_id)s

-- find_account_by_email --
-- An account as administrators find it.
SELECT id, email, display_name, roles, created_at, email_confirmed_at, suspended_at, erased_at
FROM people WHERE email_folded = %(email_folded)s

-- grant_role --
-- Only what changes is written, so that nobody's change of another role is lost.
UPDATE people SET roles = roles || %(role)s::text
WHERE id = %(person_id)s AND %(role)s::text <> ALL(roles) AND erased_at IS NULL
RETURNING id

-- withdraw_role --
-- An account keeps at least one, by the table's constraint.
UPDATE people SET roles = array_remove(roles, %(role)s::text)
WHERE id = %(person_id)s AND %(role)s::text = ANY(roles) AND erased_at IS NULL
RETURNING id

-- suspend --
-- Since when stays as it was first.
UPDATE people SET suspended_at = coalesce(suspended_at, clock_timestamp()) WHERE id = %(person_id)s

-- lift_suspension --
-- The person can log in again; what was ended stays ended.
UPDATE people SET suspended_at = NULL WHERE id = %(person_id)s
