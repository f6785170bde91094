"""The round trips of a pair and a day in few bytes, exactly, in no order but that neighbours are neighbours.

Of a row, int32 or 8 bytes for each sample that came back:

    2 k + s    where all are k / p ms exactly, p = ``per_ms`` = 10^3 or 10^6 (agents' clocks give µs or ns)
    ±x         otherwise (p = 0) the double itself, negative where s

with s = 1 where the sample's step (``planner.store.steps``) is its distance from the one before it here.
Where steps do not come out like that, as when part of a round came later, the row has them beside, in
``steps``, as doubles, and all s are 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from planner.store.arrays import binary, bytes_of, present, whole
from planner.store.packing import unpack
from planner.store.shelf import StoreError

_SCALES: Final = (1_000, 1_000_000)
_MOST: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Packed:
    """A row for each of k pairs: ``per_ms`` (k,) and what of the values is said above."""

    per_ms: NDArray[np.int32]
    series: pa.Array
    steps: pa.Array


def pack(start: NDArray[np.int64], rtt: NDArray[np.float64], step: NDArray[np.float64]) -> Packed:
    """Of k pairs, the round trips ``rtt`` (n,) of pair i from ``start`` (k + 1,) [i] to start[i + 1], and the
    ``step`` (n,) of each, nan where there is none."""
    pairs = len(start) - 1
    rtt = rtt + 0.0  # -0.0 is 0.0: its sign would be read as a step
    first = np.zeros(len(rtt) + 1, bool)
    first[start] = True
    stepped = ~np.isnan(step)
    near = np.abs(np.diff(rtt, prepend=np.nan)) == step
    odd = _any(stepped & (~near | first[:-1]), start)
    flag = stepped & ~np.repeat(odd, np.diff(start))
    codes, exact = [], []
    for scale in _SCALES:
        units = np.rint(rtt * scale)
        fits = (units / scale == rtt) & (units < _MOST)
        codes.append(np.where(fits, units, 0).astype(np.int32) * 2 + flag)
        exact.append(~_any(~fits, start))
    whole = np.where(flag, -rtt, rtt)
    per_ms = np.where(exact[0], _SCALES[0], np.where(exact[1], _SCALES[1], 0)).astype(np.int32)
    series, steps = list[bytes | None](), list[bytes | None]()
    for i in range(pairs):
        here = slice(int(start[i]), int(start[i + 1]))
        scale = int(per_ms[i])
        part = codes[_SCALES.index(scale)][here].astype("<i4") if scale else whole[here].astype("<f8")
        series.append(part.tobytes())
        steps.append(step[here][stepped[here]].astype("<f8").tobytes() if odd[i] else None)
    return Packed(per_ms, binary(series), binary(steps))


def _any(which: NDArray[np.bool_], start: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Of each stretch, whether any of it is."""
    upto = np.concatenate(([0], np.cumsum(which)))
    return np.asarray(np.diff(upto[start]) > 0)


def unpacked(
    per_ms: NDArray[np.int32], series: pa.ChunkedArray, of: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    """Of rows whose pairs' numbers are ``of`` (k,): of each sample the pair, the round trip and the step.
    Raises ``StoreError`` for rows that are no series: the kernel looks at no bounds."""
    offset, data = words_of(series)
    each = np.where(per_ms > 0, 1, 2)
    count = np.diff(offset) // each
    if (count * each != np.diff(offset)).any():
        raise StoreError("the rollups are damaged: series ends within a sample")
    n = int(count.sum())
    pair, rtt, step = np.empty(n, np.int32), np.empty(n), np.empty(n)
    unpack(data, offset, per_ms, of, pair, rtt, rtt.view(np.int64), step)
    return pair, rtt, step


def words_of(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Where each row's int32 begin, and the last's end, in the data of a binary column."""
    offset, data = bytes_of(column)
    if (offset % 4 != offset[0] % 4).any() or offset[0] % 4:
        raise StoreError("the rollups are damaged: series ends within a sample")
    return offset // 4, data[: len(data) // 4 * 4].view("<i4")


def steps_beside(steps: pa.ChunkedArray, of: NDArray[np.int32]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """The steps of rows that have them beside, with the number of the row's pair."""
    if steps.null_count < len(steps):
        column = whole(steps)
        for row in np.flatnonzero(present(column)).tolist():
            yield int(of[row]), np.frombuffer(column[row].as_py(), "<f8")
