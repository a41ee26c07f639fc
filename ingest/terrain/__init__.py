"""Terrain: elevation rasters."""
