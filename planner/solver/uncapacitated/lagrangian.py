"""Lagrangian bounds: every client's demand relaxed with a multiplier (Cornuéjols, Fisher & Nemhauser 1977).

For any u (m,) the optimum is at least Σ_i u_i + min Σ_j ρ_j y_j over the allowed choices of sites, where
ρ_j = f_j − Σ_i max(0, u_i − c_ij) is the site's reduced cost. With bounds on how many sites are open the
inner minimum takes the smallest ρ_j (Beasley 1993); under a budget Σ_j b_j y_j ≤ B it is relaxed once more,
with the best multiplier λ ≥ 0 for the u at hand. u is improved by the subgradient method with the
deflection of Camerini, Fratta & Maffioli (1975).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.solver.compiled import compiled
from planner.solver.uncapacitated.instance import Flags, Ints

FREE, OPEN, CLOSED = 0, 1, -1
"""What is settled about a site: nothing, or that it is open, or that it is not."""

FAR = 2**61
"""More than any bound or reduced cost."""

LARGE = 2.0**60
"""Multipliers that sum to more than this are not looked at: a step went astray, and sums might overflow."""


@compiled
def safe_to_sum(values: Ints) -> bool:
    """Whether the values can be summed, and differences of costs with them, without leaving 64 bits."""
    total = 0.0
    for value in values:
        total += abs(float(value))
    return total < LARGE


@compiled
def reduced_costs(keys: Ints, bits: int, opening: Ints, u: Ints, rho: Ints, reach: Ints) -> int:
    """ρ (n,) into ``rho``; ``reach`` (m,): pairs cheaper than u_i. Returns Σ u; -1 where that is too
    large."""
    mask = (1 << bits) - 1
    top = 1 << (62 - bits)
    if not safe_to_sum(u):
        return -1
    total = 0
    for j in range(len(opening)):
        rho[j] = opening[j]
    for i in range(keys.shape[0]):
        here = u[i]
        total += here
        limit = min(here, top) << bits
        t = 0
        key = keys[i, 0]
        while key < limit:
            rho[key & mask] -= here - (key >> bits)
            t += 1
            key = keys[i, t]
        reach[i] = t
    return total


@compiled
def choose(rho: Ints, status: Flags, low: int, high: int, chosen: Flags) -> tuple[int, int, int]:
    """The cheapest ``low`` to ``high`` sites: (their sum, the dearest free one chosen, the cheapest not).

    Those two are -FAR and FAR where there is none. The sum is FAR where no choice is allowed.
    """
    n = len(rho)
    forced, free, negative = 0, 0, 0
    for j in range(n):
        chosen[j] = 0
        if status[j] == OPEN:
            chosen[j] = 1
            forced += 1
        elif status[j] == FREE:
            free += 1
            if rho[j] < 0:
                negative += 1
    least, most = max(low - forced, 0), min(high - forced, free)
    if most < least:
        return FAR, -FAR, FAR
    take = min(max(negative, least), most)
    limit = 0  # chosen: below the limit, and of those at it as many as are still wanted
    at_limit = 0
    if take != negative and take > 0:
        values = np.empty(free, dtype=np.int64)
        k = 0
        for j in range(n):
            if status[j] == FREE:
                values[k] = rho[j]
                k += 1
        limit = np.partition(values, take - 1)[take - 1]
        below = 0
        for k in range(free):
            if values[k] < limit:
                below += 1
        at_limit = take - below
    elif take == 0:
        limit = -FAR
    worst, best = -FAR, FAR
    value, size = 0, 0.0
    for j in range(n):
        here = rho[j]
        if status[j] == FREE:
            if here < limit or (here == limit and at_limit > 0):
                if here == limit:
                    at_limit -= 1
                chosen[j] = 1
                worst = max(worst, here)
            else:
                best = min(best, here)
        if chosen[j]:
            value += here
            size += abs(float(here))
    # Far from the optimum many sites may each be worth more than everything: no bound, and no overflow.
    return (value if size < LARGE else -FAR), worst, best


@compiled
def choose_within(
    rho: Ints, status: Flags, low: int, high: int, price: Ints, budget: int, chosen: Flags, priced: Ints
) -> tuple[int, int, int, int]:
    """As :func:`choose` with the budget relaxed at its best multiplier λ, which comes last.

    The value is concave in λ and its slope is what the choice spends beyond the budget, so bisection on λ
    finds the best one. ``priced`` receives ρ + λ b, of which the choice is the cheapest.
    """
    n = len(rho)
    spent = 0
    value, worst, best = choose(rho, status, low, high, chosen)
    for j in range(n):
        priced[j] = rho[j]
        spent += chosen[j] * price[j]
    if spent <= budget or value >= FAR:
        return value, worst, best, 0
    below, above = 0, 1
    kept = (value, worst, best, 0)
    limit = FAR // (2 * max(budget, 1) + 2 * price.sum())
    growing = True
    trial = np.empty(n, dtype=np.int64)
    picked = np.zeros(n, dtype=np.int8)
    while True:
        if growing:
            multiplier = above
        else:
            if above - below <= 1:
                break
            multiplier = below + (above - below) // 2
        for j in range(n):
            trial[j] = rho[j] + multiplier * price[j]
        sum_of_chosen, worst, best = choose(trial, status, low, high, picked)
        now = sum_of_chosen - multiplier * budget
        spent = 0
        for j in range(n):
            spent += picked[j] * price[j]
        if now > kept[0]:
            kept = (now, worst, best, multiplier)
            chosen[:] = picked
            priced[:] = trial
        if spent > budget:
            below = multiplier
            if growing:
                if multiplier >= limit // 16:
                    break
                above = multiplier * 8
        else:
            growing = False
            above = multiplier
            if spent == budget:
                break
    return kept


@compiled
def subgradient(
    keys: Ints,
    bits: int,
    opening: Ints,
    status: Flags,
    low: int,
    high: int,
    price: Ints,
    budget: int,
    u: Ints,
    direction: NDArray[np.float64],
    step: float,
    patience: int,
    iterations: int,
    aim: int,
    target: int,
    best: int,
    best_u: Ints,
    best_rho: Ints,
    best_chosen: Flags,
    frequency: NDArray[np.float64],
) -> tuple[int, float, int, int, int]:
    """Up to ``iterations`` steps from ``u``. Returns (best bound, step, dearest chosen, cheapest not, done).

    ``aim``: the value steps are sized for, a little above the optimum. ``best`` with ``best_u`` (m,),
    ``best_rho`` (n,) and ``best_chosen`` (n,): the best bound so far and its multipliers, updated in place;
    the two thresholds belong to it, -FAR and FAR when nothing was better. Stops at ``target``. ``step`` is
    halved after ``patience`` iterations without a better bound. ``frequency`` (n,): how often a site was
    chosen lately, an estimate of the relaxation's y_j. ``budget`` < 0: none.
    """
    m, n = keys.shape[0], len(opening)
    mask = (1 << bits) - 1
    rho, reach = np.empty(n, dtype=np.int64), np.empty(m, dtype=np.int64)
    priced = np.empty(n, dtype=np.int64)
    chosen = np.zeros(n, dtype=np.int8)
    slope = np.empty(m, dtype=np.int64)
    worst, cheapest = -FAR, FAR
    stalled, done = 0, 0
    while done < iterations:
        done += 1
        total = reduced_costs(keys, bits, opening, u, rho, reach)
        if total < 0:
            step *= 0.5
            u[:] = best_u
            direction[:] = 0.0
            if not safe_to_sum(u):
                u[:] = 0
            continue
        if budget < 0:
            value, high_in, low_out = choose(rho, status, low, high, chosen)
        else:
            value, high_in, low_out, _ = choose_within(rho, status, low, high, price, budget, chosen, priced)
        if value >= FAR:
            return FAR, step, -FAR, FAR, done
        bound = total + value
        for j in range(n):
            frequency[j] += 0.1 * (chosen[j] - frequency[j])
        if bound > best:
            if bound - best > (aim - best) * 1e-4:
                stalled = 0
            else:
                stalled += 1
            best = bound
            best_u[:] = u
            best_rho[:] = rho if budget < 0 else priced
            best_chosen[:] = chosen
            worst, cheapest = high_in, low_out
            if best >= target:
                break
        else:
            stalled += 1
        if stalled >= patience:
            stalled = 0
            step *= 0.5
            u[:] = best_u
            direction[:] = 0.0
            continue
        squares, along, before = 0.0, 0.0, 0.0
        for i in range(m):
            g = 1
            for t in range(reach[i]):
                g -= chosen[keys[i, t] & mask]
            slope[i] = g
            squares += g * g
            along += g * direction[i]
            before += direction[i] * direction[i]
        if squares == 0.0:
            break  # every client is served exactly once: the choice is optimal for what is relaxed
        deflect = -1.5 * along / before if along < 0.0 and before > 0.0 else 0.0
        norm = 0.0
        for i in range(m):
            d = slope[i] + deflect * direction[i]
            direction[i] = d
            norm += d * d
        length = step * (aim - bound) / norm
        for i in range(m):
            if direction[i] != 0.0:
                u[i] = np.int64(min(max(0.0, u[i] + length * direction[i]), LARGE))
    return best, step, worst, cheapest, done
