"""Constraints as people write them."""

from __future__ import annotations

import pytest

from omegacell.cellstate.constraints import parse_anti_affinity, parse_constraint
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import AntiAffinity, Constraint, Operator


@pytest.mark.parametrize(
    ("written", "attribute", "operator", "values"),
    [
        ("zone = a", "zone", "=", ("a",)),
        ("zone=a", "zone", "=", ("a",)),
        ("zone == 'a b'", "zone", "=", ("a b",)),
        ("arch != arm64", "arch", "!=", ("arm64",)),
        ("rack in (a, b)", "rack", "in", ("a", "b")),
        ("zone not  in (a,b)", "zone", "not in", ("a", "b")),
        ("gpu exists", "gpu", "exists", ()),
        ("exists exists", "exists", "exists", ()),
        ("index = 5", "index", "=", ("5",)),
        ("cores > 8", "cores", ">", ("8",)),
        ("cores < 8.5", "cores", "<", ("8.5",)),
        (("zone", "=", "a"), "zone", "=", ("a",)),
        (("rack", "in", ["a", "b"]), "rack", "in", ("a", "b")),
        (("gpu", "exists"), "gpu", "exists", ()),
        ({"attribute": "cores", "operator": ">", "values": [3]}, "cores", ">", ("3",)),
    ],
)
def test_every_form_is_understood(
    written: object, attribute: str, operator: str, values: tuple[str, ...]
) -> None:
    expected = Constraint(attribute=attribute, operator=Operator(operator), values=values)
    assert parse_constraint(written) == expected
    assert parse_constraint(expected) == expected


@pytest.mark.parametrize(
    "written",
    [
        "",
        "zone",
        "= a",
        "zone =",
        "zone = a b",
        "a b = c",
        "zone >= 3",
        "cores > many",
        "cores > nan",
        "rack in a",
        "rack in ()",
        "rack in (a,)",
        "gpu exists 3",
        "zone = a; drop table machine",
        ("zone",),
        ("zone", "~", "a"),
        ("zone", "=", ["a", "b"]),
        ("zone", "=", None),
        ("zone", "in", []),
        ("gpu", "exists", "x"),
        ("9zone", "=", "a"),
        {"zone": "a"},
        {"attribute": "zone", "operator": "=", "value": "a"},
        3,
        None,
    ],
)
def test_what_does_not_parse_is_refused_in_one_sentence(written: object) -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_constraint(written)
    assert repr(written) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_anti_affinity_is_a_limit_for_each_attribute() -> None:
    assert parse_anti_affinity({"zone": 2, "machine": 1}) == (
        AntiAffinity(attribute="machine", limit=1),
        AntiAffinity(attribute="zone", limit=2),
    )


@pytest.mark.parametrize(
    "written", [{"machine": 0}, {"machine": "x"}, {"machine": True}, {"": 1}, ["machine"]]
)
def test_other_anti_affinity_is_refused(written: object) -> None:
    with pytest.raises(SpecInvalid, match="anti_affinity"):
        parse_anti_affinity(written)
