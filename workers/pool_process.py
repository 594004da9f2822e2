"""One warm process of the pool: takes callables and their arguments from a socket, runs them, answers.

Run by path with `python -P`, so that neither this folder nor the working directory comes before the
installed packages, and without importing omegacell: it must start fast. Needs cloudpickle and nothing else.

Frames in both directions are a length of eight bytes and a marshalled list. From the agent: ("define",
job, pickled callable), ("forget", job), ("run", job, variables, tasks), each task (index, input or None,
stdout path, stderr path); to the agent one ANSWER tuple for each task, sent before the next one begins. The
results inside are pickles that the agent never opens. channel.py says what the other two descriptors are for.
"""

from __future__ import annotations

import contextlib
import faulthandler
import marshal
import os
import pickle
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, cast

import cloudpickle

Answer = tuple[int, str, bytes, str, str, str, float, float, float]
"""index, attempt state, result, error, stdout tail, stderr tail, started at, ended at, and that by CLOCK_MONOTONIC."""

LENGTH = struct.Struct("!Q")

MARSHAL_VERSION = 4
"""That of Python 3.11: the agent and this process may run different ones."""

READY = b"r"
FULL = b"f"
OVER = b"o"
"""How the bell is rung: the process is up; the socket must be read for it to go on; the slot is over."""


def frame(messages: list[Any]) -> bytes:
    """The bytes of one frame."""
    body = marshal.dumps(messages, MARSHAL_VERSION)
    return LENGTH.pack(len(body)) + body


def split_frames(buffer: bytearray) -> list[Any]:
    """The messages of all whole frames at the buffer's start, which are taken off it."""
    messages: list[Any] = []
    while len(buffer) >= LENGTH.size:
        end = LENGTH.size + LENGTH.unpack_from(buffer)[0]
        if len(buffer) < end:
            break
        messages.extend(marshal.loads(bytes(buffer[LENGTH.size : end])))
        del buffer[:end]
    return messages


