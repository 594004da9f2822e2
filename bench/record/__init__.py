"""omegacell's own history: a cell's machines and what was submitted to it, in a file that a scenario replays."""
