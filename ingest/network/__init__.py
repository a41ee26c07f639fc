"""Municipal networks: CJJ 61 point and line tables."""
