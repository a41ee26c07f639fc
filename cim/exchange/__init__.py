"""Files that carry the register to other software: writers without a store."""
