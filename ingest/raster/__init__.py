"""Rasters: terrain and imagery."""
