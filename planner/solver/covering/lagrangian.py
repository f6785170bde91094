"""The Lagrangian bound of set covering, and its ascent (Beasley 1987; Caprara, Fischetti & Toth 1999).

With a price u_i ≥ 0 for each uncovered client, the reduced cost r_j of a site is f_j less the prices of those
it covers, and L(u) = Σ_i u_i + Σ_j min(0, r_j) is a lower bound on what covering them all costs. No solution
of at most the target uses a site with L(u) + r_j above it, or does without one with L(u) − r_j above it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.solver.compiled import compiled

AVAILABLE, CHOSEN, EXCLUDED = 0, 1, 2
"""States of a site during the search."""

SMALLEST_STEP = 0.005


@compiled
def start_prices(
    row_start: NDArray[np.int64],
    row_site: NDArray[np.int64],
    site_start: NDArray[np.int64],
    cost: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Feasible prices to begin with: each client's cheapest share of a site's cost."""
    prices = np.empty(len(row_start) - 1)
    for i in range(len(prices)):
        best = np.inf
        for k in range(row_start[i], row_start[i + 1]):
            j = row_site[k]
            best = min(best, cost[j] / (site_start[j + 1] - site_start[j]))
        prices[i] = best
    return prices


@compiled
def open_part(
    row_start: NDArray[np.int64],
    row_site: NDArray[np.int64],
    state: NDArray[np.int8],
    uncovered: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The matrix of uncovered clients and available sites, which every step goes through.

    Returns the place (m,) of each client in it, -1 for none, and its rows: where they start, and their sites.
    """
    count = len(uncovered)
    place = np.full(len(row_start) - 1, -1, dtype=np.int64)
    entries = 0
    for k in range(count):
        i = uncovered[k]
        place[i] = k
        entries += row_start[i + 1] - row_start[i]
    start, site, entries = np.empty(count + 1, dtype=np.int64), np.empty(entries, dtype=np.int64), 0
    for k in range(count):
        start[k] = entries
        for e in range(row_start[uncovered[k]], row_start[uncovered[k] + 1]):
            if state[row_site[e]] == AVAILABLE:
                site[entries] = row_site[e]
                entries += 1
    start[count] = entries
    return place, start, site


@compiled
def ascend(
    row_start: NDArray[np.int64],
    row_site: NDArray[np.int64],
    site_start: NDArray[np.int64],
    site_row: NDArray[np.int64],
    cost: NDArray[np.float64],
    state: NDArray[np.int8],
    uncovered: NDArray[np.int64],
    spent: float,
    target: float,
    iterations: int,
    step: float,
    patience: int,
    prices: NDArray[np.float64],
    reduced: NDArray[np.float64],
) -> float:
    """The best bound of some subgradient steps on the ``uncovered`` clients; they stop once above ``target``.

    ``prices`` (m,) holds the start and then the best multipliers, ``reduced`` (n,) their reduced costs;
    ``spent`` is the cost of the sites already chosen and counts in the bound.
    """
    n, count = len(cost), len(uncovered)
    current, direction = prices[uncovered], np.zeros(count)
    place, start, site = open_part(row_start, row_site, state, uncovered)
    now, best, since = np.empty(n), -np.inf, 0
    for _ in range(iterations):
        now[:] = cost
        total = spent
        for k in range(count):
            price = current[k]
            total += price
            if price > 0.0:
                for e in range(start[k], start[k + 1]):
                    now[site[e]] -= price
        for k in range(count):
            direction[k] = 0.7 if direction[k] == 0.0 else 0.7 + 0.3 * direction[k]
        for j in range(n):
            if state[j] == AVAILABLE and now[j] < 0.0:
                total += now[j]
                for e in range(site_start[j], site_start[j + 1]):
                    k = place[site_row[e]]
                    if k >= 0:
                        direction[k] -= 0.7
        if total > best:
            if total > best + 1e-4 * abs(target):
                since = 0
            best = total
            reduced[:] = now
            for k in range(count):
                prices[uncovered[k]] = current[k]
            if best > target:
                break
        since += 1
        if since >= patience:
            since, step = 0, step * 0.5
            if step < SMALLEST_STEP:
                break
        norm = 0.0
        for k in range(count):
            if direction[k] > 0.0 or current[k] > 0.0:
                norm += direction[k] * direction[k]
        if norm < 1e-12:
            break
        length = step * max(target * 1.02 - total, 0.02 * abs(target)) / norm
        for k in range(count):
            current[k] = max(0.0, current[k] + length * direction[k])
    return best
