"""A parameter sweep: one shell command a rate, retried if it fails, results in order."""

from __future__ import annotations

import omegacell as omega


def main() -> None:
    """Run the sweep on a local cell of two machines."""
    with omega.local(machines=2, runtime="process") as cell:
        job = cell.submit(
            name="sweep",
            command=["sh", "-c", "echo trained with rate {item}"],
            each=[0.1, 0.01, 0.001],
            resources=omega.Resources(cpu=0.5),
            retries=2,
        )
        job.wait(timeout=60)
        for index, written in enumerate(job.results()):
            print(f"{job.id}.{index}: {written.strip()}")


if __name__ == "__main__":
    main()
