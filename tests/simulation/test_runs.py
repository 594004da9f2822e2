"""What holds for a run of the simulator, whatever it is of."""

from __future__ import annotations

from importlib import import_module

import pytest

from omegacell.bench.sim.options import Options
from omegacell.bench.sim.simulation import Simulation
from omegacell.cellstate.model import CommitMode, Detection
from omegacell.sim import Architecture, Result, scenario_of, simulate, vary


def of_a_day(result: Result, name: str) -> float:
    return result.metrics[name]


@pytest.mark.parametrize("architecture", Architecture)
@pytest.mark.parametrize("detection", Detection)
@pytest.mark.parametrize("commit", CommitMode)
def test_nothing_is_ever_held_twice(
    architecture: Architecture, detection: Detection, commit: CommitMode
) -> None:
    options = Options(
        architecture=architecture,
        detection=detection,
        commit=commit,
        runtime=600.0,
        batch_rate=4.0,
        batch_schedulers=2,
        service_t_job=5.0,
    )
    scenario = vary(scenario_of("hot"), options)
    simulation = Simulation(scenario, seed=3)
    import_module(f"omegacell.bench.sim.architectures.{architecture}").arrange(simulation)
    simulation.run()
    simulation.cell.check()
    assert sum(driver.account.placements for driver in simulation.drivers) > 1_000


def test_one_seed_makes_one_run() -> None:
    first, again, other = (simulate("hot", seed=seed, runtime=1200, service_t_job=10.0) for seed in (5, 5, 6))
    assert str(dict(first.metrics)) == str(dict(again.metrics))
    assert str(dict(first.metrics)) != str(dict(other.metrics))


def test_a_day_of_the_hot_cell_is_that_of_the_reference_simulator() -> None:
    """Means and three standard deviations of Google's simulator over seeds 1 to 10; the workload exactly."""
    day = simulate("hot", seed=1, service_t_job=10.0)
    assert (of_a_day(day, "batch_jobs"), of_a_day(day, "service_jobs")) == (21_549, 2_077)
    assert of_a_day(day, "ss_conflict_fraction") == pytest.approx(0.1455, abs=3 * 0.0117)
    assert of_a_day(day, "ss_busyness") == pytest.approx(0.2891, abs=3 * 0.0084)
    assert of_a_day(day, "bs_busyness") == pytest.approx(0.0630, abs=3 * 0.0004)
    assert of_a_day(day, "service_wait_full_mean") == pytest.approx(2.649, abs=3 * 0.196)
    assert of_a_day(day, "avg_cpu_util") == pytest.approx(0.6319, abs=3 * 0.0005)


def test_service_jobs_hold_batch_jobs_up_only_where_they_share_a_queue() -> None:
    def batch_wait(architecture: str) -> float:
        run = simulate("hot", runtime=7200, architecture=architecture, service_t_job=20.0)
        return run.metrics["batch_wait_first_mean"]

    assert batch_wait("monolithic_multi") > 1.0
    assert batch_wait("shared_state") < 0.1
