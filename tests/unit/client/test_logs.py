"""What tasks wrote: from files on this host, from a worker on another, from the tails of outcomes."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import omegacell as omega
from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.model import (
    LOG_PIECE_BYTES,
    AttemptState,
    Lease,
    LogPiece,
    LogRequest,
    Placement,
    WorkerSpec,
)
from omegacell.client import log_source
from omegacell.client.cell import Cell
from omegacell.client.following import Follower
from omegacell.client.handles import JobHandle
from omegacell.client.waiting import Pauses
from omegacell.workers.logs import log_paths
from tests.contract.scene import Scene, WorkerHand
from tests.unit.client.playing import play


class Host:
    """A worker that writes logs, and answers for them where it is asked."""

    def __init__(self, scene: Scene, cell: Cell, *, host: str, directory: Path | None = None) -> None:
        spec = WorkerSpec(name="w", host=host, boot_id="b1", pid=100, log_directory=str(directory or ""))
        lease: Lease = scene.store.register_worker(spec, lease_seconds=10.0)
        self.scene, self.hand = scene, WorkerHand(scene, lease)
        self._machine, self._scheduler = self.hand.machine(), scene.scheduler()
        self._cell = cell
        self.wrote = {"stdout": b"", "stderr": b""}
        self.asked: list[LogRequest] = []
        self.cut = 0

    def place(self, handle: JobHandle) -> Placement:
        (placement,) = self._scheduler.place(handle.job_id, self._machine)
        return placement

    def answer(self, topic: str) -> None:
        """Answer whoever asks, as the worker does that hears the hint."""
        if topic != "logs":
            return
        key = self.hand.lease.holder_id, self.hand.lease.token
        for request in self.scene.store.log_requests(*key):
            self.asked.append(request)
            out, out_at = _part(self.wrote["stdout"], request.stdout_from, self.cut)
            err, err_at = _part(self.wrote["stderr"], request.stderr_from)
            piece = LogPiece(stdout=out, stderr=err, stdout_at=out_at, stderr_at=err_at)
            self.scene.store.answer_log(*key, request.request_id, piece)

    def end(self, handle: JobHandle, state: AttemptState = AttemptState.SUCCEEDED) -> None:
        self.hand.end_job(
            handle.job_id, state, error="" if state is AttemptState.SUCCEEDED else "exit code 1"
        )

    def place_and_end(self, handle: JobHandle) -> None:
        self.place(handle)
        self.end(handle)


def _part(data: bytes, start: int, cut: int = 0) -> tuple[bytes, int]:
    at = max(cut, len(data) + start) if start < 0 else max(cut, min(start, len(data)))
    return data[at : at + LOG_PIECE_BYTES], at


@pytest.fixture
def hear() -> list[Callable[[str], None]]:
    """Who hears the cell's hints."""
    return []


@pytest.fixture
def cell(scene: Scene, hear: list[Callable[[str], None]]) -> Cell:
    """A cell whose hints are heard by whom the test puts into `hear`."""

    def announce(topic: str) -> None:
        for one in hear:
            one(topic)

    return Cell(scene.store, pauses=Pauses(0.01), announce=announce)


@pytest.fixture
def far(scene: Scene, cell: Cell, hear: list[Callable[[str], None]]) -> Host:
    """A worker on another host."""
    host = Host(scene, cell, host="elsewhere")
    hear.append(host.answer)
    return host


def test_a_running_task_on_another_host_is_read_through_its_worker(cell: Cell, far: Host) -> None:
    handle = cell.submit(command=["x"])
    far.place(handle)
    far.wrote = {"stdout": b"out\n", "stderr": b"err\n"}
    found = cell.job(handle.id).logs()
    assert (found.stdout, found.stderr, found.running, found.missing) == ("out\n", "err\n", True, ())
    assert str(found) == "out\nerr\n"
    assert [(one.job_id, one.task_index, one.attempt) for one in far.asked] == [(handle.job_id, 0, 1)]


def test_of_a_long_log_the_end_is_shown_and_that_it_is_the_end(cell: Cell, far: Host) -> None:
    handle = cell.submit(command=["x"])
    far.place(handle)
    far.wrote["stdout"] = b"a" * LOG_PIECE_BYTES + b"end"
    found = handle.logs()
    assert (len(found.stdout), found.stdout[-4:]) == (LOG_PIECE_BYTES, "aend")
    told = f"of standard output only the last {LOG_PIECE_BYTES} bytes are shown; follow the task to read more"
    assert found.missing == (told,)
    far.end(handle)
    assert handle.logs().missing == (told,)


def test_a_task_is_followed_from_another_host_to_its_end(cell: Cell, far: Host) -> None:
    handle = cell.submit(command=["x"], retries=1, backoff=0)
    said: list[str] = []
    pieces = handle.logs(follow=True, say=said.append)
    far.place(handle)
    far.wrote["stdout"] = b"one " * LOG_PIECE_BYTES
    read = [next(pieces) for _ in range(4)]
    assert b"".join(part for _, part in read) == far.wrote["stdout"]
    far.wrote["stderr"] = b"bad\n"
    assert next(pieces) == ("stderr", b"bad\n")
    far.wrote["stdout"] += b"last"
    far.end(handle, AttemptState.FAILED)
    assert next(pieces) == ("stdout", b"last")
    far.wrote = {"stdout": b"again", "stderr": b""}
    again = threading.Timer(0.03, far.place_and_end, (handle,))
    again.start()
    assert list(pieces) == [("stdout", b"again")]
    again.join()
    assert said == ["attempt 1 failed: exit code 1; runs again"]


