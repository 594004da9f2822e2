"""What can keep the embedded server from starting.

    StoreUnavailable
    ├── BinariesNotFound         no PostgreSQL programs, or only too old ones
    ├── DataDirectoryInUse       another live server or cell holds the directory
    ├── DataDirectoryUnusable    not reachable, not writable, or made by another major version
    └── ServerFailed             initdb or the server ended with an error of its own

The message is the only argument, so all of them pickle.
"""

from __future__ import annotations

from omegacell.cellstate.errors import StoreUnavailable


class BinariesNotFound(StoreUnavailable):
    """No PostgreSQL programs were found, or only too old ones; the message names where was looked."""


class DataDirectoryInUse(StoreUnavailable):
    """Another live process holds the data directory; nothing was changed in it."""


class DataDirectoryUnusable(StoreUnavailable):
    """The data directory cannot be reached or written, or another major version made it."""


class ServerFailed(StoreUnavailable):
    """PostgreSQL did not come up; the message quotes its log."""
