"""Amounts and durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.units import (
    LARGEST,
    custom_words,
    parse_bytes,
    parse_cpu,
    parse_custom,
    parse_devices,
    parse_gpu,
    parse_seconds,
)


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
    ("written", "milli"),
    [
        (0, 0),
        ("0", 0),
        (0.001, 1),
        (0.5, 500),
        (0.999, 999),
        (1, 1000),
        (1.0, 1000),
        ("2", 2000),
        (62, 62_000),
    ],
)
def test_a_gpu_is_a_share_of_one_or_whole_ones(written: object, milli: int) -> None:
    assert parse_gpu(written) == milli


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (
            1.5,
            "gpu=1.5 is neither a share of one GPU nor whole ones; write 1 or 2, or less than 1 for a share",
        ),
        ("2.001", "write 2 or 3"),
        (0.0009, "gpu=0.0009 is too small; expected at least 0.001"),
        (1 / 3, "is finer than a thousandth; write 0.333 if that is meant"),
        (-1, "too small"),
        (63, "gpu=63 is more than a machine can have; expected at most 62"),
        (1e300, "too large"),
        ("half", "gpu='half' is no number of GPUs"),
        (True, "no number"),
        (None, "no number"),
    ],
)
def test_other_gpus_are_refused_never_rounded(written: object, says: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_gpu(written)
    assert says in str(caught.value)


@given(st.integers(min_value=1, max_value=999))
def test_every_share_of_a_gpu_survives_its_float(milli: int) -> None:
    assert parse_gpu(milli / 1000) == milli


def test_a_machine_has_whole_gpus() -> None:
    assert [parse_devices(written) for written in (0, 1, "4")] == [0, 1000, 4000]
    with pytest.raises(SpecInvalid, match=r"--gpu='0.5' is a share of one GPU; a machine has whole ones"):
        parse_devices("0.5", "--gpu")


def test_custom_amounts_stand_in_order_of_their_names() -> None:
    assert parse_custom({}) == ()
    assert parse_custom({"tpu": "0.25", "licence/matlab": 2}) == (("licence/matlab", 2000), ("tpu", 250))


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"a": 0}, "custom['a']=0 is too small; expected at least 0.001"),
        ({"a": -1}, "custom['a']=-1 is too small"),
        ({"a": 0.0001}, "custom['a']=0.0001 is too small"),
        ({"a": 1.0005}, "custom['a']=1.0005 is finer than a thousandth"),
        ({"a": "many"}, "custom['a']='many' is no number of units"),
        ({"a": None}, "custom['a']=None is no number of units"),
        ({"a": True}, "custom['a']=True is no number of units"),
        ({"a": LARGEST}, "is too large"),
        ({"a b": 1}, "custom='a b' is no name of a resource"),
        ({"": 1}, "custom='' is no name of a resource"),
        ({3: 1}, "custom=3 is no name of a resource"),
        ({"\udcff": 1}, "is no name of a resource"),
        ({"cpu": 1}, "custom='cpu' is a resource of its own; write cpu=... beside custom"),
        ({"memory_bytes": 1}, "write memory=... beside custom"),
        ("licence", "custom='licence' names no resources"),
    ],
)
def test_other_custom_resources_are_refused(written: object, says: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_custom(written)
    assert says in str(caught.value)


def test_options_name_custom_resources_with_their_amounts() -> None:
    assert parse_custom(custom_words(["b=2", "a=0.5"])) == (("a", 500), ("b", 2000))
    for words in (["a"], ["=1"]):
        with pytest.raises(SpecInvalid, match="is no resource; write NAME=AMOUNT"):
            custom_words(words)
    with pytest.raises(SpecInvalid, match="--custom='a=2' names a again"):
        custom_words(["a=1", "a=2"])


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
