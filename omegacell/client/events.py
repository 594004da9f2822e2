"""What happens in the cell, as it happens."""

from __future__ import annotations

from collections.abc import Iterator

from omegacell.cellstate.model import Event, Watermark
from omegacell.cellstate.store import ClientStore
from omegacell.client.waiting import Pauses


def stream(store: ClientStore, pauses: Pauses) -> Iterator[Event]:
    """Everything that happens from this call on, without end."""
    return _following(store, pauses, store.events(None).watermark)


def _following(store: ClientStore, pauses: Pauses, watermark: Watermark) -> Iterator[Event]:
    intervals = pauses.intervals()
    while True:
        found = store.events(watermark)
        watermark = found.watermark
        yield from found.events
        if found.events:
            intervals = pauses.intervals()
        pauses.pause(next(intervals))
