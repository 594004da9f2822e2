"""How much fits on a machine, and which devices it gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omegacell.cellstate.model import Amounts, Reason
from omegacell.cellstate.room import Fit, Room, device_indexes, device_mask


def room(*devices: int, **custom: int) -> Room:
    """4 cores, 10 bytes of memory, no disk, devices with so much free, named resources."""
    return Room((4000, 10, 0), devices=devices, custom=custom)


@pytest.mark.parametrize(
    ("wanted", "fit"),
    [
        (Amounts(cpu_milli=2000), Fit(2, Reason.CPU, 4000)),
        (Amounts(cpu_milli=2000, memory_bytes=5), Fit(2, Reason.CPU, 4000)),
        (Amounts(cpu_milli=2000, memory_bytes=6), Fit(1, Reason.MEMORY, 10)),
        (Amounts(disk_bytes=1), Fit(0, Reason.DISK, 0)),
        (Amounts(gpu_milli=350), Fit(3, Reason.DEVICE, 700)),
        (Amounts(gpu_milli=701), Fit(0, Reason.DEVICE, 700)),
        (Amounts(gpu_milli=1000), Fit(0, Reason.DEVICE, 0)),
        (Amounts(cpu_milli=4001, gpu_milli=1000), Fit(0, Reason.CPU, 4000)),
        (Amounts(custom=(("licence", 2),)), Fit(2, Reason.CUSTOM, 5)),
        (Amounts(custom=(("arm", 1), ("licence", 9))), Fit(0, Reason.CUSTOM, 0)),
        (Amounts(cpu_milli=1000), Fit(4, Reason.ACCEPTED, 0)),
    ],
)
def test_the_first_thing_that_allows_fewest_is_the_reason(wanted: Amounts, fit: Fit) -> None:
    assert room(600, 700, licence=5).fit(wanted, wanted=4) == fit


def test_whole_devices_count_where_they_are_entirely_free() -> None:
    free = room(1000, 999, 1000, 1000)
    assert free.fit(Amounts(gpu_milli=2000), wanted=4) == Fit(1, Reason.DEVICE, 3000)


def test_a_share_goes_on_the_fullest_device_that_has_it_and_of_equals_on_the_first() -> None:
    free = room(1000, 300, 500, 500, 200)
    assert free.place(Amounts(gpu_milli=300), slots=4) == (0b10, 0b100, 0b1000, 0b1)
    assert free.devices == [700, 0, 200, 200, 200]


def test_whole_devices_are_the_first_that_are_free() -> None:
    free = room(1000, 700, 1000, 1000, 1000)
    assert free.place(Amounts(gpu_milli=2000), slots=2) == (0b101, 0b11000)
    assert free.devices == [0, 700, 0, 0, 0]


@pytest.mark.parametrize(
    ("gpu_milli", "named", "fit"),
    [
        (300, (1,), Fit(1, Reason.ACCEPTED, 0)),
        (300, (0,), Fit(0, Reason.DEVICE, 200)),
        (300, (1, 2), Fit(0, Reason.DEVICE, 0)),
        (2000, (2, 3), Fit(1, Reason.ACCEPTED, 0)),
        (2000, (1, 3), Fit(0, Reason.DEVICE, 500)),
        (2000, (3, 4), Fit(0, Reason.DEVICE, 0)),
        (0, (2,), Fit(0, Reason.DEVICE, 0)),
    ],
)
def test_named_devices_fit_or_nothing_does(gpu_milli: int, named: tuple[int, ...], fit: Fit) -> None:
    free = room(200, 500, 1000, 1000)
    assert free.fit(Amounts(gpu_milli=gpu_milli), wanted=1, named=device_mask(named)) == fit


@given(st.sampled_from((0, 250, 1000, 2000)), st.integers(0, 9), st.integers(0, 9))
def test_what_is_given_back_is_free_again(gpu_milli: int, slots: int, licences: int) -> None:
    free = room(1000, 1000, 1000, licence=20)
    amounts = Amounts(cpu_milli=400, gpu_milli=gpu_milli, custom=(("licence", licences),) if licences else ())
    fit = free.fit(amounts, wanted=slots).slots
    for devices in free.place(amounts, slots=fit) or (0,) * fit:
        free.give(amounts, devices=devices)
    assert (free.amounts, free.devices, free.custom) == ([4000, 10, 0], [1000] * 3, {"licence": 20})


@given(st.sets(st.integers(0, 61)))
def test_a_set_of_devices_is_a_mask_that_fits_a_signed_64_bit_integer(indexes: set[int]) -> None:
    assert device_indexes(device_mask(indexes)) == tuple(sorted(indexes))
    assert device_mask(indexes) < 2**63
