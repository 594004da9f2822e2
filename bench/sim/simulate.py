"""simulate(): one run of a scenario, named and varied."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from omegacell.bench.sim.options import checked, scenario_of, vary
from omegacell.bench.sim.result import Result
from omegacell.bench.sim.run import run
from omegacell.bench.sim.scenario import Scenario
from omegacell.cellstate.errors import SpecInvalid
from omegacell.schedulers import plugins
from omegacell.schedulers.planning import PolicyChoice

Policies = PolicyChoice | Mapping[str, PolicyChoice] | None
"""One policy (an object, a class, a name or a dotted path) for all schedulers, or some by the scheduler's name."""


def simulate(
    scenario: Scenario | str | Path = "hot",
    /,
    *,
    seed: int = 1,
    policy: Policies = None,
    trace: TextIO | None = None,
    **options: Any,
) -> Result:
    """Run a scenario once in virtual time: equal arguments, equal results.

    scenario: the name of one of ours ("hot", "clike", "example"), the path of a TOML file, or a Scenario. policy:
    in place of those in the scenario. trace: gets a line for every attempt: time, scheduler, job, claimed, accepted
    and conflicting slots. options: architecture, detection, commit, machines, runtime, warm_up, batch_schedulers,
    service_t_job ... (bench/sim/options.py has them all). SpecInvalid for an option, and PolicyError for a policy,
    that cannot be used.
    """
    varied = vary(scenario_of(scenario), checked(options))
    return run(varied, seed=seed, policies=by_scheduler(varied, policy), trace=trace)


def by_scheduler(scenario: Scenario, policy: Policies) -> dict[str, PolicyChoice]:
    """The policies that replace those in the scenario, by scheduler, "" for all; each can be used."""
    chosen = {} if policy is None else dict(policy) if isinstance(policy, Mapping) else {"": policy}
    names = [spec.name for spec in scenario.scheduler]
    for name, one in chosen.items():
        if name and name not in names:
            raise SpecInvalid(
                f"policy for scheduler {name!r}: there is none; expected one of {', '.join(names)}"
            )
        plugins.policy(one)
    return chosen
