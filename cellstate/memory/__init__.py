"""The cell in memory: PostgresStore's twin for tests, notebooks and virtual time.

state.py holds the rows. The other files are the parts of the store's contract (jobs, commit, preemption,
reservations, machines, workers, schedulers, and rows for the feed) and what they share: slots (what a
placement changes as it comes and goes), endings (what follows an attempt) and fold (what follows for its job).
"""

from omegacell.cellstate.memory.store import MemoryStore

__all__ = ["MemoryStore"]
