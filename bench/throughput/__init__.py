"""How fast the cell is: rates that stand beside their durability, their p99 and a raw ceiling of the same run."""
