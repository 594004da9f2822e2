"""Amounts and durations as people write them, turned into integers and seconds; nothing is ever rounded.

Each function names its subject in the error, so that the sentence can be shown as it stands.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import DEVICE_MILLI, DEVICES_AT_MOST, DIMENSIONS

LARGEST = 2**63 - 1
"""PostgreSQL's bigint and NumPy's int64 hold no more."""

LONGEST_SECONDS = 1e9
"""Some 31 years: added to the present, it is still a date that PostgreSQL and every timer can hold."""

_BYTES = {
    "B": 1,
    **{f"{letter}iB": 2 ** (10 * power) for power, letter in enumerate("KMGTP", start=1)},
    **{f"{letter}B": 10 ** (3 * power) for power, letter in enumerate("kMGTP", start=1)},
    "KB": 1000,
}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_RESOURCE = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*", re.ASCII)
_BUILT_IN = frozenset({"cpu", "memory", "disk", "gpu", "gpu_milli", *DIMENSIONS})
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)", re.ASCII)
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)\s*", re.ASCII)


def parse_bytes(value: object, name: str) -> int:
    """Bytes from an int, or from a string with a suffix: "512MiB" is 512 * 2^20, "10MB" 10 * 10^6."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _within(value, value, name, "bytes")
    expected = 'expected an int of bytes or a string such as "512MiB" or "10MB"'
    match = _AMOUNT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise SpecInvalid(f"{name}={value!r} is no amount of bytes; {expected}")
    number, suffix = match.groups()
    if suffix not in _BYTES:
        letter = suffix[:1].upper()
        hint = f'write "{number}{letter}iB" (2^x) or "{number}{letter}B" (10^x)'
        known = hint if letter and letter in "KMGTP" else f'write for instance "{number}MiB" or "{number}MB"'
        problem = f"has the unknown unit {suffix!r}" if suffix else "has no unit"
        raise SpecInvalid(f"{name}={value!r} {problem}; {known}")
    exact = Decimal(number) * _BYTES[suffix]
    if exact != exact.to_integral_value():
        raise SpecInvalid(f"{name}={value!r} is no whole number of bytes; {expected}")
    return _within(int(exact), value, name, "bytes")


def bytes_text(amount: int) -> str:
    """Bytes in the largest unit of 2^10 that keeps them above 1, to four digits: 536870912 is "512 MiB"."""
    for unit, size in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if amount >= size:
            return f"{amount / size:.4g} {unit}"
    return f"{amount} B"


def parse_cpu(value: object, name: str = "cpu") -> int:
    """Thousandths of a CPU from a number of CPUs; below 0.001, or finer than it, is refused."""
    return _thousandths(value, name, "CPU")


def parse_gpu(value: object, name: str = "gpu") -> int:
    """Thousandths of a device: below 1 a share of one, else whole devices; 0 where none is asked for."""
    milli = _thousandths(value, name, "GPU", least=0)
    if milli > DEVICE_MILLI and milli % DEVICE_MILLI:
        below, above = milli // DEVICE_MILLI, milli // DEVICE_MILLI + 1
        raise SpecInvalid(
            f"{name}={value!r} is neither a share of one GPU nor whole ones; write {below} or {above}, "
            "or less than 1 for a share"
        )
    if milli > DEVICES_AT_MOST * DEVICE_MILLI:
        raise SpecInvalid(
            f"{name}={value!r} is more than a machine can have; expected at most {DEVICES_AT_MOST}"
        )
    return milli


def parse_custom(value: object, name: str = "custom") -> tuple[tuple[str, int], ...]:
    """(resource, thousandths) by name, from a mapping of names to positive amounts."""
    if not isinstance(value, Mapping):
        raise SpecInvalid(f'{name}={value!r} names no resources; expected for instance {{"licence": 1}}')
    for resource in value:
        if not isinstance(resource, str) or not _RESOURCE.fullmatch(resource):
            raise SpecInvalid(
                f"{name}={resource!r} is no name of a resource; expected letters, digits and ._/- such as licence"
            )
        if resource in _BUILT_IN:
            own = resource.partition("_")[0]
            raise SpecInvalid(f"{name}={resource!r} is a resource of its own; write {own}=... beside custom")
    amounts = {
        resource: _thousandths(amount, f"{name}[{resource!r}]", "unit") for resource, amount in value.items()
    }
    return tuple(sorted(amounts.items()))


