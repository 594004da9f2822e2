"""The data directory on disk: who may use it, who owns what, how a new one is made. Runs in the guard.

DATA_DIR/
├── omega.lock       locked (flock) by the guard for as long as it lives; tells others who holds it
├── password         of the database user omega; 0600, its owner is whoever started the cell
├── postgres/        PostgreSQL's own data directory; owned by the user the server runs as
├── server.log       and server.log.1: what the server and the guard had to say
└── binaries-18.4/   a copy of the programs, only where the server's user cannot reach the originals
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omegacell.embedded_postgres.request import Binaries

DATABASE: Final = "omega"
USER: Final = "omega"

# A random password of 128 bits gains nothing from PBKDF2's 4,096 rounds: 7.4 ms a connect, 3.3 with one.
_SCRAM_ROUNDS: Final = "scram_iterations=1"
_SCRAM_ROUNDS_SINCE: Final = 16

_HBA_MARK: Final = "# Written by omegacell"
_HBA_LOOPBACK: Final = f"""\
{_HBA_MARK}: TCP on loopback only, always with the password.
host all all 127.0.0.1/32 scram-sha-256
"""
_HBA_NETWORK: Final = f"""\
{_HBA_MARK}: whoever reaches the addresses that the server listens on, always with the password.
host all all all scram-sha-256
"""

# What a server needs of an installation; the rest (headers, static libraries) is not copied.
_COPIED_FOLDERS: Final = ("bin", "lib", "share")
_COPIED_PROGRAMS: Final = ("initdb", "postgres")


class Refusal(Exception):
    """The server cannot be started: `kind` is in_use, unusable or failed, the message is one sentence."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUser:
    """The system user that PostgreSQL runs as; `switch` is false where that is who runs already."""

    uid: int
    gid: int
    name: str
    switch: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A data directory ready to be served."""

    pgdata: Path
    bin_dir: Path
    password: str
    user: ServerUser


# Runs a program as the server's user with text as its input; raises Refusal("failed") if it fails.
RunTool = Callable[[ServerUser, Sequence[str], str], None]


def server_user(pgdata: Path) -> ServerUser:
    """Who PostgreSQL runs as: never root, which it refuses.

    For root that is the owner of an existing cluster, or nobody: a user every system has, so none is created.
    """
    if os.geteuid() != 0:
        return ServerUser(uid=os.geteuid(), gid=os.getegid(), name="the current user", switch=False)
    owner = pgdata.stat() if pgdata.exists() else None
    if owner is not None and owner.st_uid != 0:
        return ServerUser(uid=owner.st_uid, gid=owner.st_gid, name=f"user {owner.st_uid}", switch=True)
    nobody = pwd.getpwnam("nobody")
    return ServerUser(uid=nobody.pw_uid, gid=nobody.pw_gid, name="nobody", switch=True)


def make_data_dir(data_dir: Path) -> None:
    """Create `data_dir` if missing; as root, let the server's user pass it. Changes nothing on refusal."""
    user = server_user(data_dir / "postgres")
    if user.switch:
        barred = _barred(data_dir.parent, user)
        if barred is not None and barred.is_dir():
            raise Refusal(
                "unusable",
                f"data directory {data_dir} cannot be reached by {user.name}, whom root runs PostgreSQL as "
                f"({barred} has mode {stat.S_IMODE(barred.stat().st_mode):o}): "
                "choose one outside, for example OMEGA_DATA_DIR=/var/lib/omegacell",
            )
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if user.switch and _barred(data_dir, user) is not None:
        data_dir.chmod(stat.S_IMODE(data_dir.stat().st_mode) | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def prepare(data_dir: Path, *, binaries: Binaries, fsync: bool, network: bool, run: RunTool) -> Cluster:
    """Make everything in the locked `data_dir` that a server needs and that is not there yet.

    With `network` others than this host are let in; the server does not listen to them by that alone.

    A new cluster is built under another name and renamed when complete: a crash leaves no half of one.
    """
    pgdata = data_dir / "postgres"
    user = server_user(pgdata)
    if pgdata.exists():
        _check_version(pgdata, binaries)
    bin_dir = _reachable_programs(data_dir, binaries=binaries, user=user)

    password, is_new_password = _password(data_dir / "password")
    cluster = Cluster(pgdata=pgdata, bin_dir=bin_dir, password=password, user=user)
    rounds = ["-c", _SCRAM_ROUNDS] if binaries.major >= _SCRAM_ROUNDS_SINCE else []
    if not pgdata.exists():
        _create(cluster, rounds=rounds, fsync=fsync, run=run)
        _let_in(pgdata, network)
        return cluster
    if user.switch and pgdata.stat().st_uid != user.uid:  # put there by root, from a backup perhaps
        _give(pgdata, user)
    if is_new_password:
        _single_user(cluster, pgdata, [_set_password(password)], rounds=rounds, run=run)
    _let_in(pgdata, network)
    return cluster


def _let_in(pgdata: Path, network: bool) -> None:
    """Say who may connect, unless somebody has written rules of their own."""
    rules = _HBA_NETWORK if network else _HBA_LOOPBACK
    file = pgdata / "pg_hba.conf"
    written = file.read_text(encoding="utf-8")
    if written != rules and written.startswith(_HBA_MARK):
        file.write_text(rules, encoding="utf-8")


def _create(cluster: Cluster, *, rounds: list[str], fsync: bool, run: RunTool) -> None:
    building = cluster.pgdata.with_name("postgres.new")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(mode=0o700)
    _give(building, cluster.user)
    initdb = str(cluster.bin_dir / "initdb")
    options = ["--auth=trust", "--locale=C", "--encoding=UTF8", "--no-sync", "--no-instructions"]
    run(cluster.user, [initdb, "-D", str(building), "-U", USER, *options], "")
    # initdb's "trust" is never served: the rules below replace it before the first start.
    (building / "pg_hba.conf").write_text(_HBA_LOOPBACK, encoding="utf-8")
    statements = [_set_password(cluster.password), f"CREATE DATABASE {DATABASE}"]
    _single_user(cluster, building, statements, rounds=[*rounds, "-c", "fsync=off"], run=run)
    if fsync:
        run(cluster.user, [initdb, "--sync-only", "-D", str(building)], "")
    building.rename(cluster.pgdata)
    if fsync:
        _sync_folder(cluster.pgdata.parent)


def _single_user(
    cluster: Cluster, pgdata: Path, statements: Sequence[str], *, rounds: Sequence[str], run: RunTool
) -> None:
    """Run statements without a server: nobody can connect meanwhile, and no driver is needed."""
    command = [str(cluster.bin_dir / "postgres"), "--single", "-D", str(pgdata), *rounds]
    quiet = ["-c", "log_checkpoints=off", "-c", "exit_on_error=on"]
    run(cluster.user, [*command, *quiet, "template1"], "".join(f"{statement}\n" for statement in statements))


def _set_password(password: str) -> str:
    return f"ALTER ROLE {USER} PASSWORD '{password}'"


def _password(path: Path) -> tuple[str, bool]:
    """The password kept in `path`, made now if there is none; and whether it is new."""
    if path.exists() and (known := path.read_text(encoding="ascii").strip()):
        return known, False
    password = os.urandom(16).hex()
    draft = path.with_name("password.new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(f"{password}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    return password, True


def _check_version(pgdata: Path, binaries: Binaries) -> None:
    try:
        made_by = (pgdata / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise Refusal(
            "unusable",
            f"{pgdata} exists but is no PostgreSQL data directory (it has no PG_VERSION): "
            "move it away, or choose another data directory with OMEGA_DATA_DIR",
        ) from None
    if made_by != str(binaries.major):
        raise Refusal(
            "unusable",
            f"data directory {pgdata.parent} was made by PostgreSQL {made_by} and the programs in "
            f"{binaries.bin_dir} are {binaries.version_text}: set OMEGA_POSTGRES_BIN to programs of version "
            f"{made_by}, or choose another data directory with OMEGA_DATA_DIR",
        )


def _reachable_programs(data_dir: Path, *, binaries: Binaries, user: ServerUser) -> Path:
    """The folder of programs that `user` can run: the original one, or a copy in `data_dir`, made once."""
    parts = [binaries.root / part for part in binaries.parts]
    needed = [binaries.bin_dir / "postgres", binaries.bin_dir / "initdb", *parts]
    needed += [part / folder for part in parts for folder in _COPIED_FOLDERS]
    if not user.switch or all(_barred(path, user) is None for path in needed):
        return binaries.bin_dir
    copy = data_dir / f"binaries-{binaries.version_text}"
    if not copy.exists():
        draft = data_dir / "binaries.new"
        shutil.rmtree(draft, ignore_errors=True)
        for part in binaries.parts:
            _copy_public(binaries.root / part, draft / part)
        draft.rename(copy)
    return copy / binaries.bin_dir.relative_to(binaries.root)


def _copy_public(source: Path, target: Path) -> None:
    """Copy a tree so that everyone may read it, leaving out what a server does not need."""
    for folder, subfolders, files in os.walk(source):
        here = Path(folder)
        if here == source and "bin" in subfolders:
            subfolders[:] = [name for name in subfolders if name in _COPIED_FOLDERS]
        into = target / here.relative_to(source)
        into.mkdir(parents=True, exist_ok=True)
        for name in files:
            if name.endswith(".a") or (here == source / "bin" and name not in _COPIED_PROGRAMS):
                continue
            shutil.copyfile(here / name, into / name)
            is_program = (here / name).stat().st_mode & stat.S_IXUSR
            (into / name).chmod(0o755 if is_program else 0o644)


def _barred(path: Path, user: ServerUser) -> Path | None:
    """The first step on the way to `path`, or itself, that `user` may not pass or run; None if all is open.

    By mode bits only. What is missing bars nobody: it will be made.
    """
    for step in (*reversed(path.parents), path):
        try:
            status = step.stat()
        except FileNotFoundError:
            return None
        if status.st_uid == user.uid:
            needed = stat.S_IXUSR
        elif status.st_gid == user.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not status.st_mode & needed:
            return step
    return None


def _give(path: Path, user: ServerUser) -> None:
    """Make `user` the owner of `path` and of all that is in it; only root needs to and can."""
    if not user.switch:
        return
    os.lchown(path, user.uid, user.gid)
    for folder, subfolders, files in os.walk(path):
        for name in (*subfolders, *files):
            os.lchown(os.path.join(folder, name), user.uid, user.gid)


def _sync_folder(path: Path) -> None:
    """Make a rename inside `path` durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
