"""What is true: the cell's model, its rules and the stores that keep it."""
