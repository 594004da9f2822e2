"""The JSON Schema (draft 2020-12) of each command's --json, made from the dataclasses of replies.py.

`python -m omegacell.cli.schemas FOLDER` writes them all, as docs/json has them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from omegacell.cellstate.errors import NotFound
from omegacell.cli import cell_replies, replies
from omegacell.cli.app import GROUP
from omegacell.cli.output import SCHEMA_VERSION

REPLIES: Mapping[str, type] = {
    "apply": replies.Applied,
    "cancel": replies.Jobs,
    "conflicts": cell_replies.Conflicts,
    "db upgrade": cell_replies.Upgraded,
    "demo": cell_replies.Demo,
    "down": cell_replies.Down,
    "drain": cell_replies.OneMachine,
    "events": cell_replies.Event,
    "explain": replies.Explained,
    "fsck": cell_replies.Checked,
    "hold": replies.Jobs,
    "job": replies.JobInFull,
    "jobs": replies.Jobs,
    "logs": replies.TaskLogs,
    "logs --follow": replies.LogPiece,
    "machines": cell_replies.Machines,
    "policies": cell_replies.Policies,
    "purge": cell_replies.Purge,
    "release": replies.Jobs,
    "results": replies.Results,
    "retry": replies.Jobs,
    "run": replies.Run,
    "scale": replies.Services,
    "scheduler drain": cell_replies.OneScheduler,
    "scheduler hold": cell_replies.OneScheduler,
    "scheduler policy": cell_replies.OneScheduler,
    "scheduler release": cell_replies.OneScheduler,
    "scheduler scale": cell_replies.Fleet,
    "schedulers": cell_replies.Schedulers,
    "schema": cell_replies.SchemaNames,
    "services": replies.Services,
    "submit": replies.Submitted,
    "uncordon": cell_replies.OneMachine,
    "up": cell_replies.Up,
    "version": cell_replies.Version,
    "wait": replies.Jobs,
}
"""The commands of this package. A module that adds commands by entry point has a REPLIES of its own, as this one."""


class _AsWritten(GenerateJsonSchema):
    """The schema of what output.emit writes: every field is there, floats are finite or null, bytes are base64."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        return True

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:
        return {"type": "string", "contentEncoding": "base64"}


@cache
def all_replies() -> Mapping[str, type]:
    """The dataclass that each command's --json is made of, by command."""
    found = dict(REPLIES)
    for point in entry_points(group=GROUP):
        added: Mapping[str, type] = getattr(import_module(point.module), "REPLIES", {})
        found |= {f"{point.name} {command}".strip(): reply for command, reply in added.items()}
    return dict(sorted(found.items()))


def schema_text(command: str) -> str:
    """The schema of that command's --json, as JSON laid out for people; NotFound if it has none."""
    reply = all_replies().get(command)
    if reply is None:
        raise NotFound(f"command {command!r} has no schema; omega schema lists those that have one")
    made = TypeAdapter(reply).json_schema(mode="serialization", schema_generator=_AsWritten)
    made["properties"] = {"schema_version": {"const": SCHEMA_VERSION}, **made["properties"]}
    made["required"] = ["schema_version", *made.get("required", [])]
    made["title"] = f"omega {command} --json"
    head = {"$schema": GenerateJsonSchema.schema_dialect}
    return json.dumps({**head, **made}, indent=2) + "\n"


def file_name(command: str) -> str:
    """Where docs/json has the schema: "logs --follow" is in logs-follow.json."""
    return f"{command.replace(' --', '-').replace(' ', '-')}.json"


def write(folder: Path) -> None:
    """Write every schema into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for command in all_replies():
        (folder / file_name(command)).write_text(schema_text(command), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
