"""Commands of the platform itself; those of ingest, tiles and ogc_api are in their packages."""
