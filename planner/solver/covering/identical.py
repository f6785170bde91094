"""Clients that the same sites cover are one client with the sum of their weights: exact, and often most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def merge_identical(
    bits: NDArray[np.uint64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The first client of each sort, the sort of each client, the sorts' weights; -1 = no site covers it."""
    order = np.lexsort(bits.T) if bits.shape[1] else np.arange(len(bits))
    ordered = bits[order]
    new = np.empty(len(bits), dtype=np.bool_)
    new[:1] = True
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    covered = ordered.any(axis=1)
    new &= covered
    sort = np.where(covered, np.cumsum(new) - 1, -1)
    first = order[new].astype(np.int64)
    merged = np.zeros(len(first))
    np.add.at(merged, sort[covered], weight[order[covered]])
    sort_of = np.empty(len(bits), dtype=np.int64)
    sort_of[order] = sort
    return first, sort_of, merged
