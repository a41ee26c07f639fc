"""Numbers that several modules of geometry and tiles share."""

METRES_PER_DEGREE = 111_195.0
"""Of a great circle; scales degrees to metres where shape matters and size does not."""
STEPS = 32_767
"""Largest normalised integer of 16 bits (glTF 2.0, section 3.6.2.2)."""
LARGEST_HALF_M = 750.0
"""Half extent up to which rounding to 16 bits moves a vertex by less than 2 cm."""
