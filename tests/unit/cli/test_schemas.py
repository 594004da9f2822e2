"""The published JSON schemas: as the code makes them, for every command that has --json, and valid themselves."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from omegacell.cellstate.errors import NotFound
from omegacell.cli import schemas
from tests.unit.cli.commands import with_json

PUBLISHED = Path(__file__).parents[3] / "docs" / "json"


def test_every_command_with_json_has_a_schema() -> None:
    assert set(schemas.all_replies()) == with_json() | {"logs --follow"}


@pytest.mark.parametrize("command", schemas.all_replies())
def test_the_published_schema_is_what_the_code_makes(command: str) -> None:
    published = (PUBLISHED / schemas.file_name(command)).read_text(encoding="utf-8")
    assert published == schemas.schema_text(command), "run: python -m omegacell.cli.schemas docs/json"
    jsonschema.Draft202012Validator.check_schema(json.loads(published))


def test_nothing_else_is_published() -> None:
    names = {path.name for path in PUBLISHED.iterdir()}
    assert names == {schemas.file_name(command) for command in schemas.all_replies()}


def test_a_command_without_a_schema_is_not_found() -> None:
    with pytest.raises(NotFound, match="command 'worker run' has no schema"):
        schemas.schema_text("worker run")
