"""Rasters on disk: Cloud-Optimised GeoTIFF in, arrays out."""
