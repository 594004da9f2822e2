"""Users' programs against a running local cell: what they import, and where they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.live.conftest import Said

Script = Callable[[Mapping[str, str]], Said]

MAIN = """
import omegacell as omega
from words import longest

with omega.connect() as cell:
    print(cell.map(longest, [["a", "bcd"], ["ef"]], resources=omega.Resources(cpu=0.5)).results(timeout=60))
"""


def test_a_callable_may_live_in_a_sibling_module_and_start_elsewhere(script: Script) -> None:
    said = script(
        {
            "main.py": MAIN,
            "words.py": "from lengths import length\ndef longest(words):\n    return max(words, key=length)\n",
            "lengths.py": "def length(word):\n    return len(word)\n",
        }
    )
    assert (said.out, said.code) == ("['bcd', 'ef']\n", 0), said.err


def test_a_users_own_folders_named_like_ours_do_no_harm(script: Script) -> None:
    trap = "raise SystemExit('the wrong package was imported')\n"
    said = script(
        {
            "main.py": MAIN.replace("from words", "from workers.words"),
            "workers/__init__.py": "",
            "workers/words.py": "def longest(words):\n    return max(words, key=len)\n",
            "schedulers/__init__.py": trap,
            "migrations/__init__.py": trap,
            "cellstate/__init__.py": trap,
        }
    )
    assert (said.out, said.code) == ("['bcd', 'ef']\n", 0), said.err


def test_results_and_errors_of_the_programs_own_types_come_back(script: Script) -> None:
    main = """
import omegacell as omega
from shapes import Point, Broken, mirror, fail

with omega.connect() as cell:
    print(cell.call(mirror, Point(1, 2)).result(timeout=60) == Point(2, 1))
    try:
        cell.call(fail).result(timeout=60)
    except Broken as error:
        print(error, "in fail" in str(error.__cause__))
"""
    shapes = """
from dataclasses import dataclass

@dataclass
class Point:
    x: int
    y: int

class Broken(Exception):
    pass

def mirror(point):
    return Point(point.y, point.x)

def fail():
    raise Broken("no shape")
"""
    said = script({"main.py": main, "shapes.py": shapes})
    assert (said.out, said.code) == ("True\nno shape True\n", 0), said.err


def test_a_command_runs_in_the_submitters_directory_with_its_path(script: Script) -> None:
    main = """
import os, pathlib
import omegacell as omega

here = pathlib.Path(__file__).parent
os.chdir(here)
os.environ["PATH"] = f"{here}/bin:{os.environ['PATH']}"
(here / "bin" / "my-tool").chmod(0o755)
with omega.connect() as cell:
    job = cell.submit(command=["my-tool"])
    print(job.result(timeout=60) == f"tool in {here}\\n")
"""
    said = script({"main.py": main, "bin/my-tool": "#!/bin/sh\necho tool in $(pwd)\n"})
    assert (said.out, said.code) == ("True\n", 0), said.err


def test_a_result_over_the_limit_is_one_sentence(script: Script) -> None:
    main = """
import omegacell as omega

with omega.connect() as cell:
    (error,) = cell.map(bytes, [17 * 2**20]).results(errors="return", timeout=60)
    print(error)
"""
    said = script({"main.py": main})
    assert said.code == 0, said.err
    assert said.out.count("\n") == 1
    assert "the limit is 16777216" in said.out
