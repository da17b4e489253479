-- Event pages read the contract's view alone, as the role frontrow_read.

-- read_event --
-- All that a page of one event shows, read where the region's documents are read too, and whether a host asks.
SELECT d.*, EXISTS (
    SELECT FROM read_side.event_hosts h WHERE h.event_id = d.id AND h.person_id = %(viewer_id)s::bigint
) AS is_host
FROM read_side.event_documents d WHERE d.id = %(event_id)s;

-- read_heartbeat --
-- When the newest change that has reached this reader was confirmed.
SELECT confirmed_at FROM read_side.heartbeat;
