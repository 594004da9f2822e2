"""Runs spread over all cores, in processes of their own that live as long as there is work.

multiprocessing would import the caller's main module in each of them, which runs a script without a guard again
and knows nothing of a notebook's cells. These import omegacell alone, and what they are given is pickled by value.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait

from omegacell.bench.sim.result import Result
from omegacell.bench.sim.run import run
from omegacell.bench.sim.scenario import Scenario
from omegacell.cellstate.errors import OmegaError
from omegacell.schedulers.planning import PolicyChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One run to be done; `label` is how errors call it."""

    label: str
    scenario: Scenario
    seed: int
    policies: Mapping[str, PolicyChoice]

    def pickled(self) -> bytes:
        """With what the policies' classes are, where those cannot be imported."""
        import cloudpickle

        try:
            return bytes(cloudpickle.dumps(self))
        except Exception as error:  # a user's policy may hold anything
            raise OmegaError(
                f"{self.label}: the policy cannot be sent to another process: {type(error).__name__}: {error}; "
                "give its class, or processes=1"
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """What came of a run that has no result."""

    error: BaseException
    told: str


def cores() -> int:
    """The CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def results(work: Sequence[Work], *, processes: int) -> Iterator[tuple[int, Result]]:
    """Each run's position and result, as they come; the first that fails raises, naming it, and ends the others."""
    if processes <= 1 or len(work) <= 1:
        yield from ((at, _result(one, _perform(one.pickled()))) for at, one in enumerate(work))
        return
    members = [_Member() for _ in range(min(processes, len(work)))]
    try:
        yield from _spread(work, members)
    finally:
        for member in members:
            member.end()


def _spread(work: Sequence[Work], members: Sequence[_Member]) -> Iterator[tuple[int, Result]]:
    waiting = iter(enumerate(work))
    busy: dict[Connection, tuple[_Member, int]] = {}

    def give(member: _Member) -> None:
        for at, one in waiting:
            member.give(one.pickled())
            busy[member.connection] = (member, at)
            return

    for member in members:
        give(member)
    while busy:
        for ready in wait(list(busy)):
            assert isinstance(ready, Connection)
            member, at = busy.pop(ready)
            answer = member.answer(work[at])
            give(member)
            yield at, _result(work[at], answer)


class _Member:
    """One process, and the pipe to it."""

    def __init__(self) -> None:
        self.connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import serve; serve({theirs.fileno()})"],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self.connection.send(sys.path)

    def give(self, work: bytes) -> None:
        try:
            self.connection.send_bytes(work)
        except BrokenPipeError:
            return  # it has died, which `answer` will notice

    def answer(self, work: Work) -> Result | Failed:
        try:
            answer: Result | Failed = pickle.loads(self.connection.recv_bytes())
        except (EOFError, ConnectionResetError) as error:
            code = self._process.wait()
            raise OmegaError(
                f"{work.label}: its process ended with code {code}; use fewer processes or a smaller cell"
            ) from error
        return answer

    def end(self) -> None:
        self.connection.close()
        self._process.kill()
        self._process.wait()


def _result(work: Work, answer: Result | Failed) -> Result:
    if isinstance(answer, Result):
        return answer
    error = answer.error
    if isinstance(error, OmegaError):
        raise type(error)(f"{work.label}: {error}")
    error.add_note(f"{work.label}, in its process:\n{answer.told}")
    raise error  # a bug, with both tracebacks


def _perform(work: bytes) -> Result | Failed:
    try:
        one: Work = pickle.loads(work)
        return run(one.scenario, seed=one.seed, policies=one.policies)
    except Exception as error:  # whatever a policy raises is told where the sweep was started
        return Failed(error=error, told=traceback.format_exc())


def serve(descriptor: int) -> None:
    """The other side: do what comes over this socket until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the starter ends this one
    connection = Connection(descriptor)
    sys.path[:] = connection.recv()
    while True:
        try:
            work = connection.recv_bytes()
        except EOFError:
            return
        answer = _perform(work)
        try:
            told = pickle.dumps(answer)
        except Exception:  # an error of a class of the user's own
            assert isinstance(answer, Failed)
            told = pickle.dumps(Failed(error=OmegaError(answer.told.splitlines()[-1]), told=answer.told))
        connection.send_bytes(told)
