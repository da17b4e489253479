-- For whom a booking with a key was made, for a day: whoever uses the key again for others is told so. Only a hash, so
-- that names are kept once, in `attendees`; null is nobody.
ALTER TABLE idempotent_bookings ADD COLUMN attendees_sha256 bytea CHECK (length(attendees_sha256) = 32);
