"""The cell in memory: PostgresStore's twin for tests, notebooks and virtual time.

state.py holds the rows, store.py the calls. The other files are the parts of the store's contract and what they share:

    submitting.py, jobs.py, changes.py, open_jobs.py    what clients do with jobs, and see of them
    dependencies.py, expiry.py                          what jobs wait for, and when their time is up
    schedulers.py, commit.py, preemption.py, reservations.py, queue.py, queueing.py    how jobs are claimed and placed
    workers.py, machines.py, processes.py, endpoints.py, log_relay.py                  where they run
    slots.py, endings.py, retries.py    what a placement changes as it comes and goes, and what follows an attempt
    fold.py, withdrawal.py              what follows for its job
    feed.py, rows.py, log.py, events.py, view.py    what readers are told: schedulers, people, the invariants
"""

from omegacell.cellstate.memory.store import MemoryStore

__all__ = ["MemoryStore"]
