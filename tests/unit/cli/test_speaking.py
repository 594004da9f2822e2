"""What becomes JSON and how, and how what went wrong is told."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import pytest

from omegacell.cellstate import errors
from omegacell.cellstate.model import Reason
from omegacell.cli import app, failing
from omegacell.cli.output import duration, emit, size


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Anything."""

    value: Any


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"\x00\xff", "AP8="),
        (math.nan, None),
        (math.inf, None),
        ({1: (2.5, True, None)}, {"1": [2.5, True, None]}),
        (Reason.CPU, 1),
        (Reply(value="x"), {"value": "x"}),
        (3 + 4j, "(3+4j)"),
        ("\ud800", "\ud800"),
    ],
)
def test_every_value_has_a_form_in_json(
    value: object, told: object, capsys: pytest.CaptureFixture[str]
) -> None:
    emit(Reply(value=value))
    assert json.loads(capsys.readouterr().out) == {"schema_version": 1, "value": told}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NotFound("x"), 3),
        (errors.KeyConflict("x", ["f"]), 4),
        (errors.StoreUnavailable("x"), 5),
        (errors.SchemaMismatch("x"), 5),
        (errors.SpecInvalid("x"), 2),
        (errors.MachineInUse("x"), 2),
        (errors.PolicyError("x"), 2),
        (errors.TasksFailed("x"), 1),
        (errors.TaskLost("x"), 1),
        (errors.TokenLost("x"), 1),
        (TimeoutError("x"), 124),
    ],
)
def test_every_error_is_a_line_and_a_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing.exit_code(error) == code
    assert capsys.readouterr().err == "omega: x\n"


def test_an_interrupt_is_130_and_a_bug_is_raised(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing.exit_code(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "omega: interrupted\n"
    with pytest.raises(ZeroDivisionError):
        failing.exit_code(ZeroDivisionError())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nope",), "no such command 'nope'; see omega --help"),
        (("job",), "missing argument 'JOB'; see omega job --help"),
        (("jobs", "--nope"), "no such option: --nope; see omega jobs --help"),
        (("jobs", "--limit", "x"), "invalid value for '--limit'"),
        (("jobs", "--limit", "0"), "invalid value for '--limit'"),
        (("scheduler", "scale", "batch", "-1"), "no such option: -1"),
        (("results", "j1", "--errors", "raise"), "invalid value for '--errors'"),
        (("jobs", "--label", "x"), "--label 'x' has no value; write NAME=VALUE"),
        (("run", "--env", "x", "--", "true"), "--env 'x' has no value; write NAME=VALUE"),
        (("run", "--after", "x", "--max-lost", "-1", "--", "true"), "max_lost=-1"),
        (("run", "--deadline", "soon", "--", "true"), "--deadline='soon' is no duration"),
        (("wait", "--timeout", "soon", "j1"), "--timeout='soon' is no duration"),
        (("conflicts", "--since", "soon"), "--since='soon' is no duration"),
        (("purge", "--older-than", "soon"), "--older-than='soon' is no duration"),
        (("apply", "one", "two"), "'one two' is no file; name one"),
        (("apply", "--replicas", "2", "web.yaml"), "replicas of a service in a file cannot be given"),
        (("apply", "--name", "web", "--port", "http=x", "--", "true"), "--port 'http=x' does not parse"),
        (("apply", "--name", "web", "--health-path", "/", "--", "true"), "health of service 'web'"),
        (("apply", "--name", "web", "--cpu", "x", "--", "true"), "cpu='x'"),
        (("up", "--scheduler", "batch"), "--scheduler 'batch' does not parse; write KIND=N"),
        (("up", "--machines", "0"), "machines=0 cannot be"),
    ],
)
def test_what_is_wrong_with_the_words_is_one_sentence(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run(words) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n"), said.err[:7]) == ("", 1, "omega: "), said
    assert says in said.err


@pytest.mark.parametrize(
    "words", [("submit", "/no/such"), ("apply", "/no/such"), ("schema", "worker", "run")]
)
def test_what_is_not_there_is_3(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(words) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_amounts_and_times_read_well() -> None:
    assert [duration(one) for one in (0.012, 3.4, 300, 7200, 3 * 86400)] == ["12ms", "3.4s", "5m", "2h", "3d"]
    assert [size(one) for one in (0, 1536, 2**30, 2**50)] == ["0B", "1.5KiB", "1GiB", "1024TiB"]
