"""What users hold: the cell, its jobs, their results."""
