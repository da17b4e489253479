"""A person's own orders, answered from the region's reader."""
