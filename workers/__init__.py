"""Make it happen: agents that lease machines, pull placements, run them and report."""