class Output:
    """stdout and stderr of this process, one file each, handed over to the task that wrote them.

    Until a task writes, the files cost it two fstat calls. Output that C code keeps in buffers of its own
    arrives when that code flushes it.
    """

    def __init__(self, stdout: str, stderr: str, tail_bytes: int) -> None:
        self._paths = (stdout, stderr)
        self._tail_bytes = tail_bytes

    def take(self, stdout: str, stderr: str) -> tuple[str, str]:
        """Move what was written since the last call to these files; the tails."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        return self._take(1, stdout), self._take(2, stderr)

    def _take(self, descriptor: int, path: str) -> str:
        ours = self._paths[descriptor - 1]
        try:
            size = os.fstat(descriptor).st_size
        except OSError:
            size = -1  # the task closed it
        if size == 0:
            return ""
        tail = ""
        with contextlib.suppress(OSError):
            with open(ours, "rb", buffering=0) as file:
                file.seek(max(0, size - self._tail_bytes))
                tail = file.read(self._tail_bytes).decode("utf-8", "replace")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.rename(ours, path)
        # rename does nothing where the agent has linked the two already, so that the output can be followed.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(ours)
        opened = os.open(ours, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(opened, descriptor)
        os.close(opened)
        return tail


class Callables:
    """The callables of the jobs this process has been told of, and how one is run."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._home = os.getcwd()
        self._payloads: dict[int, bytes] = {}
        self._functions: dict[int, Callable[..., object]] = {}

    def define(self, job: int, payload: bytes) -> None:
        """Keep the callable of a job; it is unpickled when first run, so that its failure is a task's."""
        self._payloads[job] = payload

    def forget(self, job: int) -> None:
        """Drop it."""
        self._payloads.pop(job, None)
        self._functions.pop(job, None)

    def run(self, job: int, data: bytes | None) -> tuple[str, bytes, str]:
        """Attempt state, pickled result and error of one call, which begins in the job's directory."""
        with contextlib.suppress(OSError):
            os.chdir(self._home)
        try:
            function = self._functions.get(job)
            if function is None:
                function = self._functions[job] = pickle.loads(self._payloads[job])
            args, kwargs = pickle.loads(data) if data is not None else ((), {})
        except BaseException as error:
            return self._failed("start_failed", error)
        try:
            value = function(*args, **kwargs)
        except BaseException as error:
            return self._failed("failed", error)
        return self._succeeded(value)

    def _succeeded(self, value: object) -> tuple[str, bytes, str]:
        try:
            result = dumps(("ok", value))
        except BaseException as error:
            return self._refused(f"the result, a {type(value).__qualname__}, does not pickle: {error}")
        if len(result) > self._limit_bytes:
            return self._refused(
                f"the result is {len(result)} bytes, the limit is {self._limit_bytes} "
                "(OMEGA_RESULT_LIMIT_BYTES); return less, or write it to a file and return its path"
            )
        return "succeeded", result, ""

    def _refused(self, sentence: str) -> tuple[str, bytes, str]:
        return "failed", dumps(("error", RuntimeError(sentence), "")), sentence

    def _failed(self, state: str, error: BaseException) -> tuple[str, bytes, str]:
        # The first frame is run() above, which is of no interest to whoever wrote the callable.
        frames = error.__traceback__.tb_next if error.__traceback__ else None
        text = "".join(traceback.format_exception(type(error), error, frames))
        line = one_line(error)
        try:
            result = dumps(("error", error, text))
            # Many exceptions pickle and do not unpickle: those whose __init__ takes more than a message.
            pickle.loads(result)
        except BaseException:
            result = b""
        if not result or len(result) > self._limit_bytes:
            shown = text[-min(len(text), self._limit_bytes // 8) :]
            result = dumps(("error", RuntimeError(line), shown))
        return state, result, line


def dumps(value: object) -> bytes:
    """Plain pickle where it can, which is several times faster; else cloudpickle, by value."""
    try:
        return pickle.dumps(value, 5)
    except Exception:
        return cast(bytes, cloudpickle.dumps(value, 5))


def one_line(error: BaseException) -> str:
    """The exception's type and message, cut to one line of reasonable length."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = "(its message cannot be shown)"
    name = type(error).__qualname__
    return f"{name}: {text}"[:500] if text else name


def set_variables(variables: dict[str, str]) -> None:
    """Put into the environment what differs."""
    for name, value in variables.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


class Agent:
    """This process's end of the channel."""

    def __init__(self, answers: socket.socket, permits: int, bell: int) -> None:
        self._answers = answers
        self._permits = permits
        self._bell = bell

    def receive(self) -> bytes:
        """The next bytes of frames, empty once the agent is gone."""
        return self._answers.recv(2**18)

    def answer(self, answer: Answer) -> None:
        """Send it, at once if there is room."""
        data = frame([answer])
        try:
            sent = self._answers.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self.ring(FULL)
            self._answers.sendall(memoryview(data)[sent:])

    def permits(self) -> bool:
        """Whether one more task may begin."""
        try:
            return bool(os.read(self._permits, 1))
        except BlockingIOError:
            return False

    def ring(self, how: bytes) -> None:
        """Wake the agent."""
        os.write(self._bell, how)


def serve(agent: Agent, output: Output, callables: Callables) -> None:
    """Obey until the agent is gone."""
    buffer = bytearray()
    agent.ring(READY)
    while data := agent.receive():
        buffer += data
        for message in split_frames(buffer):
            if message[0] == "define":
                callables.define(message[1], message[2])
            elif message[0] == "forget":
                callables.forget(message[1])
            else:
                _, job, variables, tasks = message
                set_variables(variables)
                run_tasks(agent, output, callables, job, tasks)


def run_tasks(agent: Agent, output: Output, callables: Callables, job: int, tasks: list[Any]) -> None:
    """Run a slot's tasks one after another, as far as the agent lets it."""
    for position, (index, data, stdout, stderr) in enumerate(tasks):
        if position and not agent.permits():
            break
        os.environ["OMEGA_TASK_INDEX"] = str(index)
        started_at = time.time()
        state, result, error = callables.run(job, data)
        ended_at, ended = time.time(), time.monotonic()
        tails = output.take(stdout, stderr)
        agent.answer((index, state, result, error, *tails, started_at, ended_at, ended))
    agent.ring(OVER)


def main() -> None:
    """Arguments: three descriptors, limit of a result, length of a tail, files of stdout and stderr."""
    answers, permits, bell, limit_bytes, tail_bytes = (int(word) for word in sys.argv[1:6])
    output = Output(sys.argv[6], sys.argv[7], tail_bytes)
    sys.argv = [""]
    for descriptor in (answers, permits, bell):
        os.set_inheritable(descriptor, False)
    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]  # TextIOWrapper
    # The submitter's own folders come last: one that is named like an installed package does no harm.
    for entry in os.environ.get("OMEGA_SYS_PATH", "").split(os.pathsep):
        if entry and entry not in sys.path:
            sys.path.append(entry)
    with socket.socket(fileno=answers) as connection, contextlib.suppress(ConnectionError):
        serve(Agent(connection, permits, bell), output, Callables(limit_bytes))


if __name__ == "__main__":
    main()
