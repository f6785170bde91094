"""Covers that add the best site each time (Chvátal 1979; Caprara, Fischetti & Toth 1999)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.solver.compiled import compiled
from planner.solver.covering.lagrangian import AVAILABLE, CHOSEN


@compiled
def greedy_cover(
    row_start: NDArray[np.int64],
    row_site: NDArray[np.int64],
    site_start: NDArray[np.int64],
    site_row: NDArray[np.int64],
    cost: NDArray[np.float64],
    state: NDArray[np.int8],
    prices: NDArray[np.float64],
    reduced: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Sites (n,) that cover every client, the chosen ones among them; none where that cannot be.

    Next comes the site with the least reduced cost per newly covered client, the prices of the covered given
    back to the others' reduced costs; in the end the dearest sites that are not needed are closed.
    """
    m, n = len(row_start) - 1, len(cost)
    opened, times = np.zeros(n, dtype=np.bool_), np.zeros(m, dtype=np.int64)
    fresh, score = np.empty(n, dtype=np.int64), reduced.copy()
    for j in range(n):
        fresh[j] = site_start[j + 1] - site_start[j]
    left, following = m, 0
    while True:
        # Those chosen before come first.
        best, best_value = -1, np.inf
        while following < n and best < 0:
            if state[following] == CHOSEN:
                best = following
            following += 1
        if best < 0:
            if left == 0:
                break
            for j in range(n):
                if state[j] == AVAILABLE and not opened[j] and fresh[j] > 0:
                    value = score[j] / fresh[j] if score[j] > 0.0 else score[j] * fresh[j]
                    if value < best_value:
                        best, best_value = j, value
            if best < 0:
                opened[:] = False
                return opened
        opened[best] = True
        for e in range(site_start[best], site_start[best + 1]):
            i = site_row[e]
            times[i] += 1
            if times[i] == 1:
                left -= 1
                for k in range(row_start[i], row_start[i + 1]):
                    fresh[row_site[k]] -= 1
                    score[row_site[k]] += prices[i]
    for j in np.argsort(-cost, kind="mergesort"):
        if opened[j]:
            needed = False
            for e in range(site_start[j], site_start[j + 1]):
                needed |= times[site_row[e]] == 1
            if not needed:
                opened[j] = False
                for e in range(site_start[j], site_start[j + 1]):
                    times[site_row[e]] -= 1
    return opened
