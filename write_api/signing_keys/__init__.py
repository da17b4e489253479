"""The keys that sign tokens: one signs, one waits, and the ones before live as long as their tokens."""
