"""Parts of the sample-city generator, one concern per module."""
