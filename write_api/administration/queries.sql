-- Lock order: rights, sessions of person, person. Rights are changed rarely, so one change at a time is fine.

-- lock_rights --
-- What somebody may do is asked and changed by one at a time: two who take each other's rights don't both succeed.
SELECT pg_advisory_xact_lock(hashtext('administrators'' rights'))
