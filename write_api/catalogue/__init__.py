"""Events with their venues, artists and ticket types, and the hosts who run them."""
