"""How services look to people."""

from __future__ import annotations

from collections.abc import Sequence

from omegacell.cli import job_view
from omegacell.cli.output import ago, table
from omegacell.cli.replies import Service


def show(found: Sequence[Service]) -> None:
    """A row for each."""
    rows = [
        (
            one.name if one.namespace == "default" else f"{one.namespace}/{one.name}",
            one.id,
            job_view.state(one),
            one.placed,
            one.replicas,
            one.waiting_retry,
            ago(one.submitted_at),
            job_view.endpoints(one.endpoints),
        )
        for one in found
    ]
    counts = ("PLACED", "REPLICAS", "RUN AGAIN")
    table(("SERVICE", "JOB", "STATE", *counts, "SUBMITTED", "ANSWERS AT"), rows, right=counts)
