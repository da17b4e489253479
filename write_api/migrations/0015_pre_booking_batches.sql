-- A batch numbers its bookings itself, so that each knows its seats in the statement that makes it.
GRANT USAGE ON SEQUENCE bookings_id_seq TO frontrow_write;
