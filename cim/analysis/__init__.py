"""Pure computations on arrays: no store, no settings, no files."""
