"""Building census: survey layers with a mapping profile."""
