"""Real processes on a real cell."""