def test_a_log_that_was_cut_at_its_front_says_so(cell: Cell, far: Host) -> None:
    handle = cell.submit(command=["x"])
    far.place(handle)
    far.wrote["stdout"], far.cut = b"0123456789", 4
    said: list[str] = []
    pieces = handle.logs(follow=True, say=said.append)
    assert next(pieces) == ("stdout", b"456789")
    assert said == [
        "4 bytes of standard output are gone: it is longer than the worker keeps (OMEGA_LOG_FILE_BYTES)"
    ]
    far.end(handle)
    assert list(pieces) == []


def test_whoever_follows_late_begins_with_the_last_attempt(cell: Cell, far: Host) -> None:
    handle = cell.submit(command=["x"], retries=1, backoff=0)
    for state in (AttemptState.FAILED, AttemptState.SUCCEEDED):
        far.place(handle)
        far.end(handle, state)
    far.wrote["stdout"] = b"x"
    assert list(handle.logs(0, follow=True)) == [("stdout", b"x")]
    assert {one.attempt for one in far.asked} == {2}


def test_following_a_job_that_never_ran_ends_with_it(cell: Cell) -> None:
    handle = cell.submit(command=["x"])
    pieces = handle.logs(follow=True)
    handle.cancel()
    assert list(pieces) == []


def test_a_worker_that_does_not_answer_is_named(
    cell: Cell, far: Host, hear: list[Callable[[str], None]]
) -> None:
    hear.clear()
    handle = cell.submit(command=["x"])
    far.place(handle)
    with pytest.raises(omega.NotFound, match="worker 'w' on host elsewhere did not answer within"):
        handle.logs()
    said: list[str] = []
    ending = threading.Timer(0.05, far.hand.end_job, (handle.job_id,), {"stdout_tail": "the tail"})
    ending.start()
    assert list(handle.logs(follow=True, say=said.append)) == [("stdout", b"the tail")]
    ending.join()
    assert len(said) == 1


def test_a_task_whose_worker_is_gone_cannot_be_read_until_it_is_given_to_another(
    cell: Cell, far: Host, clock: ManualClock
) -> None:
    handle = cell.submit(command=["x"])
    far.place(handle)
    clock.advance(11)
    with pytest.raises(omega.NotFound, match="runs on a machine whose worker does not answer any more"):
        handle.logs()


def test_files_on_this_host_are_read_without_asking(
    cell: Cell, scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(scene, cell, host=socket.gethostname(), directory=tmp_path)
    handle = cell.submit(command=["x"])
    placement = host.place(handle)
    assert handle.logs().stdout == ""
    paths = log_paths(tmp_path, handle.job_id, 0, placement.attempt)
    Path(paths.stdout).parent.mkdir(parents=True)
    Path(paths.stdout).write_bytes(b"hello")
    pieces = handle.logs(follow=True)
    assert next(pieces) == ("stdout", b"hello")
    with open(paths.stderr, "ab") as file:
        file.write(b"oh")
    assert next(pieces) == ("stderr", b"oh")
    monkeypatch.setattr("omegacell.client.logs._TAIL_BYTES", 3)
    assert handle.logs().missing == (
        f"of standard output only the last 3 bytes are shown; more is in {paths.stdout}",
    )
    host.end(handle)
    assert list(pieces) == []
    assert (handle.logs().stdout, handle.logs().stderr) == ("llo", "oh")


def test_logs_are_those_of_the_last_attempt(cell: Cell, scene: Scene) -> None:
    handle = cell.submit(command=["x"])
    with pytest.raises(omega.NotFound, match="has not run yet"):
        handle.logs()
    play(scene, handle.job_id, stdout_tail="out", stderr_tail="err")
    assert (handle.logs().stdout, handle.logs().stderr, handle.logs().running) == ("out", "err", False)
    for follow in (False, True):
        with pytest.raises(
            omega.NotFound, match=rf"task {handle.id}\.1 does not exist; job {handle.id} has 1 tasks"
        ):
            handle.logs(1, follow=follow)


def test_logs_that_are_as_long_as_what_is_kept_say_so(
    cell: Cell, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMEGA_LOG_TAIL_BYTES", "4")
    handle = cell.submit(command=["x"])
    play(scene, handle.job_id, stdout_tail="tail", stderr_tail="err")
    (missing,) = handle.logs().missing
    assert missing.startswith("of standard output only the last 4 bytes were kept (OMEGA_LOG_TAIL_BYTES")


def test_a_follower_shows_every_attempt_in_order(cell: Cell, scene: Scene) -> None:
    handle = cell.submit(command=["x"], retries=1, backoff=0)
    out, err, said = io.BytesIO(), io.BytesIO(), list[str]()
    follower = Follower(handle.store, handle.job_id, out, err, said.append)
    worker, scheduler = scene.worker(), scene.scheduler()
    machine = worker.machine()
    for attempt in (1, 2):
        scheduler.place(handle.job_id, machine)
        follower.follow(handle.status)
        worker.end_job(handle.job_id, AttemptState.FAILED, stdout_tail=f"{attempt}\n", error="exit code 1")
    follower.finish()
    follower.finish()
    assert (out.getvalue(), err.getvalue()) == (b"1\n2\n", b"")
    silent = f"did not answer within {log_source.ANSWER_SECONDS:g} s"
    assert [one for one in said if silent not in one] == ["attempt 1 failed: exit code 1; runs again"]
