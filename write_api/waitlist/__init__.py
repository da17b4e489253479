"""Who waits for seats, and offers of those that come free: first come, first served."""
