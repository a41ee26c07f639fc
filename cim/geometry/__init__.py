"""Pure geometry on arrays: frames, footprints, triangles, solids. No input or output."""
