"""Address lists."""
