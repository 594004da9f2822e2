"""Is what a command told as JSON what its published schema says?"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema

from omegacell.cli import schemas


def validate(command: str, told: Any) -> None:
    """Fail unless the object is valid, without a field that the schema does not know."""
    _validator(command).validate(told)


@cache
def _validator(command: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(_closed(json.loads(schemas.schema_text(command))))


def _closed(schema: Any) -> Any:
    """The schema with nothing allowed that it does not name; readers of the published one may meet new fields."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(one) for name, one in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        closed["additionalProperties"] = False
    return closed
