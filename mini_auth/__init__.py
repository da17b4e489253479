"""Token verification from keys that arrive by replication; imported by both APIs, and served per region.

Nothing here asks the primary: a region verifies on its own, also when every other region is gone.
"""
