"""What things mean: vocabularies and facts of the city model, no store, no files."""
