"""Kernels over batches of a table's rows: which pair each row is of, and which values lie in the brackets
that order statistics are sought in. ``planner.store.placing`` and ``planner.store.selection`` say what for.

Values are the bits of doubles that are not below 0, as int64: those are in the same order. The kernels stand
alone in their file, so that numba's own cache knows when they are stale.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np

from planner.store.compiled import compiled

NEVER: Final = np.iinfo(np.int64).max
"""A bracket from here to here is none: no value's bits are so high."""

INFINITE: Final = int(np.float64(np.inf).view(np.int64))
"""Values from here on are no round trips."""

_types: Any = numba.types
_NONE, _I64 = _types.void, _types.int64
_R8, _RB = (_types.Array(each, 1, "C", readonly=True) for each in (_types.uint8, _types.boolean))
_R32, _R64 = (_types.Array(each, 1, "C", readonly=True) for each in (_types.int32, _types.int64))
_R64_2 = _types.Array(_types.int64, 2, "C", readonly=True)
_W32, _W64 = (_types.Array(each, 1, "C") for each in (_types.int32, _types.int64))
_W64_2, _WU32_3 = _types.Array(_types.int64, 2, "C"), _types.Array(_types.uint32, 3, "C")


@compiled(_I64(_I64, _W64, _W32, _W64, _W64))
def _number(key: int, keys: Any, numbers: Any, known: Any, size: Any) -> int:
    """The number of ``key`` in an open table of hashes, given now where it has none: ``known`` are the keys
    by their numbers, and size[0] says how many."""
    mask = keys.size - 1
    at = ((key * -7046029254386353131) >> 20) & mask
    while keys[at] != key:
        if keys[at] < 0:
            keys[at] = key
            numbers[at] = size[0]
            known[size[0]] = key
            size[0] += 1
            break
        at = (at + 1) & mask
    return int(numbers[at])


@compiled(_NONE(_R64, _W64, _W32, _W64, _W64, _W32))
def number(key: Any, keys: Any, numbers: Any, known: Any, size: Any, found: Any) -> None:
    """The number of each ``key`` (n,), as ``found`` (n,)."""
    for i in range(key.size):
        found[i] = _number(key[i], keys, numbers, known, size)


@compiled(_I64(*(_R32,) * 6, _R8, *(_R64,) * 3, _RB, _W64, _W32, *(_W64,) * 3, _W32, _W64))
def place(
    vantage: Any,
    site: Any,
    protocol: Any,
    run: Any,
    failure: Any,
    peer: Any,
    keep: Any,
    vantage_of: Any,
    site_of: Any,
    protocol_of: Any,
    lost: Any,
    keys: Any,
    numbers: Any,
    known: Any,
    size: Any,
    samples: Any,
    pair: Any,
    left: Any,
) -> int:
    """Tell each of n rows' ``pair`` (n,), -1 where it has no value to give, and count ``samples`` of pairs.

    Codes (n,) of texts are -1 where there is none; ``*_of`` are what codes of this batch mean everywhere,
    ``protocol_of`` -1 for one that nothing is judged by. ``lost`` says which failures are lost probes where
    there was a ``peer``. Rows without ``keep`` are not there. A stretch of rows of one vantage and run that
    holds failures only may be of a round that was cut off: its rows are not counted but named in ``left``;
    how many those are is returned. ``keys`` to ``size`` number the pairs (:func:`_number`).
    """
    n = site.size
    named = waiting = 0
    answered = False
    last_key = last = -1
    for i in range(n + 1):
        if i == n or (i > 0 and (run[i] != run[i - 1] or vantage[i] != vantage[i - 1])):
            if answered:
                for j in range(named, named + waiting):
                    row = left[j]
                    if lost[failure[row]] and peer[row] >= 0:
                        key = (
                            (vantage_of[vantage[row]] << 34)
                            | (site_of[site[row]] << 2)
                            | protocol_of[protocol[row]]
                        )
                        samples[_number(key, keys, numbers, known, size)] += 1
            else:
                named += waiting
            waiting = 0
            answered = False
            if i == n:
                break
        pair[i] = -1
        if not keep[i]:
            continue
        judged = protocol_of[protocol[i]]
        if judged < 0:
            continue
        if failure[i] >= 0:
            left[named + waiting] = i
            waiting += 1
            continue
        answered = True
        key = (vantage_of[vantage[i]] << 34) | (site_of[site[i]] << 2) | judged
        if key != last_key:
            last_key, last = key, _number(key, keys, numbers, known, size)
        pair[i] = last
        samples[last] += 1
    return named


@compiled(_I64(_R32, _R64, _R64_2, _R64_2, _W64_2, _R64_2, _WU32_3, _W32, _W64))
def sift(
    pair: Any,
    value: Any,
    low: Any,
    high: Any,
    cells: Any,
    shift: Any,
    bins: Any,
    group: Any,
    kept: Any,
) -> int:
    """Count where the ``value`` (n,) of each ``pair`` (n,) lies beside that pair's brackets, in ascending
    order from ``low`` to ``high`` (pairs, m), ends included: ``cells`` (pairs, 2 m + 1) below the first, in
    it, between, and so on. What lies in a bracket is counted in ``bins`` (pairs, m, b) of 2^``shift``
    (pairs, m), or, where b is 0, kept with the number of its bracket as its ``group``; returns how many."""
    width = low.shape[1]
    binned = bins.shape[2] > 0
    n = 0
    for i in range(pair.size):
        p = pair[i]
        if p < 0:
            continue
        x = value[i]
        if x >= INFINITE:
            continue
        x = max(x, 0)  # the other zero's bits are below all
        j = 0
        while j < width and x > high[p, j]:
            j += 1
        if j < width and x >= low[p, j]:
            cells[p, 2 * j + 1] += 1
            if binned:
                bins[p, j, (x - low[p, j]) >> shift[p, j]] += 1
            elif n < kept.size:
                group[n] = p * width + j
                kept[n] = x
                n += 1
        else:
            cells[p, 2 * j] += 1
    return n


@compiled(_NONE(_R32, _R64, _W64, _W64))
def gather(group: Any, kept: Any, free: Any, gathered: Any) -> None:
    """Put each of ``kept`` (n,) where its ``group`` (n,) stands in ``gathered``, at the first ``free``
    (groups,) place of that."""
    for i in range(group.size):
        g = group[i]
        gathered[free[g]] = kept[i]
        free[g] += 1


@compiled(_NONE(_W64, _R64, _R64, _R64, _W64))
def select(gathered: Any, start: Any, end: Any, rank: Any, found: Any) -> None:
    """The value of each 0-based ``rank`` (k,) in ``gathered`` from ``start`` to ``end``, as ``found`` (k,).
    Moves what it passes (Hoare's quickselect, with the median of three)."""
    for k in range(rank.size):
        low, high, at = start[k], end[k] - 1, start[k] + rank[k]
        while low < high:
            a, b, c = gathered[low], gathered[(low + high) // 2], gathered[high]
            pivot = max(min(a, b), min(max(a, b), c))
            i, j = low, high
            while i <= j:
                while gathered[i] < pivot:
                    i += 1
                while gathered[j] > pivot:
                    j -= 1
                if i <= j:
                    gathered[i], gathered[j] = gathered[j], gathered[i]
                    i += 1
                    j -= 1
            if at <= j:
                high = j
            elif at >= i:
                low = i
            else:
                break
        found[k] = gathered[at]
