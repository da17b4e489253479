"""A person's own bookings, answered from the region's reader."""
