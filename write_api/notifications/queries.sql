-- lock_email --
-- One request for a mail to an e-mail at a time, so that two at once are merged.
SELECT pg_advisory_xact_lock(hashtextextended('notifications to ' || %(email_folded)s, 0))

-- enqueue --
-- Always one row, so that a request costs the same whatever there was before.
INSERT INTO notifications (channel, template, parameters, person_id, email_folded, status)
SELECT
    'mail', %(template)s, %(parameters)s, %(person_id)s::bigint, %(email_folded)s::text,
    CASE WHEN EXISTS (
        SELECT FROM notifications
        WHERE email_folded = %(email_folded)s::text AND template = %(template)s
            AND created_at > clock_timestamp() - make_interval(secs => %(merge_seconds)s)
            AND status IN ('queued', 'sent', 'no_recipient')
    ) THEN 'merged' ELSE 'queued' END

-- enqueue_for_people --
-- Many at once; nothing is merged.
INSERT INTO notifications (channel, template, parameters, person_id, status)
SELECT 'mail', %(template)s, parameters, person_id, 'queued'
FROM unnest(%(person_ids)s::bigint[], %(parameters)s::jsonb[]) AS told (person_id, parameters)

-- claim --
-- Takes what is due for a while: nobody else takes it meanwhile, and if we die it is due again.
UPDATE notifications SET tries = tries + 1, due_at = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE id IN (
    SELECT id FROM notifications WHERE status = 'queued' AND due_at <= clock_timestamp()
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
RETURNING id, template, parameters, person_id, email_folded, tries, created_at

-- put_back --
-- Was claimed, and not tried.
UPDATE notifications SET tries = tries - 1, due_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE id = ANY(%(ids)s) AND status = 'queued'

-- mark_sent --
-- Done; whom it went to is kept as it was then.
UPDATE notifications
SET status = 'sent', sent_at = clock_timestamp(), person_id = %(person_id)s, address = %(address)s,
    last_error = NULL
WHERE id = %(id)s AND status = 'queued'

-- mark_without_recipient --
-- There is nobody to tell.
UPDATE notifications SET status = 'no_recipient' WHERE id = %(id)s AND status = 'queued'

-- mark_failed --
-- Tried in vain: due again later, or given up.
UPDATE notifications
SET status = CASE WHEN %(is_final)s THEN 'failed' ELSE 'queued' END, last_error = %(reason)s,
    due_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE id = %(id)s AND status = 'queued'

-- backlog --
-- What waits, counted up to a bound, and for how long the oldest of it.
SELECT
    count(*) AS queued,
    coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS oldest_seconds
FROM (SELECT created_at FROM notifications WHERE status = 'queued' ORDER BY due_at LIMIT %(limit)s) AS waiting

-- forget --
-- What was sent or given up is kept for a month, what told nobody anything for a day.
DELETE FROM notifications WHERE id IN (
    SELECT id FROM notifications
    WHERE created_at < clock_timestamp() - make_interval(days => 1)
        AND (
            status IN ('merged', 'no_recipient')
            OR status IN ('sent', 'failed') AND created_at < clock_timestamp() - make_interval(days => 30)
        )
    ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)

-- erase --
-- All that was sent to a person or asked for with the person's e-mail, and what still waits.
DELETE FROM notifications WHERE id IN (SELECT id FROM own_data.notifications WHERE person_id = %(person_id)s)
