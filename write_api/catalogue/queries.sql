-- allow_long_statement --
-- A hundred thousand seats take longer to make than any other statement of ours may take.
SELECT set_config('statement_timeout', '20s', true), set_config('idle_in_transaction_session_timeout', '20s', true)

-- insert_venues --
-- One venue for all events of a host that name the same place. The caller sorts, so that two can't deadlock.
INSERT INTO venues (host_id, name, city, country, latitude, longitude, time_zone)
SELECT %(host_id)s, wanted.*
FROM unnest(
    %(names)s::text[], %(cities)s::text[], %(countries)s::text[],
    %(latitudes)s::double precision[], %(longitudes)s::double precision[], %(time_zones)s::text[]
) AS wanted
ON CONFLICT DO NOTHING

-- select_venues --
-- A statement of its own: it sees what another transaction inserted while ours waited for it.
SELECT v.id, v.name, v.city, v.country, v.latitude, v.longitude, v.time_zone
FROM unnest(
    %(names)s::text[], %(cities)s::text[], %(countries)s::text[],
    %(latitudes)s::double precision[], %(longitudes)s::double precision[], %(time_zones)s::text[]
) AS wanted (name, city, country, latitude, longitude, time_zone)
JOIN venues v
    ON v.host_id = %(host_id)s AND v.name = wanted.name AND v.time_zone = wanted.time_zone
    AND v.city IS NOT DISTINCT FROM wanted.city AND v.country IS NOT DISTINCT FROM wanted.country
    AND v.latitude IS NOT DISTINCT FROM wanted.latitude AND v.longitude IS NOT DISTINCT FROM wanted.longitude

-- insert_artists --
-- An artist is one row for all hosts. The caller sorts, so that two can't deadlock.
INSERT INTO artists (name) SELECT unnest(%(names)s::text[]) ON CONFLICT DO NOTHING

-- select_artists --
-- A statement of its own, for the same reason as with venues.
SELECT id, name FROM artists WHERE name = ANY(%(names)s)

-- insert_event --
-- No row comes back where the organisation has an event with this import reference.
INSERT INTO events (
    organisation_id, host_id, venue_id, name, description, category, topics, languages, website, status,
    starts_at, ends_at, time_zone, is_online, currency, hold_seconds, policy_version, import_reference
) VALUES (
    %(organisation_id)s, %(host_id)s, %(venue_id)s, %(name)s, %(description)s, %(category)s, %(topics)s, %(languages)s,
    %(website)s, %(status)s, %(starts_at)s, %(ends_at)s, %(time_zone)s, %(is_online)s, %(currency)s, %(hold_seconds)s,
    %(policy_version)s, %(import_reference)s
)
ON CONFLICT (organisation_id, import_reference) DO NOTHING
RETURNING id

-- select_imported --
-- The events of an organisation that have one of these import references.
SELECT id, import_reference FROM events
WHERE organisation_id = %(organisation_id)s AND import_reference = ANY(%(references)s)

-- insert_ticket_type --
-- The stock and the seats of it are made by the bookings, in the same transaction.
INSERT INTO ticket_types (
    event_id, position, name, price_minor, capacity, sales_start_at, sales_end_at, per_person_limit, oversell_seats
) VALUES (
    %(event_id)s, %(position)s, %(name)s, %(price_minor)s, %(capacity)s, %(sales_start_at)s, %(sales_end_at)s,
    %(per_person_limit)s, %(oversell_seats)s
)
RETURNING id

-- select_ticket_types --
-- Under the event's lock, with which alone they change.
SELECT
    event_id, id, position, name, price_minor, capacity, oversell_seats, sales_start_at, sales_end_at, per_person_limit
FROM ticket_types WHERE event_id = %(event_id)s ORDER BY position

-- update_ticket_type --
-- Writes all columns that a host may change; its stock and its seats are the bookings'.
UPDATE ticket_types SET
    name = %(name)s, price_minor = %(price_minor)s, capacity = %(capacity)s, oversell_seats = %(oversell_seats)s,
    sales_start_at = %(sales_start_at)s, sales_end_at = %(sales_end_at)s, per_person_limit = %(per_person_limit)s
