"""Whole clients and whole backups within given capacities, by moving one client at a time, compiled.

While a failure lasts a site may carry more than it holds. That excess, summed over failures and sites, and
the demand too much outside the SLO have a price, which rises from pass to pass until nothing is exceeded any
more (a penalty method; for assignments Yagiura, Ibaraki & Glover 2006). A move changes a client's site, its
backup, or both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.solver.compiled import compiled

Floats = NDArray[np.float64]

NOTHING = 1e-9
"""An excess below this, in instances, is rounding."""


@compiled
def _excess(site: int, load: Floats, handed: Floats, holds: Floats, fails: NDArray[np.bool_]) -> float:
    """What the site carries too much, summed over the failures it outlives."""
    total = 0.0
    for k in range(fails.shape[0]):
        if not fails[k, site]:
            total += max(load[site] + handed[k, site] - holds[site], 0.0)
    return total


@compiled
def _put(i: int, way: float, load: Floats, handed: Floats, brings: Floats, fails: NDArray[np.bool_],
         site: int, backup: int) -> None:  # fmt: skip
    """Add (1.0) or take away (-1.0) a client."""
    load[site] += way * brings[i]
    for k in range(fails.shape[0]):
        if fails[k, site]:
            handed[k, backup] += way * brings[i]


@compiled
def move_whole(
    order: NDArray[np.int64], brings: Floats, chosen: NDArray[np.int64], backup: NDArray[np.int64],
    allowed: NDArray[np.bool_], may: NDArray[np.bool_], apart: NDArray[np.bool_], inside: NDArray[np.bool_],
    cost: Floats, holds: Floats, fails: NDArray[np.bool_], slack: float, passes: int, cheaper: int,
    first: float, steeper: float,
) -> float:  # fmt: skip
    """Move clients, ``chosen`` and ``backup`` (m,) in place; the excess that is left.

    Everything that is load is in instances: ``brings`` (m,), ``holds`` (S,), and ``slack``, the load that may
    be outside the SLO. ``allowed``, ``may`` (backups), ``inside`` (m, S); ``apart`` (S, S); ``cost`` (m, S)
    per unit of load; ``fails`` (k, S). So many ``passes`` over all clients, the excess at the price ``first``
    and then ``steeper`` times as much each time; and at most ``cheaper`` that save cost and exceed no more.
    """
    m, sites = allowed.shape
    load, handed = np.zeros(sites), np.zeros((fails.shape[0], sites))
    beyond = 0.0
    for i in range(m):
        _put(i, 1.0, load, handed, brings, fails, chosen[i], backup[i])
        if not inside[i, chosen[i]]:
            beyond += brings[i]
    over = np.array([_excess(j, load, handed, holds, fails) for j in range(sites)])
    price = first
    for step in range(passes + cheaper):
        saving = step >= passes
        moved = False
        for i in order:
            a, b = chosen[i], backup[i]
            if brings[i] <= 0.0:
                continue
            late = max(beyond - slack, 0.0)
            pressed = over[a] > NOTHING or over[b] > NOTHING or (late > NOTHING and not inside[i, a])
            best, best_a, best_b = 0.0, -1, -1
            for to in range(sites):
                dearer = (cost[i, to] - cost[i, a]) * brings[i]
                if not allowed[i, to] or (dearer >= 0.0 and (saving or not pressed)):
                    continue
                later = beyond
                if inside[i, a] and not inside[i, to]:
                    later += brings[i]
                elif inside[i, to] and not inside[i, a]:
                    later -= brings[i]
                drift = max(later - slack, 0.0) - late
                for by in range(sites):
                    if not may[i, by] or not apart[to, by] or (to == a and by == b):
                        continue
                    before = over[a]
                    if b != a:
                        before += over[b]
                    if to != a and to != b:
                        before += over[to]
                    if by != a and by != b and by != to:
                        before += over[by]
                    _put(i, -1.0, load, handed, brings, fails, a, b)
                    _put(i, 1.0, load, handed, brings, fails, to, by)
                    after = _excess(a, load, handed, holds, fails)
                    if b != a:
                        after += _excess(b, load, handed, holds, fails)
                    if to != a and to != b:
                        after += _excess(to, load, handed, holds, fails)
                    if by != a and by != b and by != to:
                        after += _excess(by, load, handed, holds, fails)
                    _put(i, -1.0, load, handed, brings, fails, to, by)
                    _put(i, 1.0, load, handed, brings, fails, a, b)
                    change = after - before + drift
                    if saving:
                        value = dearer if change <= NOTHING else 0.0
                    else:
                        value = dearer + price * change
                    if value < best - 1e-12 * price:
                        best, best_a, best_b = value, to, by
            if best_a < 0:
                continue
            _put(i, -1.0, load, handed, brings, fails, a, b)
            _put(i, 1.0, load, handed, brings, fails, best_a, best_b)
            if inside[i, a] and not inside[i, best_a]:
                beyond += brings[i]
            elif inside[i, best_a] and not inside[i, a]:
                beyond -= brings[i]
            chosen[i], backup[i] = best_a, best_b
            for j in (a, b, best_a, best_b):
                over[j] = _excess(j, load, handed, holds, fails)
            moved = True
        if not moved and saving:
            break
        price *= steeper
    left: float = over.sum() + max(beyond - slack, 0.0)
    return left
