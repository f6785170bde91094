"""Local search by adding, dropping and swapping sites, each move the best of its neighbourhood.

The fast interchange of Whitaker (1983) in the form of Resende & Werneck (2006): one pass over the clients
tells what every single move gains. Per client only the sites nearer than its second open site matter:

- ``loss[r]``: what closing r costs its clients, who go to their second nearest;
- ``gain[j]``: what opening j saves those for whom it is nearest;
- ``extra[r, j]``: what a swap saves beyond both, for clients of r who would go to j and not to their second.

A client with one open site in reach has no second: r may only be closed together with opening a site for each
such client (``lone`` counts them, ``relief[r, j]`` those that j would serve).
"""

from __future__ import annotations

import numpy as np

from planner.solver.compiled import compiled
from planner.solver.uncapacitated.instance import EMPTY, Flags, Floats, Ints
from planner.solver.uncapacitated.lagrangian import CLOSED, FREE, OPEN

NOTHING = 2**62
"""The value of a choice of sites that does not serve everyone, or breaks a limit."""


@compiled
def value_of(keys: Ints, bits: int, opening: Ints, is_open: Flags) -> int:
    """What a choice of sites costs in units; :data:`NOTHING` where a client has no open site."""
    mask = (1 << bits) - 1
    value = 0
    for j in range(len(opening)):
        if is_open[j]:
            value += opening[j]
    for i in range(keys.shape[0]):
        t = 0
        while keys[i, t] != EMPTY and not is_open[keys[i, t] & mask]:
            t += 1
        if keys[i, t] == EMPTY:
            return NOTHING
        value += keys[i, t] >> bits
    return value


@compiled
def served_by(cost: Floats, is_open: Ints) -> tuple[Ints, Floats]:
    """Each client's cheapest of ``is_open`` (k,), the first of equals, and what it pays: both (m,)."""
    m = len(cost)
    site, paid = np.empty(m, dtype=np.int64), np.empty(m)
    for i in range(m):
        row, nearest = cost[i], is_open[0]
        for j in is_open:
            if row[j] < row[nearest]:
                nearest = j
        site[i], paid[i] = nearest, row[nearest]
    return site, paid


@compiled
def serve_everyone(keys: Ints, bits: int, status: Flags, is_open: Flags) -> bool:
    """Open sites until every client has one: each time the one that serves most of those without. In
    place."""
    m, n = keys.shape[0], len(status)
    mask = (1 << bits) - 1
    while True:
        wanted = np.zeros(n, dtype=np.int64)
        missing = 0
        for i in range(m):
            t = 0
            while keys[i, t] != EMPTY and not is_open[keys[i, t] & mask]:
                t += 1
            if keys[i, t] == EMPTY:
                missing += 1
                for key in keys[i]:
                    if key == EMPTY:
                        break
                    wanted[key & mask] += 1
        if missing == 0:
            return True
        best = -1
        for j in range(n):
            if status[j] != CLOSED and not is_open[j] and wanted[j] > (0 if best < 0 else wanted[best]):
                best = j
        if best < 0:
            return False
        is_open[best] = 1


@compiled
def interchange(
    keys: Ints,
    bits: int,
    opening: Ints,
    status: Flags,
    low: int,
    high: int,
    price: Floats,
    budget: float,
    is_open: Flags,
    moves: int,
) -> int:
    """Improve ``is_open`` (n,) in place by at most ``moves`` moves; its value, or :data:`NOTHING`.

    Where it breaks a limit (too many or too few sites, over the ``budget`` Σ price; < 0: none), the moves
    first bring it within. Sites of ``status`` OPEN stay open, CLOSED closed.
    """
    m, n = keys.shape[0], len(opening)
    mask = (1 << bits) - 1
    for j in range(n):
        if status[j] == OPEN:
            is_open[j] = 1
        elif status[j] == CLOSED:
            is_open[j] = 0
    if not serve_everyone(keys, bits, status, is_open):
        return NOTHING
    loss, gain = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    lone, place = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    while True:
        count, spent, value = 0, 0.0, 0
        for j in range(n):
            loss[j] = gain[j] = lone[j] = 0
            if is_open[j]:
                place[j] = count
                count += 1
                spent += price[j]
                value += opening[j]
        extra = np.zeros((count, n), dtype=np.int64)
        relief = np.zeros((count, n), dtype=np.int32)
        for i in range(m):
            row = keys[i]
            t = 0
            while not is_open[row[t] & mask]:
                t += 1
            nearest = row[t] & mask
            first = row[t] >> bits
            second_at = t + 1
            while row[second_at] != EMPTY and not is_open[row[second_at] & mask]:
                second_at += 1
            value += first
            here = place[nearest]
            if row[second_at] != EMPTY:
                second = row[second_at] >> bits
                loss[nearest] += second - first
                for s in range(t):
                    j = row[s] & mask
                    gain[j] += first - (row[s] >> bits)
                    extra[here, j] += second - first
                for s in range(t + 1, second_at):
                    extra[here, row[s] & mask] += second - (row[s] >> bits)
            else:
                lone[nearest] += 1
                for s in range(t):
                    j = row[s] & mask
                    gain[j] += first - (row[s] >> bits)
                    relief[here, j] += 1
                for s in range(t + 1, second_at):
                    j = row[s] & mask
                    relief[here, j] += 1
                    extra[here, j] += first - (row[s] >> bits)
        over = count > high or (budget >= 0 and spent > budget)
        under = count < low
        if moves <= 0:
            return NOTHING if over or under else value
        moves -= 1
        best = NOTHING if over or under else 0
        add, drop = -1, -1
        if over:
            # Dropping is rated by what it costs for each unit of the limit that it frees.
            rate = np.inf
            for r in range(n):
                if is_open[r] and status[r] == FREE and lone[r] == 0:
                    freed = 1.0 if count > high else price[r]
                    if freed > 0 and (loss[r] - opening[r]) / freed < rate:
                        rate, drop = (loss[r] - opening[r]) / freed, r
        if not over:
            for j in range(n):
                if is_open[j] or status[j] != FREE or count >= high:
                    continue
                if budget >= 0 and spent + price[j] > budget:
                    continue
                if opening[j] - gain[j] < best:
                    best, add, drop = opening[j] - gain[j], j, -1
        if not over and not under and count > low:
            for r in range(n):
                if is_open[r] and status[r] == FREE and lone[r] == 0 and loss[r] - opening[r] < best:
                    best, add, drop = loss[r] - opening[r], -1, r
        if not under:
            for r in range(n):
                # Over a limit, a swap is made where nothing can be dropped, and only if it frees some of it.
                if not is_open[r] or status[r] != FREE or (over and drop >= 0):
                    continue
                here = place[r]
                without = loss[r] - opening[r]
                for j in range(n):
                    if is_open[j] or status[j] != FREE or relief[here, j] < lone[r]:
                        continue
                    if (
                        budget >= 0
                        and spent + price[j] - price[r] > budget
                        and (not over or price[j] >= price[r])
                    ):
                        continue
                    change = without + opening[j] - gain[j] - extra[here, j]
                    if change < best and not (over and count > high):
                        best, add, drop = change, j, r
        if add < 0 and drop < 0:
            return NOTHING if over or under else value
        if add >= 0:
            is_open[add] = 1
        if drop >= 0:
            is_open[drop] = 0
