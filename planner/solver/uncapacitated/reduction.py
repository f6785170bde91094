"""Exact reductions before the search: clients that always go the same way, sites that never pay.

*Clients.* Two clients with the same list of sites, nearest first, are served from the same site whatever is
open: their costs add up, list place by list place. Clients that one vantage speaks for share their
latencies, and so their list, whatever they weigh.

*Sites.* A site that is nowhere cheaper than another and costs as much to open or more is dominated: open
the other instead. Where it has the same costs throughout, the one of the lower index stays.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from planner.solver.compiled import compiled
from planner.solver.uncapacitated.instance import EMPTY, Floats, Instance, Ints

LOOKS = 2
"""Times all costs, at most, that are looked at for dominated sites."""

MANY, MANY_AT_A_NODE = 256, 1_000
"""Fewer clients are solved sooner than compared; a node takes fewer steps than the root."""


@compiled
def orders(keys: Ints, bits: int) -> NDArray[np.uint64]:
    """(m,) a hash of each client's sites in the order of its list (FNV-1a, by words)."""
    m = keys.shape[0]
    mask = (1 << bits) - 1
    hashes = np.empty(m, dtype=np.uint64)
    for i in range(m):
        value = np.uint64(14695981039346656037)
        for key in keys[i]:
            if key == EMPTY:
                break
            value = (value ^ np.uint64(key & mask)) * np.uint64(1099511628211)
        hashes[i] = value
    return hashes


@compiled
def add_up(keys: Ints, bits: int, leader: Ints, most: int) -> NDArray[np.bool_]:
    """Add every client to its ``leader`` (m,), in place; True for those that are still clients.

    A client whose list differs from its leader's after all, or whose sum would pass ``most``, stays itself.
    """
    m, width = keys.shape
    mask = (1 << bits) - 1
    kept = np.ones(m, dtype=np.bool_)
    for i in range(m):
        to = leader[i]
        if to == i:
            continue
        same = True
        for t in range(width):
            here, there = keys[i, t], keys[to, t]
            if here == EMPTY or there == EMPTY:
                same = same and here == there
                break
            if (here ^ there) & mask != 0 or (here >> bits) + (there >> bits) > most:
                same = False
                break
        if not same:
            continue
        kept[i] = False
        for t in range(width):
            if keys[i, t] == EMPTY:
                break
            keys[to, t] += (keys[i, t] >> bits) << bits
    return kept


def merge_clients(instance: Instance) -> Instance:
    """The instance with clients of the same order merged; sums that would not fit a key stay apart."""
    keys, bits = instance.keys, instance.bits
    if len(keys) < MANY:
        return instance
    _, first, group = np.unique(orders(keys, bits), return_index=True, return_inverse=True)
    if len(first) == len(keys):
        return instance
    kept = add_up(keys, bits, first[group.reshape(-1)].astype(np.int64), 1 << (61 - bits))
    return replace(instance, keys=np.ascontiguousarray(keys[kept]))


def merged(keys: Ints, bits: int, first: Ints, u: Ints) -> tuple[Ints, Ints, Ints]:
    """Merge clients of the same order: their lists (k, width), the ``first`` (k,) of each, multipliers (k,).

    ``u`` (l,) belongs to clients merged before, in longer lists; ``first`` (l,) says which they are in
    ``keys`` (m, width), which is used up. Summed, multipliers prove no less: max(0, Σ u − Σ c) is at most
    Σ max(0, u − c).
    """
    if len(keys) < MANY_AT_A_NODE:
        return keys, first, u
    _, leader, group = np.unique(orders(keys, bits), return_index=True, return_inverse=True)
    kept = add_up(keys, bits, leader[group].astype(np.int64), 1 << (61 - bits))
    # One that could not be added may be without its multiplier: a worse start, but any u gives a bound.
    place = np.cumsum(kept) - 1
    to = np.where(kept, place, place[leader[group]])
    total = np.zeros(int(kept.sum()), dtype=np.int64)
    np.add.at(total, to[first], u)
    return np.ascontiguousarray(keys[kept]), np.nonzero(kept)[0], total


@compiled
def dominated(opening: Floats, cost: Floats) -> NDArray[np.int8]:
    """(n,) -1 for sites that another one makes needless, else 0.

    The client that told the last two sites apart is asked first. Where sites agree far down the list, as
    under masks, looking ends after :data:`LOOKS` times all costs: a site that is left in does no harm.
    """
    m, n = cost.shape
    status = np.zeros(n, dtype=np.int8)
    work, teller = LOOKS * m * n, 0
    for k in range(n):
        if opening[k] < 0:
            continue  # it pays to open it whatever else is
        for j in range(n):
            if j == k or status[j] != 0 or opening[j] > opening[k] or cost[teller, j] > cost[teller, k]:
                continue
            if work < 0:
                return status
            needless, same = True, opening[j] == opening[k]
            for i in range(m):
                work -= 1
                if cost[i, j] > cost[i, k]:
                    needless, teller = False, i
                    break
                same = same and cost[i, j] == cost[i, k]
            if needless and (not same or j < k):
                status[k] = -1
                break
    return status
