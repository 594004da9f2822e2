"""A service's name is its identity: which job carries it, what may be changed of it, and which are live."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from omegacell.cellstate.errors import KeyConflict, NotFound
from omegacell.cellstate.model import JobState, JobStatus, Submitted
from omegacell.cellstate.spec import Service
from omegacell.cellstate.store import ClientStore
from omegacell.client.ids import job_text
from omegacell.client.submitting import submission

_KIND_LABEL = "omegacell/kind"
_KIND = "service"
_NAME_LABEL = "omegacell/service"
_LIVE = (JobState.BLOCKED, JobState.PENDING, JobState.RUNNING)
_MOST = 10_000
"""So many live services are looked at: more than a cell has."""
_ALTERED = {"task_count": "replicas", "priority": "priority", "labels": "labels"}
"""What a running service may be given anew, by its name in the specification."""
_AMOUNTS = {"cpu_milli", "memory_bytes", "disk_bytes", "gpu_milli", "custom"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What apply() did: stored a job (created), changed these fields of the one there is, or nothing."""

    submitted: Submitted
    altered: tuple[str, ...] = ()


def apply(store: ClientStore, service: Service) -> Applied:
    """Start the service, or change the replicas, labels and priority of the one that runs.

    KeyConflict, naming the fields, for any other difference: nothing is changed then.
    """
    key, running = _key_and_running(store, service)
    spec = replace(service.compile(), key=key, labels={**service.labels, **_labels(service)})
    try:
        return Applied(submitted=store.submit([submission(store, spec)])[0])
    except KeyConflict as error:
        if running is None or (other := set(error.fields) - _ALTERED.keys()):
            raise _refusal(service, running, other if running is not None else set(error.fields)) from None
        changes: dict[str, Any] = {}
        for field in error.fields:
            changes[_ALTERED[field]] = getattr(spec, field)
    store.alter(running.job_id, **changes)
    return Applied(submitted=Submitted(job_id=running.job_id, created=False), altered=tuple(sorted(changes)))


def live(store: ClientStore) -> tuple[JobStatus, ...]:
    """The services that run or wait to, by namespace and name."""
    found = store.jobs(states=_LIVE, labels={_KIND_LABEL: _KIND}, limit=_MOST)
    return tuple(sorted(found, key=lambda one: (one.namespace, one.name)))


def find(store: ClientStore, name: str, namespace: str) -> int:
    """The id of the job that carries a live service; NotFound if there is none of that name."""
    found = store.jobs(states=_LIVE, labels={_NAME_LABEL: f"{namespace}/{name}"}, limit=1)
    if found:
        return found[0].job_id
    where = "" if namespace == "default" else f" in namespace {namespace!r}"
    raise NotFound(f"no service {name!r} runs{where}; cell.services() and omega services list those that do")


def _key_and_running(store: ClientStore, service: Service) -> tuple[str, JobStatus | None]:
    """The key for an application of this service, and the job that carries it now, if any.

    A key is for ever, so an ended job's id is part of its successor's: two who apply at the same time meet in
    one job, and a cancelled service can be applied again.
    """
    newest = store.jobs(labels=_labels(service), limit=2)
    ended = [one.job_id for one in newest if one.state.final]
    running = [one for one in newest if not one.state.final]
    key = f"service/{service.name}" + (f" after {job_text(ended[0])}" if ended else "")
    return key, running[0] if running else None


def _labels(service: Service) -> dict[str, str]:
    return {_KIND_LABEL: _KIND, _NAME_LABEL: f"{service.namespace}/{service.name}"}


def _refusal(service: Service, running: JobStatus | None, fields: set[str]) -> KeyConflict:
    named = sorted({_written(field) for field in fields})
    if running is None:
        return KeyConflict(
            f"service {service.name!r} was just applied by somebody else and differs in {', '.join(named)}; "
            "look at what they applied, then apply again",
            named,
        )
    job = job_text(running.job_id)
    return KeyConflict(
        f"service {service.name!r} runs as job {job} and differs in {', '.join(named)}; of a running service only "
        f"replicas, labels and priority can be changed: cancel job {job}, then apply",
        named,
    )


def _written(field: str) -> str:
    """A field of the specification by the name that users give it."""
    return "resources" if field in _AMOUNTS else _ALTERED.get(field, field.removesuffix("_seconds"))
