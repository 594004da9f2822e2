"""The snapshot follows the feed, by version, at the cost of what changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omegacell.cellstate.model import MachineRows
from omegacell.cellstate.snapshot import Snapshot
from omegacell.schedulers.view import AttemptView
from tests.unit.schedulers.builders import changes, request, rows


def test_full_load_forgets_machines_that_are_gone() -> None:
    snapshot = Snapshot()
    snapshot.apply(changes(rows([[1, 1, 1], [2, 2, 2]]), [{"zone": "a"}, {"zone": "b"}]))
    snapshot.apply(changes(rows([[3, 3, 3]], first_id=7), [{}]))
    assert snapshot.machine_id.tolist() == [7]
    assert list(snapshot.names) == ["m7"]
    assert snapshot.attribute("zone").codes.tolist() == [-1]


def test_older_row_changes_nothing() -> None:
    snapshot = Snapshot()
    snapshot.apply(changes(rows([[5, 5, 5]], version=3)))
    snapshot.apply_rows(rows([[1, 1, 1]], version=2))
    assert snapshot.free.tolist() == [[5, 5, 5]]


def test_of_two_rows_of_one_machine_the_newer_wins_whatever_their_order() -> None:
    newer, older = rows([[1, 0, 0]], version=5), rows([[2, 0, 0]], version=4)
    both = MachineRows(
        machine_id=np.concatenate((newer.machine_id, older.machine_id)),
        version=np.concatenate((newer.version, older.version)),
        claim_sequence=np.concatenate((newer.claim_sequence, older.claim_sequence)),
        capacity=np.concatenate((newer.capacity, older.capacity)),
        used=np.concatenate((newer.used, older.used)),
        available=np.concatenate((newer.available, older.available)),
    )
    snapshot = Snapshot()
    snapshot.apply(changes(both))
    assert snapshot.machines == 1
    assert snapshot.free.tolist() == [[1, 0, 0]]


def test_incremental_changes_add_machines_and_keep_the_others() -> None:
    snapshot = Snapshot()
    snapshot.apply(changes(rows([[1, 1, 1]]), [{"zone": "a"}]))
    snapshot.apply(changes(rows([[9, 9, 9]] * 40, first_id=5), [{"zone": "b"}] * 40, full=False))
    assert snapshot.machines == 41
    assert snapshot.rows_of(np.array([44, 2, 1, 10**9])).tolist() == [40, -1, 0, -1]
    assert snapshot.attribute("zone").codes.tolist() == [0] + [1] * 40
    assert snapshot.largest.tolist() == [9, 9, 9]


def test_facts_of_a_machine_replace_its_earlier_ones() -> None:
    snapshot = Snapshot()
    snapshot.apply(changes(rows([[1, 1, 1]]), [{"zone": "a", "gpu": "x"}]))
    snapshot.apply(changes(rows([[1, 1, 1]], version=2), [{"zone": "b"}], full=False))
    zone = snapshot.attribute("zone")
    assert zone.words[zone.codes[0]] == "b"
    assert snapshot.attribute("gpu").codes.tolist() == [-1]


def test_attribute_column_has_words_as_numbers() -> None:
    snapshot = Snapshot()
    snapshot.apply(changes(rows([[1, 1, 1]] * 2), [{"cores": "16"}, {"cores": "many"}]))
    numbers = snapshot.attribute("cores").numbers
    assert numbers[0] == 16.0
    assert np.isnan(numbers[1])


def test_machine_attribute_is_its_name() -> None:
    snapshot = Snapshot()
    snapshot.apply(changes(rows([[1, 1, 1]] * 2), [{}, {}]))
    column = snapshot.attribute("machine")
    assert [column.words[code] for code in column.codes] == ["m1", "m2"]


def test_view_counts_claims_and_rollback_undoes_them_to_the_mark() -> None:
    snapshot = Snapshot()
    snapshot.apply(changes(rows([[10, 0, 0]] * 3)))
    view = AttemptView(snapshot)
    view.expect(1, {2: 4, 99: 1})
    asked = request(cpu=2)
    view.claim(asked, np.array([0, 1]), np.array([1, 2]))
    mark = view.mark()
    assert view.count(asked).tolist() == [1, 6, 0]
    view.claim(asked, np.array([1]), np.array([3]))
    assert view.free("cpu_milli").tolist() == [8, 0, 10]
    view.rollback(mark)
    assert view.free("cpu_milli").tolist() == [8, 6, 10]
    assert view.count(1).tolist() == [1, 6, 0]
    view.rollback(0)
    assert snapshot.free.tolist() == (snapshot.capacity - snapshot.used).tolist()


def test_writing_to_a_view_raises() -> None:
    snapshot = Snapshot()
    snapshot.apply(changes(rows([[10, 0, 0]]), [{"zone": "a"}]))
    view = AttemptView(snapshot)
    windows = (
        view.free_matrix,
        view.free("cpu_milli"),
        view.capacity_matrix,
        view.available,
        view.machine_id,
        view.largest,
        view.count(1),
        view.attribute("zone").codes,
    )
    for window in windows:
        with pytest.raises(ValueError, match="read-only"):
            window[0] = 0


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 8), st.integers(0, 9)), min_size=1, max_size=60))
def test_snapshot_holds_the_newest_row_of_each_machine(told: list[tuple[int, int, int]]) -> None:
    snapshot = Snapshot()
    newest: dict[int, tuple[int, int]] = {}
    for machine_id, version, free in told:
        snapshot.apply_rows(rows([[free, 0, 0]], capacity=[[10, 0, 0]], version=version, first_id=machine_id))
        if machine_id not in newest or version > newest[machine_id][0]:
            newest[machine_id] = (version, free)
    seen = {
        machine_id: (version, free)
        for machine_id, version, free in zip(
            snapshot.machine_id.tolist(),
            snapshot.version.tolist(),
            snapshot.free[:, 0].tolist(),
            strict=True,
        )
    }
    assert seen == newest
