"""How workers and schedulers follow the cell: pull by version, sync by watermark, fold."""

from __future__ import annotations

import pytest

from omegacell.cellstate.errors import TokenLost
from omegacell.cellstate.model import AttemptState, Changes, Watermark
from tests.contract.scene import Scene, machine_spec


def test_a_pull_is_the_whole_truth_about_each_machine(scene: Scene) -> None:
    worker = scene.worker()
    first, second = worker.machine("a"), worker.machine("b")
    scene.worker("other").machine("c")
    job_id = scene.submit(tasks=3)
    scene.scheduler().place(job_id, second, 2)
    empty, full = worker.pull()
    assert (empty.machine_id, empty.version, empty.epoch, empty.placements) == (first, 1, 1, ())
    assert (full.machine_id, full.version, full.epoch) == (second, 2, 1)
    assert full.placements == scene.store.placements(job_id)


def test_a_pull_leaves_out_what_is_known(scene: Scene) -> None:
    worker = scene.worker()
    first, second = worker.machine("a"), worker.machine("b")
    known = {holdings.machine_id: holdings.version for holdings in worker.pull()}
    assert worker.pull(known) == ()
    scene.scheduler().place(scene.submit(), second)
    assert [holdings.machine_id for holdings in worker.pull(known)] == [second]
    assert [holdings.machine_id for holdings in worker.pull({second: 2})] == [first]


def test_a_lost_answer_costs_nothing(scene: Scene) -> None:
    worker = scene.worker()
    machine_id = worker.machine()
    job_id = scene.submit(tasks=2)
    scheduler = scene.scheduler()
    scheduler.place(job_id, machine_id)
    assert worker.pull({machine_id: 1}) == worker.pull({machine_id: 1})
    scheduler.place(job_id, machine_id)
    (holdings,) = worker.pull({machine_id: 1})
    assert [placement.first_index for placement in holdings.placements] == [0, 1]


def test_every_change_of_what_a_machine_holds_is_pulled(scene: Scene) -> None:
    worker = scene.worker()
    machine_id = worker.machine()
    job_id = scene.submit(tasks=9)
    scheduler = scene.scheduler()
    known: dict[int, int] = {}

    def pulled() -> int:
        (holdings,) = worker.pull(known)
        known[machine_id] = holdings.version
        return len(holdings.placements)

    assert pulled() == 0
    scheduler.place(job_id, machine_id, 3)
    assert pulled() == 3
    worker.end(scene.store.placements(job_id)[0])
    assert pulled() == 2
    scene.store.drain("m")
    assert pulled() == 2
    scene.store.cancel(job_id)
    assert pulled() == 2
    worker.machine()
    assert pulled() == 0


def test_machines_that_are_down_are_not_pulled(scene: Scene) -> None:
    scene.worker().machine()
    assert scene.worker().pull() == ()


def test_an_old_incarnation_cannot_pull(scene: Scene) -> None:
    old = scene.worker()
    scene.worker()
    with pytest.raises(TokenLost):
        old.pull()


def ids(changes: Changes) -> list[int]:
    """Machines whose rows came, ascending."""
    return sorted(changes.rows.machine_id.tolist())


def test_the_first_sync_brings_everything(scene: Scene) -> None:
    worker = scene.worker()
    worker.bring(machine_spec("a", zone="eu"), machine_spec("b", cpu=1000))
    scene.store.drain("b")
    changes = scene.store.sync(None)
    assert changes.full
    assert ids(changes) == [1, 2]
    rows = changes.rows
    order = rows.machine_id.argsort()
    assert rows.capacity[order].tolist() == [[4000, 2**32, 2**32], [1000, 2**32, 2**32]]
    assert rows.used.tolist() == [[0, 0, 0]] * 2
    assert rows.available[order].tolist() == [True, False]
    assert rows.version[order].tolist() == [1, 2]
    assert rows.claim_sequence[order].tolist() == [1, 2]
    facts = {fact.name: dict(fact.attributes) for fact in changes.facts}
    assert facts == {"a": {"zone": "eu"}, "b": {}}


def test_an_empty_cell_syncs(scene: Scene) -> None:
    changes = scene.store.sync(None)
    assert (changes.full, ids(changes), changes.facts) == (True, [], ())
    assert changes.rows.capacity.shape == (0, 3) == changes.rows.used.shape


