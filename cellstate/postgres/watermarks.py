"""Watermarks of streams that miss nothing across a crash: a snapshot, and when the server had come up by then.

A server that crashed gives the transaction ids that it forgot (synchronous_commit = off) to others, which a snapshot
from before passes over: what came about since it is up again is new to whoever read before.
"""

from __future__ import annotations

from omegacell.cellstate.model import Watermark


def read(watermark: Watermark | None) -> tuple[str | None, float | None]:
    """The snapshot, and when the server had come up then."""
    if watermark is None:
        return None, None
    snapshot, _, up_since = watermark.snapshot.rpartition("@")
    return snapshot, float(up_since)


def written(generation: int, snapshot: str, up_since: float) -> Watermark:
    """What read() reads."""
    return Watermark(generation=generation, snapshot=f"{snapshot}@{up_since!r}")
