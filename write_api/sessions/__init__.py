"""Where people are logged in: login, refresh, log-out, and the revocations that every region reads."""
