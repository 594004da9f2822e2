"""A trace that cannot be read is refused in one sentence: file, line, column, what was found, what was expected."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from pydantic import ValidationError

from omegacell.cellstate.errors import SpecInvalid
from tests.simulation.workloads import DATA, Words, jobs

SWF: Words = {"source": "swf", "path": "trace"}
OPENB: Words = {"source": "openb", "pods": "trace"}
INITIAL: Words = {"source": "reference_trace", "initial": "trace"}
DRAWN: Words = {"source": "reference_trace", "interarrival": "trace", "tasks": "trace", "runtimes": "trace"}
RELATIVE: Words = {"machine_cpu": 16, "machine_memory": "64GiB"}
GOOGLE_2011: Words = {"source": "google2011", "task_events": "trace", **RELATIVE}
GOOGLE_2019: Words = {"source": "google2019", "instance_events": "trace", **RELATIVE}
HISTORY: Words = {"source": "history", "path": "trace"}

SWF_LINE = "1 0 5 100 4 90 1024 4 120 2048 1 1 1 1 1 1 -1 -1\n"
OPENB_HEAD = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,creation_time,deletion_time,scheduled_time\n"
)
TASK = "0,,300,0,5,0,user,3,9,0.25,0.125,0.001,0\n"
HEADER = '{"record": "header", "version": 1, "recorded_at": 0}\n'

CASES = [
    (SWF, "; comment\n1 2 3\n", "trace, line 2: 3 columns found, expected the 18 of the format"),
    (
        SWF,
        SWF_LINE.replace("100", "long"),
        "line 1, column run_time: 'long' found, expected a number, -1 or more",
    ),
    (
        SWF,
        SWF_LINE.replace("1 0 5", "1 -3 5"),
        "column submit_time: '-3' found, expected a number, 0 or more",
    ),
    (
        SWF,
        SWF_LINE.replace(" 4 120", " 4.5 120"),
        "column requested_processors: '4.5' found, expected a whole number",
    ),
    (SWF, SWF_LINE.replace("100", "nan"), "column run_time: 'nan' found"),
    (OPENB, "", "trace, line 1: no column cpu_milli, found ''; expected a CSV file with a header"),
    (OPENB, OPENB_HEAD + "p,1,2\n", "trace, line 2: 3 columns found, expected 10"),
    (
        OPENB,
        OPENB_HEAD + "p,one,1,0,0,,LS,0,9,0\n",
        "line 2, column cpu_milli: 'one' found, expected a whole number",
    ),
    (OPENB, OPENB_HEAD + "p,1,1,1,1500,,LS,0,9,0\n", "column gpu_milli: '1500' found, expected 1 to 1000"),
    (OPENB, OPENB_HEAD + "p,1,1,99,0,,LS,0,9,0\n", "column num_gpu: '99' found, expected at most 62"),
    (OPENB, OPENB_HEAD + "p,1,1,0,0,,LS,5,4,\n", "column deletion_time: '4' found, expected 5 or more"),
    (INITIAL, "13 0 7 1 2 1 1 1\n", "line 1, column event: '13' found, expected 11 or 12"),
    (INITIAL, "11 0 7 1 2 1 1\n", "line 1: 7 columns found, expected 8"),
    (INITIAL, "11 0 7 1 2 0 1 1\n", "column tasks: '0' found, expected a whole number, 1 or more"),
    (INITIAL, "12 5 7 1 2 x\n", "column job: '7' found, expected one that an earlier line of event 11 has"),
    (DRAWN, "c p 0\n", "line 1: 3 columns found, expected 4"),
    (DRAWN, "c p 0 soon\n", "column value: 'soon' found, expected a number"),
    (DRAWN, "", "trace has no values of any jobs"),
    (
        GOOGLE_2011,
        TASK + TASK.replace(",0,user", ",9,user"),
        "line 2, column event: '9' found, expected 0 to 8",
    ),
    (
        GOOGLE_2011,
        TASK.replace("0.25", "much"),
        "column cpu_request: 'much' found, expected a number, 0 or more",
    ),
    (GOOGLE_2011, "0,1\n", "line 1: 2 columns found, expected 13"),
    (GOOGLE_2019, "time,type\n", "line 1: no column collection_id"),
    (
        GOOGLE_2019,
        "time,type,collection_id,instance_index\n1,99,3,0\n",
        "column type: '99' found, expected 0 to 10",
    ),
    (GOOGLE_2019, "time,type,collection_id,instance_index\n1,0,,0\n", "column collection_id: '' found"),
    (HISTORY, "", "trace is empty; expected a file that omega record wrote"),
    (HISTORY, "nonsense\n", "trace, line 1: Expecting value"),
    (HISTORY, "[1]\n", "line 1: '[1]' found, expected a JSON object"),
    (HISTORY, '{"record": "machine", "name": "m"}\n', "line 1: no header"),
    (HISTORY, HEADER.replace("1,", "2,"), "line 1, column version: 2 found"),
    (HISTORY, HEADER + '{"record": "job", "submitted_at": 1, "tasks": 0}\n', "line 2, column tasks: 0 found"),
    (HISTORY, HEADER + '{"record": "thing"}\n', "line 2, column record: 'thing' found"),
]


@pytest.mark.parametrize(("words", "content", "said"), CASES)
def test_what_is_wrong_is_named_with_its_place(words: Words, content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "trace").write_text(content)
    with pytest.raises(SpecInvalid) as raised:
        jobs(folder=tmp_path, **words)
    text = str(raised.value)
    assert said in text
    assert text.startswith((str(tmp_path / "trace"), "trace"))
    assert "\n" not in text


def test_lines_of_json_are_named_as_those_of_csv(tmp_path: Path) -> None:
    (tmp_path / "events.json").write_text('{"time": 1, "type": "SUBMIT", "collection_id": 1}\n')
    with pytest.raises(
        SpecInvalid, match=r"line 1, column instance_index: '' found, expected a whole number"
    ):
        jobs(folder=tmp_path, **GOOGLE_2019 | {"instance_events": "events.json"})


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("trace", None, "cannot be read: No such file"),
        ("trace.gz", b"no gzip", "cannot be read: Not a gzipped file"),
        ("trace.gz", gzip.compress(SWF_LINE.encode() * 1000)[:-20], "cannot be read: Compressed file ended"),
        ("trace", b"\xff\xfe\x00", "is no text in UTF-8"),
    ],
)
def test_a_file_that_is_not_one_is_named(name: str, content: bytes | None, said: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SpecInvalid, match=said):
        jobs(folder=tmp_path, **SWF | {"path": name})


def test_a_pattern_that_fits_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        SpecInvalid, match=r"trace .*part-\*\.csv is not there; name a file, a folder, or a pattern"
    ):
        jobs(folder=tmp_path, **GOOGLE_2011 | {"task_events": "part-*.csv"})


def test_a_folder_stands_for_the_files_in_it(tmp_path: Path) -> None:
    lines = (DATA / "google2011_task_events.csv").read_text().splitlines(keepends=True)
    (tmp_path / "part-0.csv").write_text("".join(lines[:5]))
    (tmp_path / "part-1.csv").write_text("".join(lines[5:]))
    whole = jobs(**GOOGLE_2011 | {"task_events": "google2011_task_events.csv"})
    parts = jobs(**GOOGLE_2011 | {"task_events": str(tmp_path)})
    assert parts.duration_seconds.tolist() == whole.duration_seconds.tolist()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"source": "tape"}, "tape"),
        ({**SWF, "start_seconds": 10, "end_seconds": 10}, "end_seconds=10 is not after start_seconds=10"),
        ({**INITIAL, "tasks": "trace"}, "expected initial, or interarrival, tasks and runtimes"),
        ({**SWF, "size": 1}, "size"),
        ({"source": "google2011", "task_events": "trace"}, "machine_cpu"),
    ],
)
def test_words_that_do_not_go_together_are_refused(words: Words, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        jobs(**words)
