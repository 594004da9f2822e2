"""Server settings of the local cell, in PostgreSQL's own names and units. All of them exist since 15."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

DEFAULT_SETTINGS: Final[Mapping[str, str]] = {
    # Memory: the hot tables of 12,500 machines with their indexes are some tens of MB.
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_connections": "200",
    # What an acknowledged commit promises.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Few, spread checkpoints: each one makes the next change of every page write that page whole.
    "wal_buffers": "16MB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    # Short statements on a local disk.
    "jit": "off",
    "random_page_cost": "1.1",
    # Hot rows are updated all the time; the default of a minute leaves bloat behind.
    "autovacuum_naptime": "10s",
    # A client that vanished frees its locks within about 10 s, not after 2 hours.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "track_activities": "on",
    "track_counts": "on",
    # Goes to server.log in the data directory, which the guard keeps small.
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] %q%a: ",
    "log_lock_waits": "on",
    "deadlock_timeout": "1s",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}

if sys.platform == "linux":
    LINUX_SETTINGS: Final[Mapping[str, str]] = {
        "tcp_user_timeout": "10s",
        # A long statement of a client that was killed ends too, instead of holding its locks.
        "client_connection_check_interval": "5s",
    }
else:
    LINUX_SETTINGS = {}


def merged(settings: Mapping[str, str], *, has_lz4: bool) -> dict[str, str]:
    """The defaults, overridden by `settings`. WAL compression is on only where it is nearly free (lz4)."""
    compression = {"wal_compression": "lz4" if has_lz4 else "off"}
    return {**DEFAULT_SETTINGS, **LINUX_SETTINGS, **compression, **settings}
