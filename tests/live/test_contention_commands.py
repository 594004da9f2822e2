"""Devices, named resources, preemption and purging through the omega command, against a running local cell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.live.conftest import Command
from tests.processes import eventually


def submit(omega: Command, **fields: Any) -> str:
    """The id of a new job."""
    return omega("submit", "-", stdin=json.dumps(fields)).out.strip()


def placed(omega: Command, job_id: str, count: int) -> None:
    """Wait until so many of its tasks have their place."""
    eventually(lambda: omega("job", "--json", job_id).told["placed"] == count, what=f"{count} of {job_id}")


def machines(omega: Command) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = omega("machines", "--json").told["machines"]
    return found


def test_a_share_of_a_device_and_a_licence_are_shown_while_they_are_held(omega: Command) -> None:
    assert [one["capacity"]["gpu_milli"] for one in machines(omega)] == [2000, 2000]
    assert [one["attributes"]["gpus"] for one in machines(omega)] == ["0,1", "2,3"]
    resources = {"cpu": 0.1, "gpu": 0.5, "custom": {"licence": 1}}
    job_id = submit(omega, command=["sleep", "1000"], resources=resources)
    placed(omega, job_id, 1)
    (holding,) = (one for one in machines(omega) if one["placements"])
    assert (holding["used"]["gpu_milli"], holding["used"]["custom"]) == (500, [["licence", 1000]])
    assert sorted(holding["devices"]) == [0, 500]
    assert "licence 1/1" in omega("machines").out
    device = holding["devices"].index(500)
    assert f"{job_id}.0: {device} of {holding['name']}\n" in omega("job", job_id).out
    omega("cancel", job_id)
    omega("wait", job_id)
    assert {one["used"]["gpu_milli"] for one in machines(omega)} == {0}
    assert omega("fsck").out == "all invariants hold\n"


def test_run_finds_its_devices_in_the_environment(omega: Command) -> None:
    said = omega("run", "--gpu", "2", "--custom", "licence=1", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES")
    assert (said.code, said.out in {"0,1\n", "2,3\n"}) == (0, True), said


def test_what_no_machine_has_waits_and_is_explained(omega: Command) -> None:
    job_id = submit(omega, command=["true"], resources={"gpu": 3})
    assert "gpu 3" in omega("explain", job_id).out
    other = submit(omega, command=["true"], resources={"custom": {"nobody_has_it": 1}})
    assert "nobody_has_it" in omega("explain", other).out
    omega("cancel", job_id, other)


def test_who_gave_way_to_whom_is_told_on_both_sides(omega: Command) -> None:
    low = submit(omega, name="low", command=["sleep", "1000"], count=4, priority=10)
    placed(omega, low, 4)
    high = submit(
        omega, command=["true"], count=2, resources={"cpu": 2}, commit="gang", priority=900, name="high"
    )
    assert omega("wait", "--timeout", "60", high).code == 0
    assert f"It took the place of 4 tasks of lower priority: 4 of {low}." in omega("explain", high).out
    assert (
        f"Tasks of it gave way to jobs of higher priority 4 times: 4 to {high}." in omega("explain", low).out
    )
    records = omega("job", "--json", high).told["preemptions"]
    assert {(f"j{one['winner_job']}", f"j{one['victim_job']}") for one in records} == {(high, low)}
    assert sum(one["count"] for one in records) == 4
    assert f"4 by {high}" in omega("job", low).out
    placed(omega, low, 4)  # they run again
    assert omega("job", "--json", low).told["failed"] == 0
    omega("cancel", low)
    omega("wait", low)
    assert omega("fsck").out == "all invariants hold\n"


def test_purge_asks_and_forgets_only_what_ended(omega: Command) -> None:
    running = submit(omega, command=["sleep", "1000"], resources={"cpu": 0.1})
    ended = submit(omega, command=["true"])
    assert omega("wait", ended).code == 0

    asked = omega("purge", "--older-than", "0s", stdin="n\n")
    assert (asked.code, asked.out) == (1, "")
    assert "would be forgotten" in asked.err
    assert "nothing was purged" in asked.err
    assert omega("job", ended).code == 0

    assert omega("purge", "--yes", "--json").told["purged"]["jobs"] == 0  # nothing is a month old
    told = omega("purge", "--older-than", "0s", "--yes", "--json").told["purged"]
    assert told["jobs"] >= 1
    assert omega("job", ended).code == 3
    assert omega("job", "--json", running).told["state"] == "running"
    assert omega("purge", "--older-than", "0s", stdin="y\n").out.startswith("purged: jobs 0,")
    omega("cancel", running)
    omega("wait", running)
    assert omega("fsck").out == "all invariants hold\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "--gpu", "1.5", "--", "true"), "gpu='1.5' is neither a share of one GPU nor whole ones"),
        (("run", "--custom", "licence", "--", "true"), "--custom='licence' is no resource"),
        (("run", "--custom", "cpu=1", "--", "true"), "custom='cpu' is a resource of its own"),
        (("up", "--runtime", "process", "--gpu", "0.5"), "gpu='0.5' is a share of one GPU"),
        (("purge", "--older-than", "soon", "--yes"), "--older-than='soon' is no duration"),
    ],
)
def test_each_mistake_is_one_sentence(omega: Command, words: tuple[str, ...], says: str) -> None:
    said = omega(*words)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1), said
    assert says in said.err
