"""The regional application: searches, event pages and bookings, from what the region itself has."""
