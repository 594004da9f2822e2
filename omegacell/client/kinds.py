"""Are the policy and the scheduler kind that a job names known? Asked before anything is stored."""

from __future__ import annotations

from dataclasses import replace

from omegacell.cellstate.errors import PolicyError
from omegacell.cellstate.model import JobSpec
from omegacell.cellstate.store import ClientStore
from omegacell.schedulers import kinds, plugins


def with_known_kinds(spec: JobSpec, store: ClientStore) -> JobSpec:
    """The specification, with the kind of a scheduler that was named by its dotted path.

    PolicyError if nobody here or in the cell knows its policy or its scheduler kind, or if the policy is none.
    """
    check_policy(spec.policy, f"job {spec.name!r}")
    if ":" in spec.scheduler:
        return replace(spec, scheduler=kinds.load(spec.scheduler).kind)
    if spec.scheduler in kinds.names():
        return spec
    served = {one.kind for one in store.schedulers()}
    if spec.scheduler not in served:
        known = ", ".join(sorted(served | set(kinds.names())))
        raise PolicyError(
            f"scheduler kind {spec.scheduler!r} of job {spec.name!r} is unknown; expected one of {known}, "
            "or package.module:Name"
        )
    return spec


def check_policy(policy: str, owner: str) -> None:
    """PolicyError if schedulers could not load this policy ("" is none); `owner` says in errors whose it is."""
    if policy.startswith("__main__:"):
        raise PolicyError(
            f"policy {policy!r} of {owner} is in the program itself, which schedulers cannot import; "
            "put it into a module"
        )
    if policy:
        plugins.policy(policy)
