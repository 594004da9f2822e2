"""What the caller asks of the guard, as one line of JSON. Standard library only: both sides import it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """One installation of PostgreSQL: `bin_dir` holds initdb and postgres.

    `root` and `parts` say what to copy, with relative places kept, for a user who cannot read the original:
    a wheel's programs find their libraries in a folder beside the package.
    """

    bin_dir: Path
    version: tuple[int, ...]
    source: str
    root: Path
    parts: tuple[str, ...]
    has_lz4: bool

    @property
    def major(self) -> int:
        """Only servers of one major version read the same data directory."""
        return self.version[0]

    @property
    def version_text(self) -> str:
        """As PostgreSQL writes it: 18.4."""
        return ".".join(map(str, self.version))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Serve `data_dir` with `settings` until process `owner_pid` ends; then remove it if `temporary`.

    Besides loopback it listens on `address` where that is not "", on `port` where that is not 0.
    """

    data_dir: Path
    binaries: Binaries
    settings: dict[str, str]
    owner_pid: int
    temporary: bool
    address: str = ""
    port: int = 0

    def to_line(self) -> bytes:
        """One line, ended by a newline."""
        binaries = self.binaries
        message = {
            "data_dir": str(self.data_dir),
            "bin_dir": str(binaries.bin_dir),
            "version": binaries.version,
            "source": binaries.source,
            "root": str(binaries.root),
            "parts": binaries.parts,
            "has_lz4": binaries.has_lz4,
            "settings": self.settings,
            "owner_pid": self.owner_pid,
            "temporary": self.temporary,
            "address": self.address,
            "port": self.port,
        }
        return json.dumps(message).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Request:
        """The request that to_line wrote."""
        message = json.loads(line)
        return cls(
            data_dir=Path(message["data_dir"]),
            binaries=Binaries(
                bin_dir=Path(message["bin_dir"]),
                version=tuple(message["version"]),
                source=message["source"],
                root=Path(message["root"]),
                parts=tuple(message["parts"]),
                has_lz4=message["has_lz4"],
            ),
            settings=message["settings"],
            owner_pid=message["owner_pid"],
            temporary=message["temporary"],
            address=message["address"],
            port=message["port"],
        )
