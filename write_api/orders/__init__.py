"""Orders: bookings of several events and ticket types, placed all together or not at all."""
