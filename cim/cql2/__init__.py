"""Filter expressions of CQL2 (OGC 21-065r2): text or JSON in, a typed tree out; no store, no SQL."""
