"""People who book without an account, by a link that we sign."""
