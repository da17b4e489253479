"""What somebody may have, and may have erased, of what is kept about them."""
