"""What a task finds in its environment, and whose word counts."""

from __future__ import annotations

import pytest

from omegacell.workers.environment import slot_environment, visible_devices
from tests.unit.workers.tasks import definition, slot

THREADS = ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def environment(base: dict[str, str], env: dict[str, str], cpu_milli: int = 1000) -> dict[str, str]:
    return slot_environment(base, slot(definition(env=env, cpu_milli=cpu_milli), 1), "/here")


@pytest.mark.parametrize(("cpu_milli", "threads"), [(500, "1"), (1000, "1"), (2500, "2"), (16_000, "16")])
def test_numerical_libraries_use_as_many_threads_as_the_placement_has_cores(
    cpu_milli: int, threads: str
) -> None:
    made = environment({}, {}, cpu_milli)
    assert {name: made[name] for name in THREADS} == dict.fromkeys(THREADS, threads)


def test_the_hosts_word_on_threads_counts_more_and_the_jobs_most() -> None:
    made = environment({"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "3"}, {"OMP_NUM_THREADS": "9"})
    assert [made[name] for name in THREADS] == ["3", "9", "1"]


def test_devices_are_numbered_as_the_machine_does_and_shown_as_the_host_does() -> None:
    made = slot(definition(), 1, devices=(0, 1))
    both = {**slot_environment({}, made, "/here")}
    assert (both["OMEGA_DEVICES"], both["CUDA_VISIBLE_DEVICES"]) == ("0,1", "0,1")


def test_a_job_cannot_choose_its_devices() -> None:
    made = slot(definition(env={"CUDA_VISIBLE_DEVICES": "7"}), 1, devices=(1,))
    assert slot_environment({}, made, "/here")["CUDA_VISIBLE_DEVICES"] == "1"


@pytest.mark.parametrize(
    ("inherited", "visible"), [("", "0,1"), ("4,5", "4,5"), ("GPU-a, GPU-b", "GPU-a,GPU-b"), ("4", "0,1")]
)
def test_an_agent_that_sees_some_devices_only_gives_its_tasks_those(inherited: str, visible: str) -> None:
    assert visible_devices(inherited, (0, 1)) == visible
