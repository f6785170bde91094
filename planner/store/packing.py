"""Kernels for what a row of the rollups holds in few bytes: histograms, and round trips one by one.

A histogram is pairs of numbers, how far the next filled bucket is from the one before (the first from the
lowest of all) and how many are in it, in LEB128 (seven bits a byte, the lowest first, all but the last with
the high bit). What round trips are is said in ``planner.store.series``. The kernels stand alone in their
file, so that numba's own cache knows when they are stale.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from planner.store.compiled import compiled

_types: Any = numba.types
_NONE, _I64 = _types.void, _types.int64
_R32, _R64 = (_types.Array(each, 1, "C", readonly=True) for each in (_types.int32, _types.int64))
_RU8 = _types.Array(_types.uint8, 1, "C", readonly=True)
_W64, _WF, _WU8 = (_types.Array(each, 1, "C") for each in (_types.int64, _types.float64, _types.uint8))
_W32, _W32_2 = (_types.Array(_types.int32, dimensions, "C") for dimensions in (1, 2))


@compiled(_I64(_R64, _R64, _R64, _WU8, _W64))
def pack_counts(bucket: Any, count: Any, start: Any, data: Any, end: Any) -> int:
    """Write the histogram of each row r, ``count`` in ``bucket`` from ``start``[r] to start[r + 1], into
    ``data``, up to ``end``[r]; returns the last end. Buckets count from 0."""
    at = 0
    for row in range(end.size):
        before = 0
        for i in range(start[row], start[row + 1]):
            for number in (bucket[i] - before, count[i]):
                rest = number
                while rest >= 128:
                    data[at] = (rest & 127) | 128
                    rest >>= 7
                    at += 1
                data[at] = rest
                at += 1
            before = bucket[i]
        end[row] = at
    return at


@compiled(_I64(_RU8, _R64, _R32, _W32_2))
def add_counts(data: Any, offset: Any, pair: Any, total: Any) -> int:
    """Add the histogram of each row, in ``data`` from ``offset``[row], to that of its ``pair`` in ``total``
    (pairs, buckets); -1 is no pair. Returns the first row that is no histogram of so many buckets, where it
    stops, or -1."""
    for row in range(pair.size):
        if pair[row] < 0:
            continue
        at, end, bucket = offset[row], offset[row + 1], 0
        while at < end:
            gap = count = shift = 0
            while at < end and data[at] >= 128 and shift < 56:
                gap |= (data[at] & 127) << shift
                shift += 7
                at += 1
            if at >= end or shift >= 56:
                return row
            gap |= data[at] << shift
            at, shift = at + 1, 0
            while at < end and data[at] >= 128 and shift < 56:
                count |= (data[at] & 127) << shift
                shift += 7
                at += 1
            if at >= end or shift >= 56:
                return row
            count |= data[at] << shift
            at += 1
            bucket += gap
            if bucket >= total.shape[1]:
                return row
            total[pair[row], bucket] += count
    return -1


@compiled(_NONE(_R32, _R64, _R32, _R32, _W32, _WF, _W64, _WF))
def unpack(
    data: Any, offset: Any, per_ms: Any, of: Any, pair: Any, rtt: Any, rtt_bits: Any, step: Any
) -> None:
    """The round trips of each row, in int32 ``data`` from ``offset``[row], ``per_ms``[row] to a millisecond:
    ``rtt`` (n,) and its bits, the ``step`` (n,) from the one before, nan where there is none, and the row's
    number ``of`` a pair as ``pair`` (n,)."""
    n = 0
    for row in range(of.size):
        at, before, scale = offset[row], 0.0, per_ms[row]
        while at < offset[row + 1]:
            if scale > 0:
                stepped = (data[at] & 1) != 0
                rtt[n] = (data[at] >> 1) / scale
                at += 1
            else:
                high = np.int64(data[at + 1])
                stepped = high < 0
                rtt_bits[n] = ((high & 0x7FFFFFFF) << 32) | (np.int64(data[at]) & 0xFFFFFFFF)
                at += 2
            step[n] = abs(rtt[n] - before) if stepped else np.nan
            before = rtt[n]
            pair[n] = of[row]
            n += 1
