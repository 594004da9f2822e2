"""A service's name is its identity: which job carries it now, and under which key the next would stand."""

from __future__ import annotations

from dataclasses import replace

from omegacell.cellstate.model import JobSpec
from omegacell.cellstate.store import ClientStore
from omegacell.client.ids import job_text

_LABEL = "omegacell/service"


def key_and_running(store: ClientStore, spec: JobSpec) -> tuple[str, str]:
    """The key for an application of this service, and the id of the job that carries it now ("" if none).

    A key is for ever, so an ended job's id is part of its successor's: two who apply at the same time meet in
    one job, and a cancelled service can be applied again.
    """
    newest = store.jobs(labels={_LABEL: _identity(spec)}, limit=2)
    ended = [one.job_id for one in newest if one.state.final]
    running = [one.job_id for one in newest if not one.state.final]
    key = f"service/{spec.name}" + (f" after {job_text(ended[0])}" if ended else "")
    return key, job_text(running[0]) if running else ""


def labelled(spec: JobSpec, key: str) -> JobSpec:
    """The specification with its key, and with the label by which it is found."""
    return replace(spec, key=key, labels={**spec.labels, _LABEL: _identity(spec)})


def _identity(spec: JobSpec) -> str:
    return f"{spec.namespace}/{spec.name}"
