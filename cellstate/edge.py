"""The edge where users' words come in: pydantic checks them, and one sentence says what is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from omegacell.cellstate.errors import SpecInvalid

Model = TypeVar("Model", bound="Edge")

_EXPECTED = {
    "bool_parsing": "true or false",
    "callable_type": "a Python function, or another object that can be called",
    "dict_type": "names with their values",
    "float_parsing": "a number",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "less_than_equal": "at most {le}",
    "model_type": "names with their values",
    "sequence_str": "a list",
    "is_instance_of": "a list",
    "string_too_short": "some text",
    "string_type": "text",
}
"""Pydantic's kinds of error that a user is likely to meet, in words that say what would be right."""


class Edge(BaseModel):
    """A frozen model that knows all its fields and raises SpecInvalid, with one sentence."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, coerce_numbers_to_str=True
    )

    def __init__(self, /, **written: Any) -> None:
        try:
            super().__init__(**written)
        except ValidationError as error:
            raise SpecInvalid(sentence(error, type(self))) from None


def sentence(error: ValidationError, model: type[BaseModel]) -> str:
    """What is wrong first, as one sentence: the field, its value, what was expected, what to do."""
    details = min(error.errors(include_url=False), key=lambda one: len(one["loc"]) > 0)
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, SpecInvalid):
        return str(cause)
    owner = _owner(model)
    field = str(details["loc"][0]) if details["loc"] else owner
    if details["type"] == "extra_forbidden":
        return _unknown(field, owner, tuple(model.model_fields))
    if details["type"] == "missing":
        return f"{owner} has no {field}; give it one"
    value = details["input"]
    inner = "".join(
        f"[{part!r}]" for part in details["loc"][1:] if isinstance(part, int) or field in {"env", "labels"}
    )
    return f"{field}{inner}={_shown(value)} of {owner} cannot be used; {_expected(field, details)}"


def _expected(field: str, details: ErrorDetails) -> str:
    """What would have been accepted in that field."""
    if field == "command":
        return 'expected a list of strings such as ["python", "train.py"] (a shell line: ["sh", "-c", "..."])'
    if field == "policy":
        return 'expected a name such as "best_fit", or "package.module:Name" of a class in a module'
    return expected(details)


def expected(details: ErrorDetails) -> str:
    """What would have been accepted there, from pydantic's kind of error or else from its message."""
    known = _EXPECTED.get(details["type"])
    if known is not None:
        return "expected " + known.format(**details.get("ctx", {}))
    message = details["msg"].removeprefix("Input should be ").replace("a valid ", "a ")
    return f"expected {message[:1].lower()}{message[1:]}"


def _owner(model: type[BaseModel]) -> str:
    """What errors call it: the title that it gives itself, else its name."""
    return model.model_config.get("title") or model.__name__.lower()


def _unknown(field: str, owner: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(field, known, n=1)
    advice = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return f"{owner} has no field {field!r}; {advice}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def read(model: type[Model], written: object, where: str) -> Model:
    """An object of a file or a request body as a `model`; `where` says in errors where it stood."""
    if not isinstance(written, Mapping) or not all(isinstance(name, str) for name in written):
        raise SpecInvalid(f"{where} is {_shown(written)}; expected the fields of a {_owner(model)}")
    try:
        return model(**written)
    except SpecInvalid as error:
        raise SpecInvalid(f"{where}: {error}") from None
