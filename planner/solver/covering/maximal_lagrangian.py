"""The Lagrangian bound of maximal covering (Galvão & ReVelle 1996), as the weight that stays uncovered.

With a price 0 ≤ u_i ≤ w_i for each client, k sites cover no more of Σ u than the k dearest sites together,
the worth of a site being the prices of those it covers: at least Σ_i u_i − Σ_{k dearest} worth_j stays
uncovered. To open a site that is not among the k costs the difference to the last of them; to do without one
that is, the difference to the next one after.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.solver.compiled import compiled
from planner.solver.covering.lagrangian import AVAILABLE, open_part

SMALLEST_STEP = 0.002


@compiled
def ascend_maximal(
    row_start: NDArray[np.int64],
    row_site: NDArray[np.int64],
    site_start: NDArray[np.int64],
    site_row: NDArray[np.int64],
    weight: NDArray[np.float64],
    state: NDArray[np.int8],
    uncovered: NDArray[np.int64],
    k: int,
    target: float,
    enough: float,
    iterations: int,
    step: float,
    patience: int,
    prices: NDArray[np.float64],
    worth: NDArray[np.float64],
    share: NDArray[np.float64],
    opened: NDArray[np.bool_],
) -> tuple[float, float, float, float]:
    """Subgradient steps on the ``uncovered`` clients, with ``k`` sites to open of more available ones.

    They stop once the bound is above ``target``, or k sites leave at most ``enough`` uncovered. ``prices``
    (m,) and ``worth`` (n,) hold the best; ``share`` (n,) how often each site was among the k; ``opened``
    (n,) the best k sites met. Returns the bound, the weight these leave uncovered, and the worth of the last
    of the k dearest and of the next one.
    """
    n, count = len(worth), len(uncovered)
    current, direction = prices[uncovered], np.zeros(count)
    place, start, site = open_part(row_start, row_site, state, uncovered)
    available = np.nonzero(state == AVAILABLE)[0]
    now, values = np.zeros(n), np.empty(len(available))
    inside, times = np.zeros(n, dtype=np.bool_), np.empty(count, dtype=np.int64)
    best, least, last, after, since = -np.inf, np.inf, 0.0, 0.0, 0
    share[:] = 0.0
    for turn in range(iterations):
        now[:] = 0.0
        total = 0.0
        for q in range(count):
            price = current[q]
            if price > 0.0:
                total += price
                for e in range(start[q], start[q + 1]):
                    now[site[e]] += price
        for a in range(len(available)):
            values[a] = now[available[a]]
        parted = np.partition(values, len(values) - k - 1)
        edge = parted[len(values) - k :].min()
        below = parted[len(values) - k - 1]
        # Those above the edge, then as many at it as there is room for.
        room = k
        for a in range(len(available)):
            inside[available[a]] = values[a] > edge
            room -= values[a] > edge
        times[:] = 0
        for a in range(len(available)):
            j = available[a]
            if not inside[j] and room > 0 and now[j] == edge:
                inside[j] = True
                room -= 1
            if inside[j]:
                total -= now[j]
                share[j] += 1.0
                for e in range(site_start[j], site_start[j + 1]):
                    q = place[site_row[e]]
                    if q >= 0:
                        times[q] += 1
        missed = 0.0
        for q in range(count):
            if times[q] == 0:
                missed += weight[uncovered[q]]
        if missed < least:
            least = missed
            opened[:] = False
            for j in available:
                opened[j] = inside[j]
        if total > best:
            if total > best + 1e-4 * abs(least):
                since = 0
            best, last, after = total, edge, below
            worth[:] = now
            for q in range(count):
                prices[uncovered[q]] = current[q]
        if best > target or least <= enough:
            iterations = turn + 1
            break
        since += 1
        if since >= patience:
            since, step = 0, step * 0.5
            if step < SMALLEST_STEP:
                iterations = turn + 1
                break
        norm = 0.0
        for q in range(count):
            gradient = 0.7 * (1.0 - times[q]) + 0.3 * direction[q]
            direction[q] = gradient
            w = weight[uncovered[q]]
            if (gradient > 0.0 and current[q] < w) or (gradient < 0.0 and current[q] > 0.0):
                norm += gradient * gradient * w
        if norm < 1e-12 * np.abs(weight).max():
            iterations = turn + 1
            break
        # Steps in proportion to the weights: a price moves within [0, weight].
        length = step * max(min(target, least) * 1.02 - total, 0.02 * abs(least)) / norm
        for q in range(count):
            w = weight[uncovered[q]]
            current[q] = min(w, max(0.0, current[q] + length * direction[q] * w))
    share /= max(iterations, 1)
    return best, least, last, after
