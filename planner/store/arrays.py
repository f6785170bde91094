"""Columns of Arrow as arrays of numpy, over the same memory where that can be, and the other way.

Arrow's own ways import pandas, which takes longer than reading a month of rollups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Words: TypeAlias = list[str] | pa.Array
"""Texts by their codes; an Arrow array where there are many, and few are asked for."""

_TYPES: Final = {
    "int16": np.int16, "int32": np.int32, "int64": np.int64, "double": np.float64, "uint32": np.uint32,
}  # fmt: skip


def whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """The column in one piece."""
    if isinstance(column, pa.Array):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return column.combine_chunks()


def numbers(column: pa.ChunkedArray | pa.Array) -> NDArray[Any]:
    """A column of numbers; missing ones are nan among doubles, and anything elsewhere."""
    array = whole(column)
    n, begin = len(array), array.offset
    if n == 0:
        return np.zeros(0, _TYPES[str(array.type)])
    found = np.frombuffer(array.buffers()[1], _TYPES[str(array.type)], begin + n)[begin:]
    if array.null_count and found.dtype == np.float64:
        return np.where(present(array), found, np.nan)
    return found


def present(column: pa.ChunkedArray | pa.Array) -> NDArray[np.bool_]:
    """Where a column has values."""
    array = whole(column)
    n, begin = len(array), array.offset
    if array.null_count == 0:
        return np.ones(n, bool)
    flags = np.frombuffer(array.buffers()[0], np.uint8)
    return np.unpackbits(flags, bitorder="little")[begin : begin + n].view(bool)


def coded(column: pa.ChunkedArray | pa.Array) -> tuple[NDArray[np.int32], Words]:
    """A column's codes, -1 where it has no text, and the texts."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    array = whole(column)
    codes = numbers(array.indices).astype(np.int32, copy=False)
    if array.null_count:
        codes = np.where(present(array), codes, np.int32(-1))
    return codes, array.dictionary


def listed(words: Words) -> list[str]:
    return words if isinstance(words, list) else words.to_pylist()


def bytes_of(column: pa.ChunkedArray | pa.Array) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Where each row's bytes begin, and the last's end, in the data of a binary column without nulls."""
    array = whole(column)
    if len(array) == 0:
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    _, offsets, data = array.buffers()
    offset = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    held = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return offset.astype(np.int64), held


def plain(values: NDArray[Any], kind: pa.DataType, absent: NDArray[np.bool_] | None = None) -> pa.Array:
    """Numbers, instants or flags (n,) of that type, null where ``absent`` (n,)."""
    if absent is not None and absent.all():
        return pa.nulls(len(values), kind)
    if kind == pa.bool_():
        data = _bits(values)
    else:  # into memory that Arrow had before: fresh memory costs more than the copy
        data = pa.allocate_buffer(len(values) * (kind.bit_width // 8))
        np.frombuffer(data, np.int32 if kind == pa.int32() else values.dtype)[:] = values
    bitmap = None if absent is None or not absent.any() else _bits(~absent)
    return pa.Array.from_buffers(kind, len(values), [bitmap, data])


def strings(words: Sequence[str]) -> pa.Array:
    """Texts, none of them null."""
    return _joined([word.encode() for word in words], pa.string())


def binary(parts: Sequence[bytes | None]) -> pa.Array:
    """Bytes, null where there are none. Raises ``ValueError`` above the 2 GiB that one array holds."""
    return _joined(parts, pa.binary())


def _joined(parts: Sequence[bytes | None], kind: pa.DataType) -> pa.Array:
    given = [part or b"" for part in parts]
    ends = np.cumsum([0, *map(len, given)], dtype=np.int64)
    if ends[-1] > np.iinfo(np.int32).max:
        raise ValueError(f"{ends[-1]} bytes are more than one column may hold")
    bitmap = _bits(np.array([part is not None for part in parts], bool)) if None in parts else None
    buffers = [bitmap, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(given))]
    return pa.Array.from_buffers(kind, len(given), buffers)


def _bits(values: NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))
