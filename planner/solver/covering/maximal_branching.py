"""Branch and bound for maximal covering, depth first: a site is open, or it is not (Galvão & ReVelle 1996).

At each node the Lagrangian bound is raised from the parent's prices and sites are fixed by their reduced
costs; branching is on the site that is most undecided among the dearest, weighed by its worth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.solver.compiled import compiled
from planner.solver.covering.branching import (
    AGAIN_STEPS,
    EXHAUSTED,
    FOUND,
    PATIENCE,
    PAUSED,
    choose,
    exclude,
    undo,
)
from planner.solver.covering.lagrangian import AVAILABLE, CHOSEN
from planner.solver.covering.maximal_lagrangian import ascend_maximal

NODE_STEPS = 200
"""Subgradient steps at a node at most."""


@compiled
def search_maximal(
    row_start: NDArray[np.int64],
    row_site: NDArray[np.int64],
    site_start: NDArray[np.int64],
    site_row: NDArray[np.int64],
    weight: NDArray[np.float64],
    p: int,
    state: NDArray[np.int8],
    times: NDArray[np.int64],
    choices: NDArray[np.int64],
    trail: NDArray[np.int64],
    spent: NDArray[np.float64],
    levels: NDArray[np.int64],
    prices: NDArray[np.float64],
    numbers: NDArray[np.int64],
    bounds: NDArray[np.float64],
    opened: NDArray[np.bool_],
    work: int,
) -> int:
    """Go on searching for ``p`` sites that leave at most the target uncovered; as :func:`.branching.search`.

    ``spent`` counts the open sites, ``levels`` (depth, 3) holds trail mark, site and branches done. What is
    found is in ``opened`` (n,).
    """
    m, n = len(weight), len(state)
    one = np.ones(n)
    worth, share = np.zeros(n), np.zeros(n)
    rows, among = np.empty(m, dtype=np.int64), np.zeros(n, dtype=np.bool_)
    done = 0
    while True:
        if numbers[3] == 0:
            if numbers[1] == 0:
                return EXHAUSTED
            level = levels[numbers[1] - 1]
            undo(level[0], site_start, site_row, state, times, choices, trail, numbers)
            if level[2] == 2:
                numbers[1] -= 1
                continue
            if done > work:
                return PAUSED
            if level[2] == 0:
                choose(level[1], site_start, site_row, one, state, times, trail, numbers, spent)
            else:
                exclude(level[1], site_start, site_row, state, choices, trail, numbers, spent)
            level[2] += 1
            prices[numbers[1]] = prices[numbers[1] - 1]
            numbers[2] += 1
        numbers[3] = 0
        depth, target, slack = numbers[1], bounds[0], bounds[2]
        steps, branch = NODE_STEPS, -1
        while True:
            count, lost, entries = 0, 0.0, 0
            for i in range(m):
                if times[i] == 0:
                    if choices[i] == 0:
                        lost += weight[i]
                    else:
                        rows[count] = i
                        count += 1
                        entries += row_start[i + 1] - row_start[i]
            done += m + entries
            left = p - int(spent[numbers[0]])
            if left < 0:
                break  # fixing asked for more sites than there are to open: its bounds are recorded
            available = 0
            for j in range(n):
                available += state[j] == AVAILABLE
            if left == 0 or count == 0 or available <= left:
                if left > 0 and count > 0:
                    count = 0
                for q in range(count):
                    lost += weight[rows[q]]
                bounds[1] = min(bounds[1], lost - slack)
                if lost <= target:
                    for j in range(n):
                        opened[j] = state[j] == CHOSEN or (state[j] == AVAILABLE and available <= left)
                    return FOUND
                break
            bound, least, last, after = ascend_maximal(
                row_start, row_site, site_start, site_row, weight, state, rows[:count], left,
                target + slack - lost, target - lost, steps, 0.5, PATIENCE, prices[depth], worth, share,
                among,
            )  # fmt: skip
            done += steps * entries * 2
            if lost + least <= target:
                for j in range(n):
                    opened[j] = state[j] == CHOSEN or (state[j] == AVAILABLE and among[j])
                numbers[3] = 1  # this node again, with a better target
                return FOUND
            bound += lost
            if bound > target + slack:
                bounds[1] = min(bounds[1], bound - slack)
                break
            moved = False
            for j in range(n):
                if state[j] != AVAILABLE:
                    continue
                # At a tie the edge is shared: neither branch costs anything, and nothing is fixed.
                if bound + last - worth[j] > target + slack:
                    bounds[1] = min(bounds[1], bound + last - worth[j] - slack)
                    exclude(j, site_start, site_row, state, choices, trail, numbers, spent)
                    moved = True
                elif bound + worth[j] - after > target + slack:
                    bounds[1] = min(bounds[1], bound + worth[j] - after - slack)
                    choose(j, site_start, site_row, one, state, times, trail, numbers, spent)
                    moved = True
            if moved:
                steps = AGAIN_STEPS
                continue
            score = -1.0
            for j in range(n):
                if state[j] == AVAILABLE:
                    undecided = (0.01 + min(share[j], 1.0 - share[j])) * worth[j]
                    if undecided > score:
                        score, branch = undecided, j
            break
        if branch >= 0:
            levels[depth, 0], levels[depth, 1], levels[depth, 2] = numbers[0], branch, 0
            numbers[1] += 1
