"""Chinese addresses: folding, parsing into components, likeness. Pure: no files, no store."""
