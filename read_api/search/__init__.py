"""Searches, answered from the region's index."""
