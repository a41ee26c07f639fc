"""City models: CityJSON, CityJSON text sequences, CityGML."""
