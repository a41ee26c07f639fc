"""3D Tiles 1.1 out of the store."""
