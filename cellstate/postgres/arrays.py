"""bigint[] and boolean[] as NumPy arrays, both ways, without a Python object per element.

PostgreSQL's binary array is a 20-byte header and then (length, value) pairs; where no element is null,
pairs of fixed size are a NumPy record array.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from psycopg import Connection, Cursor
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format

_INT8, _INT8_ARRAY, _BOOL_ARRAY = 20, 1016, 1000
_HEADER = struct.Struct("!iiIii")
_INT_PAIR = np.dtype([("length", ">i4"), ("value", ">i8")])
_BOOL_PAIR = np.dtype([("length", ">i4"), ("value", "?")])


class Int64Dumper(Dumper):
    """int64[K] to binary bigint[]."""

    format = Format.BINARY
    oid = _INT8_ARRAY

    def dump(self, obj: Any) -> Buffer | None:
        """The array's binary form; one dimension only."""
        if obj.size == 0:
            return _HEADER.pack(0, 0, _INT8, 0, 0)[:12]
        pairs = np.empty(obj.size, dtype=_INT_PAIR)
        pairs["length"] = 8
        pairs["value"] = obj
        return _HEADER.pack(1, 0, _INT8, obj.size, 1) + pairs.tobytes()


def _read(data: Buffer, pair: np.dtype[Any], plain: type[np.generic]) -> Any:
    raw = bytes(data)
    if len(raw) < _HEADER.size:
        return np.empty(0, dtype=plain)
    dimensions, has_null, _, size, _ = _HEADER.unpack_from(raw)
    if dimensions != 1 or has_null:
        raise ValueError(f"array of {dimensions} dimensions, null flag {has_null}; expected one without null")
    return np.frombuffer(raw, dtype=pair, count=size, offset=_HEADER.size)["value"].astype(plain)


class Int64Loader(Loader):
    """Binary bigint[] to int64[K]."""

    format = Format.BINARY

    def load(self, data: Buffer) -> Any:
        """A new, native-endian array."""
        return _read(data, _INT_PAIR, np.int64)


class BoolLoader(Loader):
    """Binary boolean[] to bool[K]."""

    format = Format.BINARY

    def load(self, data: Buffer) -> Any:
        """A new array."""
        return _read(data, _BOOL_PAIR, np.bool_)


def register(connection: Connection[Any] | Cursor[Any]) -> None:
    """Make a connection, or one cursor of somebody's, speak NumPy; results must be asked for in binary."""
    connection.adapters.register_dumper(np.ndarray, Int64Dumper)
    connection.adapters.register_loader(_INT8_ARRAY, Int64Loader)
    connection.adapters.register_loader(_BOOL_ARRAY, BoolLoader)
