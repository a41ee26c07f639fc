"""HTTP server: OGC API, 3D Tiles, models and the viewer; pygeoapi is embedded behind one adapter."""
