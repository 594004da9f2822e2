"""omegacell's own history: what a cell's machines are and what was submitted to it, in a file that a scenario replays."""
