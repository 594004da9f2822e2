"""A gang of high priority takes its machines, all at once, from a batch that fills the cell; the batch then goes on."""

from __future__ import annotations

import time

import omegacell as omega

MACHINES = 4


def wait_until_full(batch: omega.JobHandle) -> None:
    """Until the batch runs on every machine."""
    while batch.status.placed < MACHINES:
        time.sleep(0.05)


def main() -> None:
    """On a local cell of four machines of one CPU each."""
    machine = omega.Resources(cpu=1)
    with omega.local(machines=MACHINES, machine=machine, schedulers={"batch": 2}, runtime="process") as cell:
        batch = cell.submit(name="batch", command=["sleep", "1000"], count=10)
        wait_until_full(batch)

        training = cell.submit(
            name="training",
            command=["sh", "-c", "echo rank $OMEGA_TASK_INDEX on $OMEGA_MACHINE"],
            count=MACHINES,
            commit="gang",  # all four at once, or none
            priority=500,  # the batch has 100, as everything that says nothing
        )
        for said in training.results(timeout=60):
            print(said.strip())
        print(training.explain())
        taken = [one for one in training.preemptions() if one.winner_job == training.job_id]
        commits = {one.at for one in taken}
        print(f"{len(taken)} tasks of the batch gave way in {len(commits)} commit")

        wait_until_full(batch)  # who gave way runs again; it has used no retry
        print(f"the batch runs on: {batch.status.placed} placed, {batch.status.failed} failed")
        batch.cancel()


if __name__ == "__main__":
    main()
