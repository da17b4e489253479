"""What administrators do to accounts, sessions and events, and what they read of the audit log."""