def parse_devices(value: object, name: str = "gpu") -> int:
    """Thousandths of a device from the number of devices that a machine has; 0 where it has none."""
    milli = parse_gpu(value, name)
    if milli % DEVICE_MILLI:
        raise SpecInvalid(f"{name}={value!r} is a share of one GPU; a machine has whole ones, such as 2")
    return milli


def custom_words(words: Sequence[str], name: str = "--custom") -> dict[str, str]:
    """What options of NAME=AMOUNT say, as parse_custom takes it."""
    amounts: dict[str, str] = {}
    for word in words:
        resource, equals, amount = word.partition("=")
        if not (resource and equals):
            raise SpecInvalid(f"{name}={word!r} is no resource; write NAME=AMOUNT, such as licence=2")
        if resource in amounts:
            raise SpecInvalid(f"{name}={word!r} names {resource} again; give each resource one amount")
        amounts[resource] = amount
    return amounts


def _thousandths(value: object, name: str, unit: str, *, least: int = 1) -> int:
    """Thousandths of a unit from a number of units; below `least`, or finer than one, is refused."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
            raise InvalidOperation
        amount = Decimal(str(value).strip())
        if not amount.is_finite():
            raise InvalidOperation
    except InvalidOperation:
        raise SpecInvalid(
            f"{name}={value!r} is no number of {unit}s; expected a number such as 2 or 0.5"
        ) from None
    milli = amount * 1000
    if milli < 1 and not milli == least == 0:
        raise SpecInvalid(f"{name}={value!r} is too small; expected at least 0.001")
    whole = milli.to_integral_value()
    # 0.1 + 0.2 is 0.30000000000000004: the float's own inexactness is not the user's.
    if abs(milli - whole) > Decimal("1e-9") * whole:
        raise SpecInvalid(
            f"{name}={value!r} is finer than a thousandth; write {whole / 1000} if that is meant"
        )
    return _within(int(whole), value, name, f"thousandths of a {unit}")


def parse_seconds(value: object, name: str) -> float:
    """Seconds from a number, or from a string such as "10m", "1h30m" or "500ms"."""
    expected = 'expected seconds, or a string such as "30s", "10m" or "1h30m"'
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not (math.isfinite(value) and value >= 0):
            raise SpecInvalid(f"{name}={value!r} is no duration; {expected}, 0 or more")
        return _not_too_long(float(value), value, name)
    text = value.strip() if isinstance(value, str) else ""
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(_DURATION_PART.split(text)[0::3]):
        raise SpecInvalid(f"{name}={value!r} is no duration; {expected}")
    return _not_too_long(sum(float(number) * _SECONDS[unit] for number, unit in parts), value, name)


def written_seconds(text: str, name: str) -> float:
    """Seconds from an option's words: as parse_seconds, where a bare number is seconds too."""
    try:
        number = float(text)
    except ValueError:
        return parse_seconds(text, name)
    return parse_seconds(number, name)


def _not_too_long(seconds: float, value: object, name: str) -> float:
    if seconds > LONGEST_SECONDS:
        raise SpecInvalid(f"{name}={value!r} is too long; expected at most {LONGEST_SECONDS:.0f} seconds")
    return seconds


def _within(amount: int, value: object, name: str, unit: str) -> int:
    if amount < 0:
        raise SpecInvalid(f"{name}={value!r} is negative; expected 0 {unit} or more")
    if amount > LARGEST:
        raise SpecInvalid(f"{name}={value!r} is too large; expected at most {LARGEST} {unit}")
    return amount
