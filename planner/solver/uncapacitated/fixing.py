"""Reduced-cost fixing: sites that are open, or closed, in every solution better than the incumbent."""

from __future__ import annotations

import numpy as np

from planner.solver.compiled import compiled
from planner.solver.uncapacitated.instance import EMPTY, Flags, Ints
from planner.solver.uncapacitated.lagrangian import CLOSED, FAR, FREE, OPEN


@compiled
def fix_sites(
    rho: Ints,
    chosen: Flags,
    status: Flags,
    low: int,
    high: int,
    worst: int,
    cheapest: int,
    bound: int,
    target: int,
) -> int:
    """Settle in ``status`` what the bound settles; returns how many sites were.

    ``rho``, ``chosen``, ``worst``, ``cheapest`` belong to ``bound`` (:func:`.lagrangian.choose`): the dearest
    free site chosen and the cheapest that was not. Turning one site around costs at least its own reduced
    cost, and, where the number of open sites leaves no other way, that of the site it changes places with.
    """
    count = 0
    for j in range(len(rho)):
        count += chosen[j]
    settled = 0
    for j in range(len(rho)):
        if status[j] != FREE:
            continue
        if chosen[j]:
            change = -rho[j]
            if count <= low or cheapest < 0:
                change = FAR if cheapest >= FAR else cheapest - rho[j]
            if bound + min(change, FAR) >= target:
                status[j] = OPEN
                settled += 1
        else:
            change = rho[j]
            if count >= high or worst > 0:
                change = FAR if worst <= -FAR else rho[j] - worst
            if bound + min(change, FAR) >= target:
                status[j] = CLOSED
                settled += 1
    return settled


@compiled
def shorten(keys: Ints, bits: int, status: Flags) -> Ints:
    """The same lists without closed sites, and without what lies behind the nearest site that is open anyway.

    (m, width + 1), as narrow as the longest list allows.
    """
    m = keys.shape[0]
    mask = (1 << bits) - 1
    width = 0
    for i in range(m):
        kept = 0
        for key in keys[i]:
            if key == EMPTY:
                break
            if status[key & mask] != CLOSED:
                kept += 1
                if status[key & mask] == OPEN:
                    break
        width = max(width, kept)
    shorter = np.empty((m, width + 1), dtype=np.int64)
    for i in range(m):
        kept = 0
        for key in keys[i]:
            if key == EMPTY:
                break
            if status[key & mask] != CLOSED:
                shorter[i, kept] = key
                kept += 1
                if status[key & mask] == OPEN:
                    break
        shorter[i, kept:] = EMPTY
    return shorter
