-- Lock order: organisation, member. Whoever changes the members of an organisation locks it first, so each sees what
-- the one before has left. Making or changing an event locks the member alone (see may_host).

-- lock_organisation --
-- One change of an organisation at a time; events can be made meanwhile, as they only refer to it.
SELECT id, name, host_id, created_at FROM organisations WHERE id = %(organisation_id)s FOR NO KEY UPDATE

-- select_member --
-- What a person is in an organisation.
SELECT person_id, role FROM organisation_members
WHERE organisation_id = %(organisation_id)s AND person_id = %(person_id)s

-- may_host --
-- Held until the transaction ends: a removal of the member comes before what is decided by this, or after it.
SELECT FROM organisation_members
WHERE organisation_id = %(organisation_id)s AND person_id = %(person_id)s AND role IN ('owner', 'staff')
FOR SHARE

-- select_roles_of_member --
-- In how far a person hosts or scans somewhere.
SELECT DISTINCT role FROM organisation_members WHERE person_id = %(person_id)s

-- find_own_organisation --
-- Where a person's events go that name no organisation.
SELECT id FROM organisations WHERE host_id = %(person_id)s

-- has_active_events --
-- Whether somebody has to answer for events of it that are still to come, or not over.
SELECT EXISTS (
    SELECT FROM own_data.events
    WHERE organisation_id = %(organisation_id)s AND status = 'active' AND ends_at > now()
) AS has_active_events

-- insert_own_organisation --
-- With the first event. Of two first events at once one makes it, and the other finds it.
INSERT INTO organisations (name, host_id, created_by)
SELECT left(display_name, 200), id, id FROM account_names WHERE id = %(person_id)s
ON CONFLICT (host_id) DO NOTHING

-- give_up_own_organisation --
-- It is nobody's own any more; whoever's it was gets another one with the next event.
UPDATE organisations SET host_id = NULL WHERE id = %(organisation_id)s AND host_id = %(person_id)s

-- lock_creations --
-- One creation of a person at a time, so that a repeated one finds the first.
SELECT pg_advisory_xact_lock(hashtextextended('organisations of person', %(person_id)s))

-- find_created_organisation --
-- Asked for again, an organisation is the same one.
SELECT id FROM organisations WHERE created_by = %(person_id)s AND name = %(name)s ORDER BY id LIMIT 1

-- count_created_organisations --
-- How many a person has made, for their bound.
SELECT count(*) AS organisations FROM organisations WHERE created_by = %(person_id)s

-- insert_organisation --
-- One that somebody asks for.
INSERT INTO organisations (name, created_by) VALUES (%(name)s, %(person_id)s) RETURNING id

-- rename_organisation --
-- What it is called; events say nothing of it.
UPDATE organisations SET name = %(name)s WHERE id = %(organisation_id)s

-- select_organisations --
-- Those that a person belongs to, with what they are there.
SELECT o.id, o.name, m.role, o.created_at, o.host_id IS NOT DISTINCT FROM m.person_id AS is_own
FROM organisation_members m JOIN organisations o ON o.id = m.organisation_id
WHERE m.person_id = %(person_id)s
    AND (%(organisation_id)s::bigint IS NULL OR o.id = %(organisation_id)s::bigint)
ORDER BY o.id LIMIT %(limit)s

-- select_members --
-- All of an organisation, in the order in which they came; bounded by MAX_MEMBERS.
SELECT m.person_id, n.display_name, n.email, m.role, m.joined_at
FROM organisation_members m JOIN account_names n ON n.id = m.person_id
WHERE m.organisation_id = %(organisation_id)s
ORDER BY m.joined_at, m.person_id

-- count_members --
-- How many there are, and how many of them own it.
SELECT count(*) AS members, count(*) FILTER (WHERE role = 'owner') AS owners
FROM organisation_members WHERE organisation_id = %(organisation_id)s

-- insert_member --
-- Somebody who is a member already stays what they are.
INSERT INTO organisation_members (organisation_id, person_id, role)
VALUES (%(organisation_id)s, %(person_id)s, %(role)s)
ON CONFLICT DO NOTHING
RETURNING person_id

-- change_member --
-- Waits for whoever makes or changes an event as this member.
UPDATE organisation_members SET role = %(role)s
WHERE organisation_id = %(organisation_id)s AND person_id = %(person_id)s

-- delete_member --
-- Waits for whoever makes or changes an event as this member.
DELETE FROM organisation_members WHERE organisation_id = %(organisation_id)s AND person_id = %(person_id)s

-- delete_invitations_to --
-- Nothing is kept of an e-mail that is erased.
DELETE FROM organisation_invitations WHERE email_folded = %(email_folded)s

-- forget_name_of_own_organisation --
-- It was called what its host is called, or might be.
UPDATE organisations SET name = 'Erased', host_id = NULL WHERE host_id = %(person_id)s

-- delete_closed_invitations --
-- With each new one, so that the bound counts what is open alone.
DELETE FROM organisation_invitations WHERE organisation_id = %(organisation_id)s AND (expires_at <= now() OR accepted_by IS NOT NULL)

-- count_invitations --
-- How many are open, but for the one to this e-mail, which a new one replaces.
SELECT count(*) AS invitations FROM organisation_invitations
WHERE organisation_id = %(organisation_id)s AND email_folded <> %(email_folded)s

-- invite --
-- One an e-mail; the last role counts, and from then on the days are counted.
INSERT INTO organisation_invitations (organisation_id, email, email_folded, role, expires_at)
VALUES (
    %(organisation_id)s, %(email)s, %(email_folded)s, %(role)s, now() + make_interval(days => %(open_days)s)
)
ON CONFLICT (organisation_id, email_folded) DO UPDATE
SET
    email = excluded.email, role = excluded.role, created_at = now(), expires_at = excluded.expires_at,
    accepted_by = NULL
RETURNING id, email, role, created_at, expires_at

-- select_invitations --
-- Those of an organisation that are open; bounded by MAX_INVITATIONS.
SELECT id, email, role, created_at, expires_at FROM organisation_invitations
WHERE organisation_id = %(organisation_id)s AND expires_at > now() AND accepted_by IS NULL ORDER BY id

-- select_own_invitations --
-- Those to an e-mail that are open.
SELECT i.id, i.organisation_id, o.name AS organisation_name, i.role, i.created_at, i.expires_at
FROM organisation_invitations i JOIN organisations o ON o.id = i.organisation_id
WHERE i.email_folded = %(email_folded)s AND i.expires_at > now() AND i.accepted_by IS NULL
ORDER BY i.id DESC LIMIT %(limit)s

-- find_invitation --
-- Asked before the organisation is locked, for whose it is (that never changes), and then again.
SELECT organisation_id, role, accepted_by, expires_at > now() AND accepted_by IS NULL AS is_open
FROM organisation_invitations WHERE id = %(invitation_id)s AND email_folded = %(email_folded)s

-- accept_invitation --
-- It stays until the organisation invites again, so that who repeats the request gets the same answer.
UPDATE organisation_invitations SET accepted_by = %(person_id)s WHERE id = %(invitation_id)s

-- decline_invitation --
-- What was accepted can't be declined any more.
DELETE FROM organisation_invitations
WHERE id = %(invitation_id)s AND email_folded = %(email_folded)s AND accepted_by IS NULL
RETURNING organisation_id

-- delete_invitation --
-- Taken back by an owner.
DELETE FROM organisation_invitations WHERE id = %(invitation_id)s AND organisation_id = %(organisation_id)s
RETURNING id
