"""What tasks wrote: read by position whatever was cut off, kept within bounds, and answered to people elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cloudpickle
import pytest

from omegacell.cellstate.model import LOG_PIECE_BYTES, LogPiece, LogRequest
from omegacell.workers import log_upkeep
from omegacell.workers.log_files import cut_stream, forget_stream, read_stream
from omegacell.workers.log_relay import answer
from omegacell.workers.log_upkeep import LogUpkeep
from omegacell.workers.logs import LogPaths, log_paths, open_log
from tests.unit.workers.cell import SmallCell
from tests.unit.workers.tasks import Bench, call, shell, text_of, until

# As the client does with the user's own modules: what is defined here travels by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

DAY_SECONDS = 86400.0


@pytest.fixture
def upkeep(tmp_path: Path) -> Iterator[LogUpkeep]:
    """Of this test's directory: streams of 100 bytes, files of a day."""
    made = LogUpkeep(tmp_path, limit_bytes=100, retention_seconds=DAY_SECONDS)
    yield made
    made.close()


def write(path: Path | str, text: str) -> None:
    """Append, as tasks do."""
    with open(path, "a") as file:
        file.write(text)


class TestStream:
    """One stream of output."""

    def test_bytes_are_read_by_position_and_from_the_end(self, tmp_path: Path) -> None:
        path = tmp_path / "out"
        path.write_text("0123456789")
        assert read_stream(str(path), 3, 4) == (b"3456", 3)
        assert read_stream(str(path), -4, 100) == (b"6789", 6)
        assert read_stream(str(path), -4, 2) == (b"67", 6)
        assert read_stream(str(path), -400, 100) == (b"0123456789", 0)
        assert read_stream(str(path), 10, 5) == (b"", 10)
        assert read_stream(str(path), 99, 5) == (b"", 10)
        assert read_stream(str(tmp_path / "none"), 0, 5) is None

    def test_positions_keep_counting_when_it_is_cut(self, tmp_path: Path) -> None:
        path = tmp_path / "out"
        write(path, "0123456789")
        cut_stream(str(path))
        assert path.read_text() == ""
        write(path, "abc")
        assert read_stream(str(path), 8, 100) == (b"89abc", 8)
        assert read_stream(str(path), 11, 100) == (b"bc", 11)
        assert read_stream(str(path), -5, 3) == (b"89a", 8)
        cut_stream(str(path))
        write(path, "def")
        assert read_stream(str(path), 0, 100) == (b"abcdef", 10)
        assert read_stream(str(path), -2, 100) == (b"ef", 14)

    def test_what_was_cut_is_there_also_when_nothing_came_after(self, tmp_path: Path) -> None:
        path = tmp_path / "out"
        write(path, "0123456789")
        cut_stream(str(path))
        path.unlink()
        assert read_stream(str(path), -3, 100) == (b"789", 7)

    def test_a_new_log_begins_with_nothing_of_an_older_one(self, tmp_path: Path) -> None:
        path = tmp_path / "out"
        write(path, "old")
        cut_stream(str(path))
        os.close(open_log(str(path)))
        assert read_stream(str(path), 0, 100) == (b"", 0)
        forget_stream(str(path))
        assert list(tmp_path.iterdir()) == []

    def test_a_reader_never_takes_bytes_for_those_of_another_position(self, tmp_path: Path) -> None:
        path, over, wrong = str(tmp_path / "out"), threading.Event(), []
        write(path, "00000000\n")

        def read() -> None:
            while not over.is_set():
                data, at = read_stream(path, 0, 9_000_000) or (b"", 0)
                numbers = [int(line) for line in data.split()]
                if numbers != list(range(at // 9, at // 9 + len(numbers))):
                    wrong.append((at, numbers[:3]))

        thread = threading.Thread(target=read)
        thread.start()
        for number in range(1, 600):
            write(path, f"{number:08}\n")
            if number % 20 == 0:
                cut_stream(path)
        over.set()
        thread.join()
        assert wrong == []


class TestUpkeep:
    """Length and age."""

    def test_a_stream_that_has_grown_too_long_is_cut_and_its_tail_is_whole(
        self, upkeep: LogUpkeep, tmp_path: Path
    ) -> None:
        logs = LogPaths(stdout=str(tmp_path / "out"), stderr=str(tmp_path / "err"))
        upkeep.began(logs)
        write(logs.stdout, "x" * 100)
        write(logs.stderr, "e" * 98 + "end")
        upkeep.cut_long_streams()
        assert [os.stat(path).st_size for path in (logs.stdout, logs.stderr)] == [100, 0]
        assert upkeep.was_cut(logs)
        assert upkeep.tail(logs.stderr, 5) == "eeend"
        upkeep.ended(logs)
        assert not upkeep.was_cut(logs)

    def test_only_what_is_being_written_is_looked_at(self, upkeep: LogUpkeep, tmp_path: Path) -> None:
        logs = LogPaths(stdout=str(tmp_path / "out"), stderr=str(tmp_path / "err"))
        upkeep.began(logs)
        upkeep.ended(logs)
        write(logs.stdout, "x" * 500)
        upkeep.cut_long_streams()
        assert text_of(Path(logs.stdout)) == "x" * 500

    def test_files_of_old_tasks_are_removed_and_nothing_else(self, upkeep: LogUpkeep, tmp_path: Path) -> None:
        now = time.time()
        old, new, silent = (log_paths(tmp_path, job, 0, 1) for job in (1, 2, 3))
        for logs in (old, new, silent):
            os.close(open_log(logs.stdout))
        (tmp_path / "guard-w.lock").touch()
        (tmp_path / "notes").mkdir()
        (tmp_path / "notes" / "mine").touch()
        upkeep.began(silent)
        for path in [old.stdout, silent.stdout, *map(str, tmp_path.rglob("*"))]:
            if path != new.stdout:
                os.utime(path, (now - 2 * DAY_SECONDS, now - 2 * DAY_SECONDS))
        upkeep.remove_old(now)
        upkeep.remove_old(now + 2 * 3600)
        left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
        assert left == ["guard-w.lock", "j2/0/0.1.stdout", "j3/0/0.1.stdout", "notes/mine"]
        assert not (tmp_path / "j1").exists()


def test_a_task_that_writes_too_much_is_cut_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_upkeep, "_LOOK_SECONDS", 0.05)
    gate = tmp_path / "gate"
    bench = Bench(tmp_path / "logs", log_file_bytes=1000, log_tail_bytes=20)
    try:
        script = "head -c 5000 /dev/zero | tr '\\0' x"
        made = [
            shell(f"{script}; while [ ! -e {gate} ]; do sleep 0.02; done; echo e"),
            call(write_and_wait, str(gate)),
        ]
        paths = [log_paths(bench.settings.log_directory, one.key.job_id, 0, 1).stdout for one in made]
        bench.runner.start(made)
        until(lambda: [text_of(Path(path + ".at")) for path in paths] == ["5000"] * 2, "both are cut")
        gate.touch()
        assert [bench.next_end().stdout_tail for _ in paths] == ["x" * 18 + "e\n"] * 2
        assert [read_stream(path, 4999, 100) for path in paths] == [(b"xe\n", 4999)] * 2
    finally:
        bench.runner.close()


def write_and_wait(gate: str) -> None:
    print("x" * 5000, end="", flush=True)
    while not os.path.exists(gate):
        time.sleep(0.02)
    print("e")


class TestRelay:
    """Requests and answers."""

    def test_an_answer_has_a_piece_of_each_stream(self, tmp_path: Path) -> None:
        logs = log_paths(tmp_path, 7, 3, 2)
        os.close(open_log(logs.stdout))
        write(logs.stdout, "a" * LOG_PIECE_BYTES + "b")
        asked = LogRequest(request_id=1, job_id=7, task_index=3, attempt=2, stdout_from=0, stderr_from=-10)
        piece = answer(str(tmp_path), asked)
        assert (len(piece.stdout), piece.stdout_at, piece.stderr, piece.found) == (
            LOG_PIECE_BYTES,
            0,
            b"",
            True,
        )
        last = LogRequest(
            request_id=2, job_id=7, task_index=3, attempt=2, stdout_from=LOG_PIECE_BYTES, stderr_from=0
        )
        assert answer(str(tmp_path), last) == LogPiece(stdout=b"b", stdout_at=LOG_PIECE_BYTES)

    def test_of_a_task_that_left_no_files_nothing_is_found(self, tmp_path: Path) -> None:
        asked = LogRequest(request_id=1, job_id=7, task_index=3, attempt=2, stdout_from=-5, stderr_from=0)
        assert answer(str(tmp_path), asked) == LogPiece(found=False)

    def test_the_agent_answers_while_a_task_runs_and_after_it_has_ended(
        self, cell: SmallCell, tmp_path: Path
    ) -> None:
        agent = cell.start_agent()
        gate = tmp_path / "gate"
        job_id = cell.submit("sh", "-c", f"echo one; while [ ! -e {gate} ]; do sleep 0.02; done; echo two")
        cell.place(job_id)

        def read(start: int) -> LogPiece:
            asked = LogRequest(
                request_id=0, job_id=job_id, task_index=0, attempt=1, stdout_from=start, stderr_from=0
            )
            answers: list[LogPiece] = []
            request_id = cell.store.ask_log(agent.worker_id, asked)
            cell.hint.announce()

            def answered() -> bool:
                if (piece := cell.store.log_answer(request_id)) is not None:
                    answers.append(piece)
                return bool(answers)

            until(answered, "an answer")
            return answers[0]

        until(lambda: read(0).stdout == b"one\n", "what it wrote so far")
        gate.touch()
        cell.end_of(job_id)
        assert (read(4).stdout, read(-2).stdout_at) == (b"two\n", 6)