WHERE event_id = %(event_id)s AND id = %(id)s

-- touch_event --
-- A change of what belongs to an event is one of the event.
UPDATE events SET updated_at = clock_timestamp() WHERE id = %(event_id)s

-- insert_event_artists --
-- Who appears, in the order that the host gave.
INSERT INTO event_artists (event_id, position, artist_id)
SELECT * FROM unnest(%(event_ids)s::bigint[], %(positions)s::smallint[], %(artist_ids)s::bigint[])

-- delete_event_artists --
-- The whole list is replaced when a host changes it.
DELETE FROM event_artists WHERE event_id = %(event_id)s

-- lead_queue_of_event --
-- Bookings that come later wait behind this one; without it a stream of them could keep it waiting for ever.
SELECT pg_advisory_xact_lock(%(event_id)s)

-- lock_event --
-- Locks the event for a change: bookings of it hold a share of this lock until they are committed.
SELECT
    id, organisation_id, venue_id, name, description, category, topics, languages, website, status,
    starts_at, ends_at, time_zone, is_online, hold_seconds, policy_version, currency, deactivated_at
FROM events WHERE id = %(event_id)s FOR UPDATE

-- update_event --
-- Writes all columns that a host may change; the caller has merged them under the lock.
UPDATE events SET
    venue_id = %(venue_id)s, name = %(name)s, description = %(description)s, category = %(category)s,
    topics = %(topics)s, languages = %(languages)s, website = %(website)s, status = %(status)s,
    starts_at = %(starts_at)s, ends_at = %(ends_at)s, time_zone = %(time_zone)s, is_online = %(is_online)s,
    hold_seconds = %(hold_seconds)s, policy_version = %(policy_version)s, updated_at = clock_timestamp()
WHERE id = %(event_id)s

-- find_policy --
-- The version that says the same, if there is one: going back and forth makes no new ones.
SELECT version FROM event_policies
WHERE event_id = %(event_id)s AND cancel_allowed = %(cancel_allowed)s
    AND cancel_until_seconds = %(cancel_until_seconds)s AND refund_policy = %(refund_policy)s
    AND edit_allowed = %(edit_allowed)s AND edit_until_seconds = %(edit_until_seconds)s
    AND transfer_allowed = %(transfer_allowed)s AND transfer_until_seconds = %(transfer_until_seconds)s

-- insert_policy --
-- Under the event's lock, or with the event itself, so that versions are counted without gaps.
INSERT INTO event_policies (
    event_id, version, cancel_allowed, cancel_until_seconds, refund_policy, edit_allowed, edit_until_seconds,
    transfer_allowed, transfer_until_seconds
)
SELECT
    %(event_id)s, coalesce(max(version), 0) + 1, %(cancel_allowed)s, %(cancel_until_seconds)s, %(refund_policy)s,
    %(edit_allowed)s, %(edit_until_seconds)s, %(transfer_allowed)s, %(transfer_until_seconds)s
FROM event_policies WHERE event_id = %(event_id)s
RETURNING version

-- select_document --
-- The event as everyone reads it, here on the primary and within the transaction that changed it.
SELECT * FROM read_side.event_documents WHERE id = %(event_id)s

-- is_host --
-- Whether somebody sees the event even while it is inactive.
SELECT FROM read_side.event_hosts WHERE event_id = %(event_id)s AND person_id = %(person_id)s

-- deactivate --
-- Off sale, and kept so; when it began stays. What was cancelled stays cancelled.
UPDATE events SET
    status = CASE WHEN status = 'active' THEN 'inactive' ELSE status END,
    deactivated_at = coalesce(deactivated_at, clock_timestamp()), updated_at = clock_timestamp()
WHERE id = %(event_id)s

-- allow_activation --
-- Its hosts decide again.
UPDATE events SET deactivated_at = NULL WHERE id = %(event_id)s
