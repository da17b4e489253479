-- What the host may set for the sale of an event, and what a booking keeps of it from the moment it is made.

-- `hold_seconds`: null is the platform's. `policy_version`: 0 is the platform's policy, others are the event's own.
ALTER TABLE events
    ADD COLUMN hold_seconds integer CHECK (hold_seconds BETWEEN 1 AND 86400),
    ADD COLUMN policy_version integer NOT NULL DEFAULT 0 CHECK (policy_version >= 0);

-- How many seats of it one person may have at a time; null is any number.
ALTER TABLE ticket_types
    ADD COLUMN per_person_limit integer CHECK (per_person_limit BETWEEN 1 AND 100000);

-- `policy_version` is the one in force at the purchase; `order_id` is null where the booking was made alone.
ALTER TABLE bookings
    ADD COLUMN policy_version integer NOT NULL DEFAULT 0 CHECK (policy_version >= 0),
    ADD COLUMN order_id bigint;
