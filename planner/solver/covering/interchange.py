"""Sites that cover much: greedy adding (Church & ReVelle 1974), then interchange (Teitz & Bart 1968)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.solver.compiled import compiled


@compiled
def interchange(
    row_start: NDArray[np.int64],
    row_site: NDArray[np.int64],
    site_start: NDArray[np.int64],
    site_row: NDArray[np.int64],
    weight: NDArray[np.float64],
    opened: NDArray[np.bool_],
    p: int,
    rounds: int,
) -> float:
    """Fill ``opened`` (n,) up to ``p`` sites, each the one that adds most, then swap while that helps.

    A round takes each open site out in turn and puts the best one in. Returns the weight left uncovered.
    """
    m, n = len(weight), len(opened)
    times, gain = np.zeros(m, dtype=np.int64), np.zeros(n)
    for j in range(n):
        for e in range(site_start[j], site_start[j + 1]):
            gain[j] += weight[site_row[e]]
    count = 0
    for j in range(n):
        if opened[j]:
            _turn(j, 1, row_start, row_site, site_start, site_row, weight, times, gain)
            count += 1
    while count < p:
        best = -1
        for j in range(n):
            if not opened[j] and (best < 0 or gain[j] > gain[best]):
                best = j
        opened[best] = True
        _turn(best, 1, row_start, row_site, site_start, site_row, weight, times, gain)
        count += 1
    for _ in range(rounds):
        better = False
        for out in range(n):
            if not opened[out]:
                continue
            _turn(out, -1, row_start, row_site, site_start, site_row, weight, times, gain)
            best = out
            for j in range(n):
                # A last digit is no improvement: without this two sites would change places for ever.
                if not opened[j] and gain[j] > gain[best] * (1.0 + 1e-12):
                    best = j
            opened[out] = False
            opened[best] = True
            better |= best != out
            _turn(best, 1, row_start, row_site, site_start, site_row, weight, times, gain)
        if not better:
            break
    left = 0.0
    for i in range(m):
        if times[i] == 0:
            left += weight[i]
    return left


@compiled
def _turn(
    j: int,
    by: int,
    row_start: NDArray[np.int64],
    row_site: NDArray[np.int64],
    site_start: NDArray[np.int64],
    site_row: NDArray[np.int64],
    weight: NDArray[np.float64],
    times: NDArray[np.int64],
    gain: NDArray[np.float64],
) -> None:
    """Put site ``j`` in (``by`` 1) or take it out (-1).

    A client that is covered once more or once less counts in the gain of every site that covers it.
    """
    for e in range(site_start[j], site_start[j + 1]):
        i = site_row[e]
        was = times[i] > 0
        times[i] += by
        if (times[i] > 0) != was:
            for k in range(row_start[i], row_start[i + 1]):
                gain[row_site[k]] -= by * weight[i]
