"""Both stores, the same random operations, everything compared."""
