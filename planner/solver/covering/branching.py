"""Branch and bound for set covering, depth first, on the sites of the client with the fewest left.

Etcheberry 1977; Beasley 1987: the branches of a node open the sites of one uncovered client in turn, each
with those before it excluded. At each node clients with one site left take it, the Lagrangian bound is raised
by a few subgradient steps from the parent's prices, and sites are fixed by their reduced costs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.solver.compiled import compiled
from planner.solver.covering.lagrangian import AVAILABLE, CHOSEN, EXCLUDED, ascend

EXHAUSTED, FOUND, PAUSED = 0, 1, 2
"""How a slice of the search ended."""

NODE_STEPS = 200
"""Subgradient steps at a node at most. Measured: with 12 the trees had forty times the nodes."""

AGAIN_STEPS = 40
"""After sites have been fixed."""

PATIENCE = 20
"""Steps without a better bound after which the step length is halved."""


@compiled
def choose(
    j: int,
    site_start: NDArray[np.int64],
    site_row: NDArray[np.int64],
    cost: NDArray[np.float64],
    state: NDArray[np.int8],
    times: NDArray[np.int64],
    trail: NDArray[np.int64],
    numbers: NDArray[np.int64],
    spent: NDArray[np.float64],
) -> None:
    """Open site ``j`` and put that on the trail."""
    state[j] = CHOSEN
    spent[numbers[0] + 1] = spent[numbers[0]] + cost[j]
    trail[numbers[0]] = j
    numbers[0] += 1
    for e in range(site_start[j], site_start[j + 1]):
        times[site_row[e]] += 1


@compiled
def exclude(
    j: int,
    site_start: NDArray[np.int64],
    site_row: NDArray[np.int64],
    state: NDArray[np.int8],
    choices: NDArray[np.int64],
    trail: NDArray[np.int64],
    numbers: NDArray[np.int64],
    spent: NDArray[np.float64],
) -> None:
    """Rule site ``j`` out and put that on the trail."""
    state[j] = EXCLUDED
    spent[numbers[0] + 1] = spent[numbers[0]]
    trail[numbers[0]] = j
    numbers[0] += 1
    for e in range(site_start[j], site_start[j + 1]):
        choices[site_row[e]] -= 1


@compiled
def undo(
    mark: int,
    site_start: NDArray[np.int64],
    site_row: NDArray[np.int64],
    state: NDArray[np.int8],
    times: NDArray[np.int64],
    choices: NDArray[np.int64],
    trail: NDArray[np.int64],
    numbers: NDArray[np.int64],
) -> None:
    """Take back what is on the trail beyond ``mark``."""
    while numbers[0] > mark:
        numbers[0] -= 1
        j = trail[numbers[0]]
        if state[j] == CHOSEN:
            for e in range(site_start[j], site_start[j + 1]):
                times[site_row[e]] -= 1
        else:
            for e in range(site_start[j], site_start[j + 1]):
                choices[site_row[e]] += 1
        state[j] = AVAILABLE


@compiled
def search(
    row_start: NDArray[np.int64],
    row_site: NDArray[np.int64],
    site_start: NDArray[np.int64],
    site_row: NDArray[np.int64],
    cost: NDArray[np.float64],
    state: NDArray[np.int8],
    times: NDArray[np.int64],
    choices: NDArray[np.int64],
    trail: NDArray[np.int64],
    spent: NDArray[np.float64],
    levels: NDArray[np.int64],
    candidates: NDArray[np.int64],
    prices: NDArray[np.float64],
    numbers: NDArray[np.int64],
    bounds: NDArray[np.float64],
    work: int,
) -> int:
    """Go on searching for covers of at most the target until one is found, none is left, or ``work`` is done.

    ``numbers``: trail length, depth, nodes, entering. ``levels`` (depth, 4): trail mark, first, next and last
    candidate. ``prices`` (depth, m). ``bounds``: the target; the least bound by which a part of the
    tree was closed, less the slack; the slack a bound needs above the target. Where ``state`` is CHOSEN is
    the cover found.
    """
    m, n = len(row_start) - 1, len(cost)
    reduced, open_rows = np.empty(n), np.empty(m, dtype=np.int64)
    done = 0
    while True:
        if numbers[3] == 0:
            if numbers[1] == 0:
                return EXHAUSTED
            level = levels[numbers[1] - 1]
            undo(level[0], site_start, site_row, state, times, choices, trail, numbers)
            if level[2] == level[3]:
                numbers[1] -= 1
                continue
            if done > work:
                return PAUSED
            if level[2] > level[1]:
                before = candidates[level[2] - 1]
                exclude(before, site_start, site_row, state, choices, trail, numbers, spent)
                level[0] = numbers[0]
            chosen = candidates[level[2]]
            choose(chosen, site_start, site_row, cost, state, times, trail, numbers, spent)
            level[2] += 1
            prices[numbers[1]] = prices[numbers[1] - 1]
            numbers[2] += 1
        numbers[3] = 0
        depth, target = numbers[1], bounds[0] + bounds[2]
        closed, moved, steps = False, True, NODE_STEPS
        while moved and not closed:
            moved, count, branch = False, 0, -1
            # Clients with one site left take it, until there is none.
            forced = True
            while forced and not closed:
                forced, count, branch = False, 0, -1
                for i in range(m):
                    if times[i] > 0:
                        continue
                    if choices[i] == 0:
                        closed = True
                        break
                    if choices[i] == 1:
                        for e in range(row_start[i], row_start[i + 1]):
                            j = row_site[e]
                            if state[j] == AVAILABLE:
                                choose(j, site_start, site_row, cost, state, times, trail, numbers, spent)
                                break
                        forced = True
                        continue
                    open_rows[count] = i
                    count += 1
                    if branch < 0 or choices[i] < choices[branch]:
                        branch = i
                done += m
            if closed:
                break
            if spent[numbers[0]] > target:
                bounds[1] = min(bounds[1], spent[numbers[0]] - bounds[2])
                closed = True
                break
            if count == 0:
                return FOUND
            bound = ascend(
                row_start, row_site, site_start, site_row, cost, state, open_rows[:count],
                spent[numbers[0]], target, steps, 0.6, PATIENCE, prices[depth], reduced,
            )  # fmt: skip
            for k in range(count):
                done += steps * (row_start[open_rows[k] + 1] - row_start[open_rows[k]])
            if bound > target:
                bounds[1] = min(bounds[1], bound - bounds[2])
                closed = True
                break
            for j in range(n):
                if state[j] != AVAILABLE:
                    continue
                if reduced[j] > 0.0 and bound + reduced[j] > target:
                    bounds[1] = min(bounds[1], bound + reduced[j] - bounds[2])
                    exclude(j, site_start, site_row, state, choices, trail, numbers, spent)
                    moved = True
                elif reduced[j] < 0.0 and bound - reduced[j] > target:
                    bounds[1] = min(bounds[1], bound - reduced[j] - bounds[2])
                    choose(j, site_start, site_row, cost, state, times, trail, numbers, spent)
                    moved = True
            steps = AGAIN_STEPS
        if closed:
            continue
        first = 0 if depth == 0 else levels[depth - 1, 3]
        last = first
        for e in range(row_start[branch], row_start[branch + 1]):
            j = row_site[e]
            if state[j] == AVAILABLE:
                place = last
                while place > first and reduced[candidates[place - 1]] > reduced[j]:
                    candidates[place] = candidates[place - 1]
                    place -= 1
                candidates[place] = j
                last += 1
        levels[depth, 0], levels[depth, 1], levels[depth, 2], levels[depth, 3] = (
            numbers[0],
            first,
            first,
            last,
        )
        numbers[1] += 1
