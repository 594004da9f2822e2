"""Amounts and durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.units import LARGEST, parse_bytes, parse_cpu, parse_seconds


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        (0, 0),
        (5, 5),
        ("7B", 7),
        ("512MiB", 512 * 2**20),
        ("10MB", 10**7),
        ("5 KiB", 5120),
        ("1.5GiB", 3 * 2**29),
        ("2TB", 2 * 10**12),
        (LARGEST, LARGEST),
    ],
)
def test_bytes_are_ints_or_have_a_unit(written: object, amount: int) -> None:
    assert parse_bytes(written, "memory") == amount


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("512m", "unknown unit 'm'"),
        ("512M", 'write "512MiB"'),
        ("512", "has no unit"),
        ("1.5B", "no whole number"),
        ("-3MB", "no amount"),
        (-3, "negative"),
        (2.5, "no amount"),
        (True, "no amount"),
        (None, "no amount"),
        ("1e9", "no amount"),
        ("٣MB", "no amount"),
        ("9PB9", "no amount"),
        ("99999999PiB", "too large"),
        (LARGEST + 1, "too large"),
    ],
)
def test_other_bytes_are_refused_in_one_sentence(written: object, says: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_bytes(written, "memory")
    assert str(caught.value).startswith(f"memory={written!r} ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "milli"), [(1, 1000), (0.5, 500), ("2", 2000), (0.001, 1), (0.1 + 0.2, 300)]
)
def test_cpus_become_thousandths(written: object, milli: int) -> None:
    assert parse_cpu(written) == milli


@pytest.mark.parametrize("written", [0, -1, 0.0009, 1 / 3, "x", "500m", True, None, float("nan"), 1e300, []])
def test_cpus_are_never_rounded(written: object) -> None:
    with pytest.raises(SpecInvalid, match=r"^cpu="):
        parse_cpu(written)


@given(st.integers(min_value=1, max_value=10**9))
def test_every_thousandth_of_a_cpu_survives_its_float(milli: int) -> None:
    assert parse_cpu(milli / 1000) == milli


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0.0),
        (1.5, 1.5),
        ("10m", 600.0),
        ("1h30m", 5400.0),
        ("1h 5m", 3900.0),
        ("500ms", 0.5),
        ("2d", 172800.0),
    ],
)
def test_durations_are_seconds_or_have_units(written: object, seconds: float) -> None:
    assert parse_seconds(written, "timeout") == seconds


@pytest.mark.parametrize(
    "written", ["5", "", "m", "1x", "-1s", "1h-5m", -1, float("inf"), float("nan"), True, None]
)
def test_other_durations_are_refused(written: object) -> None:
    with pytest.raises(SpecInvalid, match="is no duration; expected"):
        parse_seconds(written, "timeout")


@pytest.mark.parametrize("written", [1e300, "20000d", f"{10**400}s"])
def test_durations_beyond_every_calendar_are_refused(written: object) -> None:
    with pytest.raises(SpecInvalid, match="is too long; expected at most 1000000000 seconds"):
        parse_seconds(written, "timeout")
