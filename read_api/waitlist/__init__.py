"""What a person waits for, answered from the region's reader."""