def test_a_sync_brings_only_what_changed_since(scene: Scene) -> None:
    worker = scene.worker()
    machines = [worker.machine(name) for name in "abc"]
    job_id = scene.submit(tasks=9)
    scheduler = scene.scheduler()
    scheduler.claim()
    start = scene.store.sync(None).watermark
    scheduler.commit((job_id, machines[0], 1), (job_id, machines[2], 2))
    changes = scene.store.sync(start)
    assert not changes.full
    assert ids(changes) == [machines[0], machines[2]]
    assert sorted(changes.rows.used[:, 0].tolist()) == [1000, 2000]
    assert (changes.facts, changes.log_rows) == ((), 1)
    quiet = scene.store.sync(changes.watermark)
    assert (quiet.full, ids(quiet), quiet.log_rows) == (False, [], 0)


def test_the_same_watermark_may_be_used_again(scene: Scene) -> None:
    worker = scene.worker()
    machine_id = worker.machine()
    start = scene.store.sync(None).watermark
    scene.scheduler().place(scene.submit(), machine_id)
    for _ in range(2):
        assert ids(scene.store.sync(start)) == [machine_id]


@pytest.mark.parametrize("change", ["end", "drain", "uncordon", "lose", "register"])
def test_every_kind_of_change_reaches_the_feed(scene: Scene, change: str) -> None:
    worker = scene.worker()
    machine_id, other = worker.machine("m"), scene.worker("other").machine("n")
    scheduler = scene.scheduler()
    job_id = scene.submit()
    scheduler.place(job_id, machine_id)
    if change == "uncordon":
        scene.store.drain("m")
    start = scene.store.sync(None).watermark
    match change:
        case "end":
            worker.end_job(job_id)
        case "drain":
            scene.store.drain("m")
        case "uncordon":
            scene.store.uncordon("m")
        case "lose":
            worker.release()
        case _:
            worker.machine("m", zone="eu")
    changes = scene.store.sync(start)
    assert ids(changes) == [machine_id]
    assert other not in changes.rows.machine_id
    status = scene.machine(machine_id)
    rows = changes.rows
    assert (rows.version.tolist(), rows.claim_sequence.tolist()) == (
        [status.version],
        [status.claim_sequence],
    )
    assert rows.available.tolist() == [status.up and status.schedulable]
    assert rows.used[0].tolist() == status.used.vector().tolist()
    facts = {fact.name: dict(fact.attributes) for fact in changes.facts}
    assert facts == ({"m": {"zone": "eu"}} if change == "register" else {})


def test_a_new_machine_comes_with_its_facts(scene: Scene) -> None:
    start = scene.store.sync(None).watermark
    machine_id = scene.worker().machine("late", zone="eu")
    changes = scene.store.sync(start)
    assert ids(changes) == [machine_id]
    assert [(fact.name, dict(fact.attributes)) for fact in changes.facts] == [("late", {"zone": "eu"})]


def test_another_generation_is_a_full_load(scene: Scene) -> None:
    machine_id = scene.worker().machine()
    now = scene.store.sync(None).watermark
    changes = scene.store.sync(Watermark(generation=now.generation + 1, snapshot=now.snapshot))
    assert (changes.full, ids(changes), changes.watermark.generation) == (True, [machine_id], now.generation)


def test_reports_are_folded_when_they_are_answered(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit(tasks=2, retries=1)
    first, second = scene.scheduler().place(job_id, worker.machine(), 2)
    worker.end(first, state=AttemptState.FAILED)
    worker.end(second)
    status = scene.job(job_id)
    assert (status.placed, status.succeeded, status.waiting_retry) == (0, 1, 1)
    assert scene.store.fold() == 0
    assert scene.store.fold([job_id]) == 1
    assert scene.job(job_id) == status


def test_more_may_be_asked_for_than_a_statement_has_parameters(scene: Scene) -> None:
    job_id = scene.submit()
    assert [one.job_id for one in scene.store.definitions(range(job_id, job_id + 70_000))] == [job_id]
    assert scene.store.outcomes(job_id, task_indexes=range(70_000)) == ()
