"""Devices, named resources and reservations follow the feed with the rows they belong to."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from omegacell.cellstate.snapshot import Snapshot
from tests.unit.schedulers.builders import changes, extras, rows

FREE = [[1, 1, 1]] * 3


def test_cell_without_devices_has_no_device_columns() -> None:
    snapshot = Snapshot()
    snapshot.apply(changes(rows(FREE)))
    assert snapshot.device_free.shape == (3, 0)
    assert not snapshot.named
    assert not len(snapshot.reserved.rows)


def test_devices_that_a_machine_does_not_have_are_negative() -> None:
    snapshot = Snapshot()
    snapshot.apply(changes(rows(FREE, extras=extras([[1000, 250], [], [400]]))))
    assert snapshot.device_free.tolist() == [[1000, 250], [-1, -1], [400, -1]]


def test_named_resource_gets_columns_when_first_met() -> None:
    snapshot = Snapshot()
    snapshot.apply(changes(rows(FREE)))
    snapshot.apply_rows(
        rows([[1, 1, 1]], version=2, first_id=2, extras=extras(custom={"fpga": [7]}, first_id=2))
    )
    assert snapshot.named["fpga"].free.tolist() == [0, 7, 0]
    assert snapshot.named["fpga"].capacity.tolist() == [0, 9_000, 0]


def test_newer_row_replaces_all_extras_of_its_machine_and_of_no_other() -> None:
    snapshot = Snapshot()
    told = extras([[500], [600]], custom={"fpga": [3, 4]}, reserved={1: (8, 100, 50.0), 2: (8, 100, 50.0)})
    snapshot.apply(changes(rows(FREE[:2], extras=told)))
    snapshot.apply_rows(rows([[1, 1, 1]], version=2))
    assert snapshot.device_free.tolist() == [[-1], [600]]
    assert snapshot.named["fpga"].free.tolist() == [0, 4]
    assert snapshot.reserved.rows.tolist() == [1]


def test_older_row_changes_no_extras() -> None:
    snapshot = Snapshot()
    told = extras([[500]], custom={"fpga": [3]}, reserved={1: (8, 100, 50.0)})
    snapshot.apply(changes(rows([[1, 1, 1]], version=5, extras=told)))
    other = extras([[1000, 1000]], custom={"fpga": [9], "tpu": [1]}, reserved={1: (9, 200, 70.0)})
    snapshot.apply_rows(rows([[1, 1, 1]], version=4, extras=other))
    assert snapshot.device_free.tolist() == [[500]]
    assert {name: column.free.tolist() for name, column in snapshot.named.items()} == {"fpga": [3]}
    assert snapshot.reserved.job_id.tolist() == [8]


def test_extras_of_older_and_newer_rows_in_one_answer_are_told_apart() -> None:
    snapshot = Snapshot()
    snapshot.apply(changes(rows([[1, 1, 1]], version=5, extras=extras([[500]]))))
    both = rows(FREE[:2], version=5, extras=extras([[1000, 1000], [300]], custom={"fpga": [2, 6]}))
    snapshot.apply_rows(both)
    assert snapshot.device_free.tolist() == [[500], [300]]
    assert snapshot.named["fpga"].free.tolist() == [0, 6]


def test_full_load_forgets_extras() -> None:
    snapshot = Snapshot()
    told = extras([[500]], custom={"fpga": [3]}, reserved={1: (8, 100, 50.0)})
    snapshot.apply(changes(rows([[1, 1, 1]], extras=told)))
    snapshot.apply(changes(rows(FREE, first_id=4)))
    assert snapshot.device_free.shape == (3, 0)
    assert not snapshot.named
    assert not len(snapshot.reserved.rows)


def test_machines_that_join_keep_the_extras_of_those_before() -> None:
    snapshot = Snapshot()
    snapshot.apply(changes(rows(FREE, extras=extras([[500], [], [7]], custom={"fpga": [1, 2, 3]}))))
    joined = rows([[1, 1, 1]] * 50, first_id=4, extras=extras([[], [1000, 900]], first_id=4))
    snapshot.apply(changes(joined, full=False))
    assert snapshot.device_free.shape == (53, 2)
    assert snapshot.device_free[:6].tolist() == [
        [500, -1],
        [-1, -1],
        [7, -1],
        [-1, -1],
        [1000, 900],
        [-1, -1],
    ]
    assert snapshot.named["fpga"].free.tolist() == [1, 2, 3] + [0] * 50


@given(
    st.lists(
        st.tuples(
            st.integers(1, 6),
            st.integers(1, 8),
            st.lists(st.integers(0, 1000), max_size=3),
            st.dictionaries(st.sampled_from(["fpga", "tpu"]), st.integers(0, 9)),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_snapshot_holds_the_extras_of_the_newest_row_of_each_machine(
    told: list[tuple[int, int, list[int], dict[str, int], bool]],
) -> None:
    snapshot = Snapshot()
    newest: dict[int, tuple[int, list[int], dict[str, int], bool]] = {}
    for machine, version, devices, custom, reserved in told:
        of_it = extras(
            [devices],
            custom={name: [free] for name, free in custom.items()},
            reserved={machine: (1, 2, 3.0)} if reserved else {},
            first_id=machine,
        )
        snapshot.apply_rows(rows([[1, 1, 1]], version=version, first_id=machine, extras=of_it))
        if machine not in newest or version > newest[machine][0]:
            newest[machine] = version, devices, custom, reserved
    for machine, (_, devices, custom, reserved) in newest.items():
        row = int(snapshot.rows_of(np.array([machine]))[0])
        assert [free for free in snapshot.device_free[row].tolist() if free >= 0] == devices
        for name, column in snapshot.named.items():
            assert column.free[row] == custom.get(name, 0)
        assert (row in snapshot.reserved.rows.tolist()) == reserved


def test_extras_of_machines_that_the_rows_do_not_name_are_passed_over() -> None:
    snapshot = Snapshot()
    snapshot.apply(changes(rows(FREE, extras=extras([[500], [600], [700]]))))
    stray = rows([[1, 1, 1]], version=2, extras=extras([[1], [2], [3]]))
    snapshot.apply_rows(stray)
    assert snapshot.device_free[:, 0].tolist() == [1, 600, 700]
