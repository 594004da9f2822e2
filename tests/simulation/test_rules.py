"""The simulator has no scheduling, retry or commit rule of its own: change the rules, and it follows.

The rules are schedulers/ (what to plan, what becomes of a job that was refused) and cellstate's judge (what a commit
keeps); tests/unit/cellstate/test_judge_plain.py holds the two forms of the latter equal.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from omegacell.bench.sim import world
from omegacell.cellstate.judge import Claim, Ruling
from omegacell.cellstate.judge_plain import PlainRulings
from omegacell.cellstate.model import Reason
from omegacell.schedulers import retry
from omegacell.schedulers.planning import Planner
from omegacell.sim import simulate

ARCHITECTURES = (
    "monolithic_single",
    "monolithic_multi",
    "partitioned",
    "two_level",
    "shared_state",
    "parsync",
)
RUNTIME = 600.0
SIMULATOR = Path(world.__file__).parent


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A commit rule that keeps nothing; the number of claims it was asked about, by question."""
    asked: list[int] = []

    def plain(
        job: Any, *, amounts: Any, slots: Any, seen: Any, free: Any, claim_sequence: Any
    ) -> PlainRulings:
        asked.append(len(slots))
        nothing = np.zeros(len(slots), dtype=np.int64)
        return PlainRulings(nothing, nothing + Reason.CPU, nothing, slots[:, None] * 0 * amounts, 0)

    def by_claim(*, claims: list[Claim], **found: Any) -> tuple[Ruling, ...]:
        asked.append(len(claims))
        return tuple(Ruling(accepted=0, reason=Reason.CPU, machine_id=claim.machine_id) for claim in claims)

    monkeypatch.setattr(world, "judge_plain", plain)
    monkeypatch.setattr(world, "judge", by_claim)
    return asked


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_the_commit_rule_refuses_is_not_placed(architecture: str, refused: list[int]) -> None:
    found = simulate("clike", architecture=architecture, retry="reference", runtime=RUNTIME).metrics
    assert refused
    assert found["batch_jobs_fully_scheduled"] == found["service_jobs_fully_scheduled"] == 0
    assert found["batch_jobs_partially_scheduled"] == found["service_jobs_partially_scheduled"] == 0


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_the_retry_rule_gives_up_is_not_tried_again(
    architecture: str, refused: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    decided: list[int] = []

    def give_up(rule: Any, job: Any, tallied: Any, **_: Any) -> retry.GiveUp:
        decided.append(job.job_id)
        return retry.GiveUp(attempts=1)

    monkeypatch.setattr(retry, "decide", give_up)
    found = simulate("clike", architecture=architecture, runtime=RUNTIME).metrics
    assert decided
    assert len(decided) == len(set(decided))
    assert found["batch_jobs_abandoned"] + found["service_jobs_abandoned"] == len(decided)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_the_planner_does_not_plan_is_not_claimed(
    architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[int] = []
    plan = Planner.plan

    def counting(self: Planner, jobs: Any, snapshot: Any, now: float) -> Any:
        found = plan(self, jobs, snapshot, now)
        planned.append(sum(int(one.claims.slots.sum()) for one in found))
        return found

    committed: list[int] = []
    commit = world.VirtualCell.commit

    def watched(self: world.VirtualCell, transaction: Any) -> Any:
        committed.append(int(transaction.slots.sum()))
        return commit(self, transaction)

    monkeypatch.setattr(Planner, "plan", counting)
    monkeypatch.setattr(world.VirtualCell, "commit", watched)
    simulate("clike", architecture=architecture, runtime=RUNTIME)
    begun_only = sum(planned) - sum(committed)  # of the attempts under way at the end
    assert 0 <= begun_only <= 2 * max(planned)
    assert committed


def test_no_module_of_the_simulator_names_a_verdict_or_a_next_step() -> None:
    rules = {"Reason", "RetryAt", "GiveUp", "Done", "backoff_seconds", "decide"}
    for path in sorted(SIMULATOR.rglob("*.py")):
        named = {
            node.id
            if isinstance(node, ast.Name)
            else node.attr
            if isinstance(node, ast.Attribute)
            else node.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Name | ast.Attribute | ast.alias)
        }
        assert not named & rules, (
            f"{path.name} names {sorted(named & rules)}: that is schedulers/'s or cellstate's"
        )
