"""The embedded server as its users see it: start, DSN, stop."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from omegacell.embedded_postgres import binaries as programs
from omegacell.embedded_postgres.cluster import DATABASE, USER
from omegacell.embedded_postgres.errors import DataDirectoryInUse, DataDirectoryUnusable, ServerFailed
from omegacell.embedded_postgres.lock import running_server
from omegacell.embedded_postgres.ports import LOOPBACK
from omegacell.embedded_postgres.postmaster import FAST_SECONDS, QUIT_SECONDS, pid_and_status, runs_in
from omegacell.embedded_postgres.request import Binaries, Request
from omegacell.embedded_postgres.settings import merged

# Recovery after a crash replays at most max_wal_size.
_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = FAST_SECONDS + 2 * QUIT_SECONDS + 10.0

_ERRORS: Final = {"in_use": DataDirectoryInUse, "unusable": DataDirectoryUnusable, "failed": ServerFailed}


def default_data_dir() -> Path:
    """OMEGA_DATA_DIR; else /var/lib/omegacell for root, else the user's folder for application data."""
    chosen = os.environ.get("OMEGA_DATA_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/omegacell")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "omegacell"
    shared = os.environ.get("XDG_DATA_HOME", "")
    # The XDG specification: a path that is not absolute is to be ignored.
    return (Path(shared) if os.path.isabs(shared) else Path.home() / ".local" / "share") / "omegacell"


