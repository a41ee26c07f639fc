"""The layers: what to read, how to draw it."""
