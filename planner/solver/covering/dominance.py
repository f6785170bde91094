"""Reductions of a covering problem that leave an optimum standing (Garfinkel & Nemhauser 1972; Beasley 1987).

- **Row dominance**: a client whose sites include all the sites of another is covered whenever that other is.
- **Column dominance**: a site that covers no more than another that costs no more is not needed.
- **Essential column**: a client with one site left needs that site.

Each makes room for the others, so they are repeated until none applies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.solver.compiled import compiled
from planner.solver.covering.bitsets import count_bits, lowest_bit, transpose


@compiled
def minimal_rows(bits: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The rows that include no other, one of each set of equals, smallest first.

    Whoever includes a row includes the rarest of its columns: a row is compared only with those kept under
    one of its own columns.
    """
    m, words = bits.shape
    size = np.zeros(m, dtype=np.int64)
    frequency = np.zeros(words * 64, dtype=np.int64)
    for i in range(m):
        for w in range(words):
            word = bits[i, w]
            size[i] += count_bits(word)
            while word != np.uint64(0):
                frequency[w * 64 + lowest_bit(word)] += 1
                word &= word - np.uint64(1)
    kept, count = np.empty(m, dtype=np.int64), 0
    first, following = np.full(words * 64, -1, dtype=np.int64), np.full(m, -1, dtype=np.int64)
    for i in np.argsort(size, kind="mergesort"):
        rarest, dominated = -1, False
        for w in range(words):
            word = bits[i, w]
            while word != np.uint64(0):
                column = w * 64 + lowest_bit(word)
                word &= word - np.uint64(1)
                if rarest < 0 or frequency[column] < frequency[rarest]:
                    rarest = column
                k = first[column]
                while k >= 0:
                    inside = True
                    for v in range(words):
                        if bits[k, v] & ~bits[i, v] != np.uint64(0):
                            inside = False
                            break
                    if inside:
                        dominated = True
                        break
                    k = following[k]
                if dominated:
                    break
            if dominated:
                break
        if dominated:
            continue
        kept[count] = i
        count += 1
        if rarest >= 0:
            following[i] = first[rarest]
            first[rarest] = i
    return kept[:count].copy()


@compiled
def maximal_columns(bits: NDArray[np.uint64], cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """The columns included in no other of at most their cost, one of each set of equals, sorted."""
    n, words = bits.shape
    size = np.zeros(n, dtype=np.int64)
    for j in range(n):
        for w in range(words):
            size[j] += count_bits(bits[j, w])
    kept, count = np.empty(n, dtype=np.int64), 0
    cheapest_first = np.argsort(cost, kind="mergesort")
    for j in cheapest_first[np.argsort(-size[cheapest_first], kind="mergesort")]:
        dominated = size[j] == 0
        for position in range(count):
            k = kept[position]
            if dominated or cost[k] > cost[j]:
                continue
            inside = True
            for v in range(words):
                if bits[j, v] & ~bits[k, v] != np.uint64(0):
                    inside = False
                    break
            dominated = inside
        if not dominated:
            kept[count] = j
            count += 1
    return np.sort(kept[:count])


@compiled
def reduce(
    bits: NDArray[np.uint64], cost: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], bool]:
    """Rows left, columns left, columns taken as essential; False when a row has no column.

    ``bits``: the rows as sets of columns; ``cost`` of each column, not negative.
    """
    n = len(cost)
    taken, taken_count = np.empty(n, dtype=np.int64), 0
    rows, columns = np.arange(len(bits)), np.arange(n)
    current = bits  # the rows that are left, over the columns that are left
    while True:
        small = minimal_rows(current)
        settled = np.zeros(current.shape[1], dtype=np.uint64)
        essential = np.zeros(len(columns), dtype=np.bool_)
        for i in small:
            size = 0
            for w in range(current.shape[1]):
                size += count_bits(current[i, w])
            if size == 0:
                return rows[:0].copy(), columns[:0].copy(), taken[:0].copy(), False
            if size > 1:
                break
            for w in range(current.shape[1]):
                if current[i, w] != np.uint64(0):
                    settled[w] |= current[i, w]
                    essential[w * 64 + lowest_bit(current[i, w])] = True
        left, left_count = np.empty(len(small), dtype=np.int64), 0
        for i in small:
            served = False
            for w in range(current.shape[1]):
                served |= current[i, w] & settled[w] != np.uint64(0)
            if not served:
                left[left_count] = i
                left_count += 1
        for j in range(len(columns)):
            if essential[j]:
                taken[taken_count] = columns[j]
                taken_count += 1
        others = np.nonzero(~essential)[0]
        turned = transpose(current, left[:left_count], others, len(columns))
        large = maximal_columns(turned, cost[columns[others]])
        done = len(others) == len(columns) and len(large) == len(others) and left_count == len(rows)
        rows = rows[left[:left_count]]
        columns = columns[others[large]]
        if done or left_count == 0:
            return rows, columns, np.sort(taken[:taken_count]), True
        current = transpose(turned, large, np.arange(left_count), left_count)
