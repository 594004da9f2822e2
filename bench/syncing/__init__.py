"""How fast a scheduler learns what changed: `omega bench sync`."""
