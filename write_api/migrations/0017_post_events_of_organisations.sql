-- Once no process makes events without an organisation any more: those that were made meanwhile get theirs.
INSERT INTO organisations (name, host_id, created_by)
SELECT left(p.display_name, 200), p.id, p.id FROM people p
WHERE EXISTS (SELECT FROM events e WHERE e.host_id = p.id AND e.organisation_id IS NULL) ORDER BY p.id
ON CONFLICT (host_id) DO NOTHING;
INSERT INTO organisation_members (organisation_id, person_id, role)
SELECT id, host_id, 'owner' FROM organisations WHERE host_id IS NOT NULL
ON CONFLICT DO NOTHING;
UPDATE events e SET organisation_id = o.id FROM organisations o
WHERE e.organisation_id IS NULL AND o.host_id = e.host_id;
ALTER TABLE events ALTER COLUMN organisation_id SET NOT NULL;
-- An import reference is the organisation's own name for an event, whoever of it sends it.
ALTER TABLE events DROP CONSTRAINT events_host_id_import_reference_key;
