"""Task inputs as chunks: a few hundred byte strings in one, each behind its length.

A row a task would cost a million rows for a million tasks; one row for all could not be read in part.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

CHUNK_ITEMS = 256
"""Most items in a chunk."""
CHUNK_BYTES = 1 << 20
"""A chunk is closed once it holds this much; a single larger item is a chunk of its own."""

_LENGTH = struct.Struct("!I")


def framed(items: Sequence[bytes]) -> Iterator[bytes]:
    """Each item behind its four-byte length."""
    for item in items:
        yield _LENGTH.pack(len(item)) + item


def chunks(items: Sequence[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """(first_index, count, chunk) covering `items` in order."""
    first, size, held = 0, 0, list[bytes]()
    for index, piece in enumerate(framed(items)):
        held.append(piece)
        size += len(piece)
        if len(held) == CHUNK_ITEMS or size >= CHUNK_BYTES:
            yield first, len(held), b"".join(held)
            first, size, held = index + 1, 0, []
    if held:
        yield first, len(held), b"".join(held)


def items(chunk: bytes) -> Iterator[bytes]:
    """The items of one chunk, in order."""
    at = 0
    while at < len(chunk):
        (length,) = _LENGTH.unpack_from(chunk, at)
        at += _LENGTH.size
        yield chunk[at : at + length]
        at += length
