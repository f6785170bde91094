"""Sets as rows of 64-bit words: which sites cover a client, which clients a site covers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.solver.compiled import compiled


@compiled
def count_bits(word: np.uint64) -> int:
    """How many bits of a word are set; LLVM knows the idiom and makes one instruction of it."""
    x = np.uint64(word)
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))  # type: ignore[return-value]


@compiled
def lowest_bit(word: np.uint64) -> int:
    """The position of the lowest set bit of a word that is not 0."""
    x = np.uint64(word)
    return count_bits((x & (~x + np.uint64(1))) - np.uint64(1))


@compiled
def pack(covers: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """(m, ceil(n / 64)): the rows of a Boolean matrix as bit sets."""
    m, n = covers.shape
    bits = np.zeros((m, (n + 63) // 64), dtype=np.uint64)
    for i in range(m):
        for w in range(bits.shape[1]):
            word = np.uint64(0)
            for j in range(w * 64, min(n, w * 64 + 64)):
                word |= np.uint64(covers[i, j]) << np.uint64(j - w * 64)
            bits[i, w] = word
    return bits


@compiled
def transpose(
    bits: NDArray[np.uint64], rows: NDArray[np.int64], columns: NDArray[np.int64], n: int
) -> NDArray[np.uint64]:
    """(len(columns), ...): the submatrix of ``rows`` and ``columns`` of an (·, n) matrix, on its side."""
    place = np.full(n, -1, dtype=np.int64)
    for position in range(len(columns)):
        place[columns[position]] = position
    turned = np.zeros((len(columns), (len(rows) + 63) // 64), dtype=np.uint64)
    for position in range(len(rows)):
        one, word_of = np.uint64(1) << np.uint64(position % 64), position // 64
        for w in range(bits.shape[1]):
            word = bits[rows[position], w]
            while word != np.uint64(0):
                column = place[w * 64 + lowest_bit(word)]
                word &= word - np.uint64(1)
                if column >= 0:
                    turned[column, word_of] |= one
    return turned


@compiled
def pack_within(distance: NDArray[np.float64], radius: float) -> NDArray[np.uint64]:
    """(m, ceil(n / 64)): the sites at most ``radius`` from each client, as bit sets."""
    m, n = distance.shape
    bits = np.zeros((m, (n + 63) // 64), dtype=np.uint64)
    for i in range(m):
        for w in range(bits.shape[1]):
            word = np.uint64(0)
            for j in range(w * 64, min(n, w * 64 + 64)):
                word |= np.uint64(distance[i, j] <= radius) << np.uint64(j - w * 64)
            bits[i, w] = word
    return bits


@compiled
def sparse(
    bits: NDArray[np.uint64], rows: NDArray[np.int64], columns: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The submatrix of ``rows`` and ``columns`` as lists: starts and sites of clients, then the reverse."""
    place = np.full(n, -1, dtype=np.int64)
    for position in range(len(columns)):
        place[columns[position]] = position
    row_start = np.zeros(len(rows) + 1, dtype=np.int64)
    site_start = np.zeros(len(columns) + 1, dtype=np.int64)
    row_site = np.empty(0, dtype=np.int64)
    for fill in range(2):
        count = 0
        for position in range(len(rows)):
            for w in range(bits.shape[1]):
                word = bits[rows[position], w]
                while word != np.uint64(0):
                    column = place[w * 64 + lowest_bit(word)]
                    word &= word - np.uint64(1)
                    if column >= 0:
                        if fill:
                            row_site[count] = column
                        else:
                            site_start[column + 1] += 1
                        count += 1
            row_start[position + 1] = count
        if not fill:
            row_site = np.empty(count, dtype=np.int64)
    site_start = np.cumsum(site_start)
    site_row, following = np.empty(len(row_site), dtype=np.int64), site_start[:-1].copy()
    for i in range(len(rows)):
        for e in range(row_start[i], row_start[i + 1]):
            site_row[following[row_site[e]]] = i
            following[row_site[e]] += 1
    return row_start, row_site, site_start, site_row
