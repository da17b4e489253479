"""A mail server for development and tests: it delivers nothing, and shows what it was given."""
