"""Event pages, answered from the region's reader."""
