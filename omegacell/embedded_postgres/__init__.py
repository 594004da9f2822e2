"""A private PostgreSQL server for the local cell, over the binaries of a wheel or of the system.

server.py is what callers use. Three processes stand behind it: the caller, a guard (guard.py) that only knows
the standard library, and the server, a child of the guard. The guard restarts a server that died and stops it
when the caller is gone, however the caller ended.
"""

from omegacell.embedded_postgres.binaries import find
from omegacell.embedded_postgres.errors import (
    BinariesNotFound,
    DataDirectoryInUse,
    DataDirectoryUnusable,
    ServerFailed,
)
from omegacell.embedded_postgres.request import Binaries
from omegacell.embedded_postgres.server import EmbeddedPostgres, default_data_dir
from omegacell.embedded_postgres.settings import DEFAULT_SETTINGS

__all__ = [
    "DEFAULT_SETTINGS",
    "Binaries",
    "BinariesNotFound",
    "DataDirectoryInUse",
    "DataDirectoryUnusable",
    "EmbeddedPostgres",
    "ServerFailed",
    "default_data_dir",
    "find",
]
