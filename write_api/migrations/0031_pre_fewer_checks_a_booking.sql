-- Of the checks that each booking of the peak pays for, some 7 microseconds each, those go that say nothing new.
-- Whoever books has locked the stock of the ticket type and takes seats of it, so there is such a ticket type, of an
-- event that exists; a key is written by the statement that makes its booking, and bookings are never deleted.
ALTER TABLE bookings
    DROP CONSTRAINT bookings_event_id_fkey,
    DROP CONSTRAINT bookings_event_id_ticket_type_id_fkey;
ALTER TABLE idempotent_bookings
    DROP CONSTRAINT idempotent_bookings_person_id_fkey,
    DROP CONSTRAINT idempotent_bookings_event_id_booking_id_fkey;
REVOKE DELETE ON bookings FROM frontrow_write;

-- The other direction is asked where it can go wrong: what is booked can't be deleted. The stock goes with its ticket
-- type and its event; a deletion waits for the stock's lock before it asks, and so sees whoever booked last.
CREATE FUNCTION refuse_to_delete_what_is_booked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM bookings WHERE event_id = OLD.event_id AND ticket_type_id = OLD.ticket_type_id LIMIT 1;
    IF FOUND THEN
        RAISE foreign_key_violation USING
            MESSAGE = format('ticket type %s of event %s is booked', OLD.ticket_type_id, OLD.event_id),
            CONSTRAINT = 'what_is_booked_stays', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN OLD;
END
$$;
CREATE TRIGGER what_is_booked_stays BEFORE DELETE ON ticket_stock
    FOR EACH ROW EXECUTE FUNCTION refuse_to_delete_what_is_booked();
