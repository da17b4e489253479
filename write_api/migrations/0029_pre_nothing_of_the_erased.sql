-- For a moment after an erasure, tokens of the erased are good in the regions that have not heard of it (0120): what
-- they send then must not bring back what was erased. Bookings tell nothing of anybody, so the peak pays nothing.

-- The lock waits for an erasure under way, and makes one wait that comes now.
CREATE FUNCTION refuse_data_of_the_erased() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owner_id bigint;
BEGIN
    IF TG_TABLE_NAME = 'attendees' THEN
        SELECT person_id INTO owner_id FROM bookings WHERE event_id = NEW.event_id AND id = NEW.booking_id;
    ELSE
        owner_id := NEW.person_id;
    END IF;
    PERFORM FROM people WHERE id = owner_id AND erased_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE foreign_key_violation USING
            MESSAGE = 'the person was erased', CONSTRAINT = 'data_is_of_somebody_there', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER attendees_of_nobody_erased BEFORE INSERT ON attendees
    FOR EACH ROW EXECUTE FUNCTION refuse_data_of_the_erased();
CREATE TRIGGER waitlist_entries_of_nobody_erased BEFORE INSERT ON waitlist_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_data_of_the_erased();
CREATE TRIGGER idempotent_requests_of_nobody_erased BEFORE INSERT ON idempotent_requests
    FOR EACH ROW EXECUTE FUNCTION refuse_data_of_the_erased();
