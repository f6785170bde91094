"""Bound and incumbent closing in on each other: subgradient steps, local search, reduced-cost fixing, in
turn."""

from __future__ import annotations

import numpy as np

from planner.solver.compiled import compiled
from planner.solver.uncapacitated.fixing import fix_sites
from planner.solver.uncapacitated.instance import Flags, Floats, Ints
from planner.solver.uncapacitated.lagrangian import FAR, FREE, subgradient
from planner.solver.uncapacitated.local_search import NOTHING, interchange


@compiled
def tighten(
    keys: Ints,
    bits: int,
    opening: Ints,
    status: Flags,
    low: int,
    high: int,
    price_units: Ints,
    budget_units: int,
    price: Floats,
    budget: float,
    u: Ints,
    frequency: Floats,
    tried: Flags,
    best_open: Flags,
    incumbent: int,
    bound: int,
    step: float,
    patience: int,
    rounds: int,
    iterations: int,
    moves: int,
    margin: int,
    unit: int,
    ceiling: int,
) -> tuple[int, int, float, int]:
    """``rounds`` rounds of ``iterations`` subgradient steps and up to ``moves`` moves. Returns (bound,
    incumbent, step, free sites).

    In place: ``u`` ends as the multipliers of the best bound, ``status`` holds what was settled on the way,
    ``best_open`` the incumbent's sites, ``tried`` the last choice the local search started from. Ends as soon
    as the bound reaches the incumbent less ``margin``, or every site is settled. Without an incumbent
    (:data:`NOTHING`) that is the ``ceiling``, above every solution: a bound that reaches it proves there is
    none.
    """
    m, n = keys.shape[0], len(opening)
    best_u, rho = u.copy(), np.empty(n, dtype=np.int64)
    chosen, trial = np.zeros(n, dtype=np.int8), np.zeros(n, dtype=np.int8)
    direction = np.zeros(m)
    here = -FAR
    for _ in range(rounds):
        target = incumbent - margin if incumbent < NOTHING else ceiling
        start = max(here, bound)
        aim = incumbent + (incumbent - start) // 16 if incumbent < NOTHING else start + abs(start) // 16 + 1
        now, step, worst, cheapest, _ = subgradient(
            keys, bits, opening, status, low, high, price_units, budget_units, u, direction, step, patience,
            iterations, aim, target, here, best_u, rho, chosen, frequency,
        )  # fmt: skip
        better = now > here
        here = now
        bound = max(bound, here)
        if here >= FAR or bound >= target:
            break
        same = True
        for j in range(n):
            trial[j] = chosen[j]
            same = same and chosen[j] == tried[j]
        if not same:
            tried[:] = chosen
            value = interchange(keys, bits, opening, status, low, high, price, budget, trial, moves)
            if value < incumbent:
                incumbent = value
                best_open[:] = trial
                target = incumbent - margin
                if bound >= target:
                    break
        if better:
            # Against the incumbent itself, not less the margin: bounds stay bounds of all that is better.
            limit = incumbent - (unit - 1) if incumbent < NOTHING else ceiling
            fix_sites(rho, chosen, status, low, high, worst, cheapest, here, limit)
        if step < 1e-4 or not (status == FREE).any():
            break
    free = 0  # counted whichever way the rounds ended: none means that the node is a leaf
    for j in range(n):
        if status[j] == FREE:
            free += 1
    u[:] = best_u
    return bound, incumbent, step, free
