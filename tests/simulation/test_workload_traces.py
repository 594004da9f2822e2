"""Every format of trace, on a small file of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from omegacell.bench.sim.jobs import FOR_EVER
from omegacell.cellstate.model import Amounts, CommitMode, Constraint, Operator
from tests.simulation.workloads import DATA, Words, jobs, rows, shapes

OPENB: Words = {"source": "openb", "pods": "openb_pods.csv"}
SWF: Words = {"source": "swf", "path": "log.swf"}
GOOGLE_2011: Words = {
    "source": "google2011",
    "job_events": "google2011_job_events.csv",
    "task_events": "google2011_task_*.csv",
    "machine_cpu": 16,
    "machine_memory": "64GiB",
}
GOOGLE_2019: Words = {
    "source": "google2019",
    "collection_events": "google2019_collection_events.json",
    "instance_events": "google2019_instance_events.json.gz",
    "machine_cpu": 16,
    "machine_memory": "64GiB",
}
_FULL_OPENB = Path(__file__).parents[3] / "shared" / "traces" / "openb-2023"


def test_openb_tasks_are_jobs_of_one_task() -> None:
    table = jobs(**OPENB)
    assert len(table) == 20
    assert rows(table)[:2] == [(0.0, 1, 12_537_496.0), (2_759_674.0, 1, 12_902_960.0 - 2_759_676.0)]
    asked = [shape.amounts for shape in shapes(table)]
    assert asked[:4] == [
        Amounts(cpu_milli=12_000, memory_bytes=16 * 2**30, gpu_milli=1000),
        Amounts(cpu_milli=20_000, memory_bytes=64 * 2**30),
        Amounts(cpu_milli=88_000, memory_bytes=320 * 2**30, gpu_milli=8000),
        Amounts(cpu_milli=4_000, memory_bytes=15_258 * 2**20, gpu_milli=220),
    ]


def test_an_openb_task_that_was_never_scheduled_lasts_from_its_creation_to_its_deletion() -> None:
    assert rows(jobs(**OPENB))[7] == (10_001_278.0, 1, 125.0)


def test_openb_models_become_a_constraint(tmp_path: Path) -> None:
    amounts = "cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec"
    head = f"name,{amounts},qos,pod_phase,creation_time,deletion_time,scheduled_time"
    (tmp_path / "pods.csv").write_text(f"{head}\np,1000,1024,1,500,V100M16|V100M32,LS,Running,5,,7\n")
    table = jobs(source="openb", pods="pods.csv", folder=tmp_path)
    assert rows(table) == [(5.0, 1, FOR_EVER)]
    assert table.shapes[0].constraints == (
        Constraint(attribute="gpu_model", operator=Operator.IN, values=("V100M16", "V100M32")),
    )


def test_openb_kinds_are_by_qos_and_some_may_be_left_out() -> None:
    table = jobs(**OPENB, kinds={"LS": "service"}, leave_out=["Burstable", "Guaranteed"])
    assert [shape.kind for shape in shapes(table)].count("service") == 10
    assert len(table) == 14


def test_openb_steady_keeps_the_order_and_spaces_the_jobs() -> None:
    table = jobs(**OPENB, mode="steady", gap_seconds=2)
    assert table.submitted_at.tolist() == [2.0 * number for number in range(20)]
    assert table.duration_seconds.tolist() == jobs(**OPENB).duration_seconds.tolist()


def test_the_whole_openb_trace_can_be_read_where_it_is() -> None:
    """Where it is not, the excerpt above is what is tested."""
    if _FULL_OPENB.is_dir():
        table = jobs(source="openb", pods="openb_pod_list_default.csv", folder=_FULL_OPENB)
        assert len(table) == 8_152
        assert sum(0 < shape.amounts.gpu_milli < 1000 for shape in shapes(table)) == 3_078


def test_swf_processors_are_tasks_of_one_cpu() -> None:
    table = jobs(**SWF)
    assert rows(table) == [
        (0.0, 4, 100.0),
        (10.0, 8, 60.0),
        (10.0, 2, 30.5),  # not requested: those it had
        (50.0, 1, 0.0),
        (100.0, 3, 25.0),
    ]
    assert [shape.amounts.cpu_milli for shape in shapes(table)] == [1000] * 5
    assert [shape.amounts.memory_bytes for shape in shapes(table)] == [2**21, 0, 2**19, 0, 0]


def test_swf_jobs_may_be_gangs_or_single_tasks() -> None:
    gangs = jobs(**SWF, processors="gang", memory="1GiB")
    assert {shape.commit for shape in gangs.shapes} == {CommitMode.GANG}
    single = jobs(**SWF, processors="one_task", cpu=0.5, memory="1GiB")
    assert single.tasks.tolist() == [1] * 5
    assert shapes(single)[1].amounts == Amounts(cpu_milli=4000, memory_bytes=8 * 2**30)


def test_swf_kinds_are_by_queue_and_gzip_is_read() -> None:
    table = jobs(source="swf", path="log.swf.gz", kinds={"2": "service"})
    assert [shape.kind for shape in shapes(table)] == ["batch", "service", "batch", "service", "batch"]


def test_a_window_a_limit_and_a_rate_choose_and_compress_time() -> None:
    assert rows(jobs(**SWF, start_seconds=10, end_seconds=100)) == [(0, 8, 60.0), (0, 2, 30.5), (40, 1, 0.0)]
    assert rows(jobs(**SWF, start_seconds=10, limit=2, rate=10)) == [(0.0, 8, 60.0), (0.0, 2, 30.5)]
    assert rows(jobs(**SWF, rate=10))[-1] == (10.0, 3, 25.0)
    assert len(jobs(**SWF, runtime=50.0)) == 3


def test_the_reference_s_initial_state_is_there_at_the_start() -> None:
    table = jobs(source="reference_trace", initial="initial_state.log")
    assert rows(table) == [(0.0, 2, FOR_EVER), (0.0, 10, 600.5), (0.0, 1, FOR_EVER)]
    assert [shape.amounts for shape in shapes(table)] == [
        Amounts(cpu_milli=500, memory_bytes=2**30),
        Amounts(cpu_milli=500, memory_bytes=2**30),
        Amounts(cpu_milli=250, memory_bytes=2**29),
    ]


def test_the_reference_s_service_jobs_are_production_of_class_two_or_three() -> None:
    words: Words = {"source": "reference_trace", "initial": "initial_state.log"}
    assert rows(jobs(**words, only="service")) == [(0.0, 2, FOR_EVER)]
    assert len(jobs(**words, only="batch")) == 2


def test_the_reference_s_distributions_are_drawn_from() -> None:
    words: Words = {
        "source": "reference_trace",
        "interarrival": "interarrival.log",
        "tasks": "tasks.log",
        "runtimes": "runtimes.log",
        "initial": "initial_state.log",
    }
    table = jobs(runtime=20_000.0, only="batch", **words)
    gaps = np.diff(table.submitted_at)
    assert gaps.mean() == pytest.approx(5.0, abs=0.1)
    assert (gaps.min() >= 2.5 - 1e-6, gaps.max() <= 7.5 + 1e-6) == (True, True)
    assert (table.tasks.min(), table.tasks.max()) == (1, 9)  # of what lies between 1 and 10 the whole part
    assert table.duration_seconds.min() >= 20.0  # a run time of 0 is none
    service = jobs(runtime=20_000.0, only="service", max_cpu=4, **words)
    assert service.duration_seconds.min() >= 500.0
    assert {shape.amounts for shape in service.shapes} == {Amounts(cpu_milli=500, memory_bytes=2**30)}
    alike = jobs(runtime=1_000.0, cpu=2, memory="1GiB", **words | {"initial": ""})
    assert {shape.amounts for shape in alike.shapes} == {Amounts(cpu_milli=2000, memory_bytes=2**30)}


def test_a_recorded_policy_gives_way_to_the_workload_s(tmp_path: Path) -> None:
    text = (DATA / "history.jsonl").read_text().replace('"scheduler": "batch"', '"policy": "their:own"')
    (tmp_path / "past.jsonl").write_text(text)
    past: Words = {"source": "history", "path": "past.jsonl", "folder": tmp_path}
    assert {shape.policy for shape in jobs(**past).shapes} == {"", "their:own"}
    assert {shape.policy for shape in jobs(**past, policy="").shapes} == {""}


def test_google_2011_tasks_run_for_the_sum_of_their_attempts() -> None:
    table = jobs(**GOOGLE_2011, kinds={"2": "service", "3": "service"})
    assert rows(table) == [
        (0.0, 1, FOR_EVER),  # there before the trace began, and still there when it ends
        (600.0, 2, 25.0),
        (605.0, 1, 30.0),  # 10 s until it was evicted, then 20 s
    ]
    assert [shape.kind for shape in shapes(table)] == ["service", "service", "batch"]
    assert [shape.amounts for shape in shapes(table)] == [
        Amounts(cpu_milli=4000, memory_bytes=8 * 2**30),
        Amounts(cpu_milli=1000, memory_bytes=2 * 2**30),
        Amounts(cpu_milli=2000, memory_bytes=4 * 2**30),
    ]


def test_google_2011_needs_only_the_tasks() -> None:
    alone = GOOGLE_2011 | {"job_events": ""}
    assert rows(jobs(**alone)) == rows(jobs(**GOOGLE_2011))
    assert rows(jobs(**alone, start_seconds=600))[0] == (0.0, 2, 25.0)


def test_google_2019_jobs_are_read_without_alloc_sets() -> None:
    table = jobs(**GOOGLE_2019, kinds={"2": "service"})
    assert rows(table) == [(600.0, 1, FOR_EVER), (601.0, 2, 20.0)]
    assert [shape.kind for shape in shapes(table)] == ["service", "batch"]
    assert [shape.amounts for shape in shapes(table)] == [
        Amounts(cpu_milli=4000, memory_bytes=4 * 2**30),  # the update counts
        Amounts(cpu_milli=4000, memory_bytes=8 * 2**30),
    ]


def test_google_2019_as_csv_says_the_same_as_json_lines() -> None:
    csv = GOOGLE_2019 | {"collection_events": "", "instance_events": "google2019_instance_events.csv"}
    assert rows(jobs(**csv)) == rows(jobs(**GOOGLE_2019))
    assert csv["instance_events"] in {file.name for file in DATA.iterdir()}


def test_events_in_another_order_say_the_same(tmp_path: Path) -> None:
    lines = (DATA / "google2011_task_events.csv").read_text().splitlines()
    (tmp_path / "turned.csv").write_text("\n".join(lines[::-1]) + "\n")
    turned = jobs(**GOOGLE_2011 | {"job_events": "", "task_events": "turned.csv"}, folder=tmp_path)
    # At one moment, an end and a new start may change places; the file says which was first.
    assert rows(turned)[1:] == rows(jobs(**GOOGLE_2011))[1:]
