"""Files in, model rows out: read, check, map, load."""
