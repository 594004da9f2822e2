"""Constraints as people write them: "zone = a", "rack in (a, b)", "gpu exists", "cores > 8"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import AntiAffinity, Constraint, Operator

_ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*", re.ASCII)
_CONDITION = re.compile(
    r"""\s*(?P<attribute>[^\s=!<>(),'"]+)\s*
        (?:(?P<operator>==|!=|<=|>=|=|<|>|\bnot\s+in\b|\bin\b)\s*(?P<values>.*?)
         |(?P<exists>\bexists))\s*""",
    re.VERBOSE | re.DOTALL,
)
_VALUE = re.compile(r"""\s*(?:'([^']*)'|"([^"]*)"|([^\s,()'"=<>!]+))\s*""")
_EXPECTED = (
    'expected for instance "zone = a", "arch != arm64", "rack in (a, b)", "zone not in (a, b)", '
    '"gpu exists", "cores > 8" or "cores < 8"'
)


def parse_constraint(written: object) -> Constraint:
    """A constraint from its text, from (attribute, operator[, value or values]), or from an object."""
    match written:
        case Constraint():
            return written
        case str():
            return _from_text(written)
        case {"attribute": attribute, "operator": operator, **rest} if not rest.keys() - {"values"}:
            return _checked(written, attribute, operator, rest.get("values", ()))
        case (attribute, operator):
            return _checked(written, attribute, operator, ())
        case (attribute, operator, values):
            return _checked(written, attribute, operator, values)
        case _:
            raise SpecInvalid(f"constraint {written!r} does not parse; {_EXPECTED}")


def parse_anti_affinity(written: object) -> tuple[AntiAffinity, ...]:
    """At most so many tasks per attribute value, from {"machine": 1}; in order of attribute."""
    if not isinstance(written, Mapping):
        raise SpecInvalid(f'anti_affinity={written!r} does not parse; expected for instance {{"machine": 1}}')
    for attribute, limit in written.items():
        check_attribute(attribute, "anti_affinity")
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise SpecInvalid(
                f"anti_affinity of {attribute!r} is {limit!r}; expected a whole number of tasks, at least 1"
            )
    return tuple(AntiAffinity(attribute=name, limit=written[name]) for name in sorted(written))


def check_attribute(attribute: object, field: str) -> str:
    """The attribute's name, if it is one; SpecInvalid naming the field otherwise."""
    if isinstance(attribute, str) and _ATTRIBUTE.fullmatch(attribute):
        return attribute
    raise SpecInvalid(
        f"{field} names the attribute {attribute!r}; expected a letter, then letters, digits, _ . / or -"
    )


def _from_text(text: str) -> Constraint:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise SpecInvalid(f"constraint {text!r} does not parse; {_EXPECTED}")
    if match["exists"]:
        return _checked(text, match["attribute"], "exists", ())
    operator = " ".join(match["operator"].split())
    listed = match["values"].strip()
    if operator in {"in", "not in"}:
        if not (listed.startswith("(") and listed.endswith(")")):
            raise SpecInvalid(f"constraint {text!r} lacks its list; write it as {operator} (a, b)")
        return _checked(text, match["attribute"], operator, _values(listed[1:-1].split(","), text))
    return _checked(text, match["attribute"], operator, _values([listed], text))


def _values(pieces: Sequence[str], text: str) -> tuple[str, ...]:
    found = [_VALUE.fullmatch(piece) for piece in pieces]
    values = [next(value for value in one.groups() if value is not None) for one in found if one]
    if len(values) != len(pieces):
        raise SpecInvalid(f"constraint {text!r} has an empty or broken value; {_EXPECTED}")
    return tuple(values)


def _checked(written: object, attribute: object, operator: object, values: Any) -> Constraint:
    name = check_attribute(attribute, f"constraint {written!r}")
    try:
        meant = Operator("=" if operator == "==" else str(operator))
    except ValueError:
        known = ", ".join(one.value for one in Operator)
        raise SpecInvalid(
            f"constraint {written!r} has the operator {operator!r}; expected one of {known}"
        ) from None
    several = isinstance(values, list | tuple | set | frozenset)
    listed = tuple(_text(value, written) for value in (values if several else (values,)))
    return Constraint(attribute=name, operator=meant, values=_counted(meant, listed, written))


def _counted(operator: Operator, values: tuple[str, ...], written: object) -> tuple[str, ...]:
    """The values, if their number and form suit the operator."""
    match operator:
        case Operator.EXISTS:
            if values:
                raise SpecInvalid(f"constraint {written!r} gives exists a value; write only the attribute")
        case Operator.IN | Operator.NOT_IN:
            if not values:
                raise SpecInvalid(f"constraint {written!r} has an empty list; name at least one value")
        case Operator.EQ | Operator.NE:
            if len(values) != 1:
                raise SpecInvalid(
                    f"constraint {written!r} has {len(values)} values; {operator.value} takes one"
                )
        case Operator.GT | Operator.LT:
            if len(values) != 1 or not _is_number(values[0]):
                raise SpecInvalid(
                    f"constraint {written!r} compares with no number; {operator.value} takes one"
                )
    return values


def _text(value: object, written: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise SpecInvalid(f"constraint {written!r} has the value {value!r}; expected a string or a number")
    return str(value)


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False
