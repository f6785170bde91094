"""Dual ascent for the uncapacitated problem (Erlenkotter 1978; Bilde & Krarup 1977).

The dual of the strong relaxation asks for u (m,), as large as possible in sum, with Σ_i max(0, u_i − c_ij)
≤ f_j for every site. What is left of f_j is the site's slack. Clients are raised in turn, a few levels of
their sorted list at a time, as far as the slacks allow; a client is blocked once a site within its reach
has none left. Sites without slack are those a good solution opens.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.solver.compiled import compiled
from planner.solver.uncapacitated.instance import EMPTY, Flags, Ints

FEW, ADJUSTMENTS = 200, 2
"""Up to so many clients the dual is adjusted, so many times: that often saves a small problem its subgradient
steps; with more clients those are cheaper."""


@compiled
def ascend(keys: Ints, bits: int, slack: Ints, u: Ints, reach: Ints, spared: int) -> int:
    """Raise ``u`` until every client is blocked; ``slack`` (n,) is used up, nothing negative. In place.

    ``reach`` (m,): how many of the client's pairs cost at most u_i, kept up to date. ``spared``: a client
    left as it is; -1 for none. Returns Σ u.
    """
    m = keys.shape[0]
    mask = (1 << bits) - 1
    blocked = np.zeros(m, dtype=np.int8)
    left = m
    if spared >= 0:
        blocked[spared] = 1
        left -= 1
    while left > 0:
        for i in range(m):
            if blocked[i]:
                continue
            row, now = keys[i], u[i]
            # The highest u at which no site within reach is overdrawn; but only a few levels further each
            # time. Level by level would be fairer still to the others, and quadratic in the list.
            last = reach[i] + reach[i] // 8
            within, stopped, most = 0, False, EMPTY
            while row[within] != EMPTY and row[within] >> bits < most:
                price = row[within] >> bits
                if within >= last:
                    most, stopped = price, True
                    break
                most = min(most, slack[row[within] & mask] + max(price, now))
                within += 1
            if most > now:
                for t in range(within):
                    price = row[t] >> bits
                    if price >= most:
                        break
                    slack[row[t] & mask] -= most - max(price, now)
                u[i] = most
            while row[within] >> bits <= most and row[within] != EMPTY:
                within += 1
            reach[i] = within
            if not stopped:
                blocked[i] = 1
                left -= 1
    total = 0
    for i in range(m):
        total += u[i]
    return total


@compiled
def tight_sites(keys: Ints, bits: int, slack: Ints, u: Ints) -> NDArray[np.int8]:
    """A small set of sites without slack that reaches every client (the primal half of Erlenkotter's method).

    First the sites that are some client's only one within u_i; then, client by client, the cheapest for
    whoever is not reached yet. Clients that no tight site reaches are left to the local search.
    """
    m = keys.shape[0]
    mask = (1 << bits) - 1
    is_open = np.zeros(len(slack), dtype=np.int8)
    for i in range(m):
        only, count, t = -1, 0, 0
        while keys[i, t] >> bits <= u[i] and keys[i, t] != EMPTY:
            j = keys[i, t] & mask
            if slack[j] <= 0:
                count += 1
                only = j
            t += 1
        if count == 1:
            is_open[only] = 1
    for i in range(m):
        first, t, reached = -1, 0, False
        while keys[i, t] >> bits <= u[i] and keys[i, t] != EMPTY:
            j = keys[i, t] & mask
            if is_open[j]:
                reached = True
                break
            if slack[j] <= 0 and first < 0:
                first = j
            t += 1
        if not reached and first >= 0:
            is_open[first] = 1
    return is_open


@compiled
def adjust(keys: Ints, bits: int, slack: Ints, u: Ints, reach: Ints, is_open: Flags) -> None:
    """Erlenkotter's dual adjustment, one round over the clients; in place, Σ u never falls.

    A client that several open sites would serve for less than u_i breaks complementary slackness: it holds
    down more than one other. Lowered by a level, it leaves slack with each of them for others to use; then it
    takes back what is left.
    """
    mask = (1 << bits) - 1
    for i in range(keys.shape[0]):
        row, now = keys[i], u[i]
        serving, lower = 0, 0
        for t in range(reach[i]):
            if row[t] >> bits < now:
                serving += is_open[row[t] & mask]
                lower = row[t] >> bits
        if serving < 2:
            continue
        total = u.sum()
        kept_u, kept_slack, kept_reach = u.copy(), slack.copy(), reach.copy()
        below = 0
        for t in range(reach[i]):
            price = row[t] >> bits
            if price < now:
                slack[row[t] & mask] += now - max(price, lower)
            if price <= lower:
                below += 1
        u[i], reach[i] = lower, below
        ascend(keys, bits, slack, u, reach, i)
        if ascend(keys, bits, slack, u, reach, -1) < total:
            u[:], slack[:], reach[:] = kept_u, kept_slack, kept_reach


@compiled
def price_limit(
    keys: Ints, bits: int, opening: Ints, weight: Ints, high: int, first: int, most: int, steps: int
) -> tuple[Ints, Flags]:
    """u (m,) and sites of the ascent that proves most where the total ``weight`` is at most ``high``.

    A limit on the open sites is a price λ on their weight (1 each where they are counted, their cost under
    a budget), added to the opening costs. The ascent at a price proves Σ u − λ ``high``, and that, not what
    its sites weigh, tells a good price: they are a rough choice, and may still weigh too much at twice the
    price. It is sought from ``first`` up to ``most`` in at most ``steps`` ascents: fourfold while that proves
    more, then between the neighbours of the best. The search ends when those are near.
    """
    m, n = keys.shape[0], len(opening)
    best_u, best_open = np.zeros(m, dtype=np.int64), np.zeros(n, dtype=np.int8)
    below, middle, above, price = 0, 0, -1, 0
    best = 0.0
    for step in range(steps):
        u, reach = np.zeros(m, dtype=np.int64), np.zeros(m, dtype=np.int64)
        slack = np.empty(n, dtype=np.int64)
        for j in range(n):
            slack[j] = max(opening[j] + price * weight[j], 0)
        total = ascend(keys, bits, slack, u, reach, -1)
        is_open = tight_sites(keys, bits, slack, u)
        if m <= FEW and price == 0:
            for _ in range(ADJUSTMENTS):
                adjust(keys, bits, slack, u, reach, is_open)
                is_open = tight_sites(keys, bits, slack, u)
        proven = float(total) - float(price) * high
        if step == 0 or proven > best:
            if price > middle:
                below = middle
            elif price < middle:
                above = middle
            best, best_u, best_open, middle = proven, u, is_open, price
        elif price > middle:
            above = price
        else:
            below = price
        if step == 0:
            weighs = 0
            for j in range(n):
                if is_open[j]:
                    weighs += weight[j]
            if weighs <= high:
                break  # within the limit; where more sites are asked for than pay, the local search adds them
        if above < 0:
            if price >= most:
                break  # no price brings it down: masks hold the sites open
            price = first if price == 0 else min(price * 4, most)
        else:
            up, down = above - middle, middle - below
            if max(up, down) * 64 <= middle or max(up, down) <= 1:
                break
            price = middle + up // 2 if up > down else middle - down // 2
    return best_u, best_open