class EmbeddedPostgres:
    """A PostgreSQL server that lives as long as this process, at most; made by start() or temporary().

    It listens on 127.0.0.1 only, unless another address is named, and always asks for the password, which is random.
    When it dies it is restarted with the same DSN.
    """

    def __init__(self, guard: subprocess.Popen[bytes], control: socket.socket, request: Request) -> None:
        """Not for callers: start() makes it. Blocks until the guard has answered."""
        self._guard = guard
        self._control = control
        self._owner_pid = os.getpid()
        self.data_dir: Path = request.data_dir
        self.version: str = request.binaries.version_text
        answer = self._read_answer()
        self.port: int = int(answer["port"])
        host = request.address or LOOPBACK
        self.dsn: str = f"postgresql://{USER}:{answer['password']}@{host}:{self.port}/{DATABASE}"

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        settings: Mapping[str, str] | None = None,
        binaries: Binaries | None = None,
        listen: tuple[str, int] = ("", 0),
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Self:
        """Start a server on `data_dir`, made where it is missing; returns when it accepts connections.

        `settings` are PostgreSQL's own, over DEFAULT_SETTINGS. `listen` names an address of this host, beside
        loopback, and a port (0: any that is free, the same as last time if it can be): whoever reaches it there
        and has the password may do everything, unencrypted. `meanwhile` is called once while the server is on its
        way, and what it raises stops it. Raises BinariesNotFound, DataDirectoryInUse, DataDirectoryUnusable or
        ServerFailed.
        """
        return cls._start(
            data_dir,
            settings=settings,
            binaries=binaries,
            temporary=False,
            listen=listen,
            meanwhile=meanwhile,
        )

    @classmethod
    @contextlib.contextmanager
    def temporary(
        cls,
        *,
        settings: Mapping[str, str] | None = None,
        binaries: Binaries | None = None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Iterator[Self]:
        """A server on a data directory of its own, gone afterwards, also if this process is killed."""
        folder = Path(tempfile.mkdtemp(prefix="omegacell-"))
        try:
            with cls._start(
                folder, settings=settings, binaries=binaries, temporary=True, meanwhile=meanwhile
            ) as server:
                yield server
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # if the guard could not

    @classmethod
    def _start(
        cls,
        data_dir: Path,
        *,
        settings: Mapping[str, str] | None,
        binaries: Binaries | None,
        temporary: bool,
        meanwhile: Callable[[], None],
        listen: tuple[str, int] = ("", 0),
    ) -> Self:
        chosen = binaries if binaries is not None else programs.find()
        request = Request(
            data_dir=data_dir.expanduser().resolve(),
            binaries=chosen,
            settings=merged(settings or {}, has_lz4=chosen.has_lz4),
            owner_pid=os.getpid(),
            temporary=temporary,
            address=listen[0],
            port=listen[1],
        )
        # Python makes both ends close-on-exec; only the guard's own end is handed on, as its standard input.
        control, far_end = socket.socketpair()
        with far_end:
            guard = _spawn_guard(far_end, request.data_dir)
        try:
            control.sendall(request.to_line())
            meanwhile()
            server = cls(guard, control, request)
        except BaseException:  # KeyboardInterrupt too: the guard stops what it had begun
            _hang_up(guard, control)
            raise
        _running.add(server)
        return server

    def _read_answer(self) -> dict[str, str | int]:
        self._control.settimeout(_START_SECONDS)
        try:
            with self._control.makefile("rb") as answers:
                line = answers.readline()
        except TimeoutError:
            raise ServerFailed(
                f"PostgreSQL in {self.data_dir} was not ready within {_START_SECONDS:.0f} s: "
                f"look into {self.log_file}"
            ) from None
        if not line:
            raise ServerFailed(
                f"the guard of PostgreSQL in {self.data_dir} gave no answer: look into {self.log_file}"
            )
        answer: dict[str, str | int] = json.loads(line)
        if "error" in answer:
            raise _ERRORS[str(answer["error"])](answer["message"])
        return answer

    @property
    def log_file(self) -> Path:
        """What the server and its guard had to say; kept under about 16 MiB, its predecessor beside it."""
        return self.data_dir / "server.log"

    @property
    def guard_pid(self) -> int:
        """Process id of the guard."""
        return self._guard.pid

    @property
    def postmaster_pid(self) -> int:
        """Process id of the server's main process now; 0 while there is none. It changes with a restart."""
        return pid_and_status(self.data_dir / "postgres")[0]

    def alive(self) -> bool:
        """Whether the server accepts connections now. False for a moment while it is restarted."""
        if os.getpid() == self._owner_pid and self._guard.poll() is not None:
            return False
        if pid_and_status(self.data_dir / "postgres")[1] != "ready":
            return False
        try:
            socket.create_connection((LOOPBACK, self.port), timeout=1.0).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """Stop the server and wait until all its processes are gone; again, or in a fork, it does nothing."""
        if os.getpid() == self._owner_pid:
            _running.discard(self)
            _hang_up(self._guard, self._control)
            self._await_stray()

    def _await_stray(self) -> None:
        """After a guard that was killed: wait for the server, which the kernel has told to stop (Linux)."""
        until = time.monotonic() + FAST_SECONDS
        stray = running_server(self.data_dir, self._guard.pid)
        while runs_in(self.data_dir / "postgres", stray) and time.monotonic() < until:
            time.sleep(0.01)

    def __enter__(self) -> Self:
        """Itself; leaving stops it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.stop()


# Servers of this process: kept here so that a lost reference does not stop one, and stopped at exit.
_running: set[EmbeddedPostgres] = set()


def _spawn_guard(standard_input: socket.socket, data_dir: Path) -> subprocess.Popen[bytes]:
    """Start the guard, in a session of its own: Ctrl-C in the terminal reaches neither it nor the server."""
    boot = Path(__file__).with_name("boot.py")
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(boot), str(data_dir)],
        stdin=standard_input.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


def _hang_up(guard: subprocess.Popen[bytes], control: socket.socket) -> None:
    """Tell the guard to stop everything, and wait for it.

    A shutdown, unlike a close, is also seen while a fork of this process holds a copy of the socket.
    """
    with contextlib.suppress(OSError):
        control.shutdown(socket.SHUT_RDWR)
    control.close()
    try:
        guard.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        guard.kill()  # the kernel tells the server, too (Linux)
        guard.wait()


def _stop_all() -> None:
    for server in list(_running):
        server.stop()


def _forget_in_fork() -> None:
    """A forked child owns no server: it must not hold the socket open, nor stop the server at its exit."""
    for server in _running:
        server._control.close()
    _running.clear()


atexit.register(_stop_all)
os.register_at_fork(after_in_child=_forget_in_fork)
