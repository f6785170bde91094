"""From divisible demand to whole clients, by rounding and small moves, compiled.

The divisible solution says how much of each group every site serves. Clients are dealt out largest first,
each to a site that still lacks as much (first fit decreasing). Then the smallest that help are moved until no
site is over its room and no more than the slack lies outside the SLO, as far as that goes; then single
clients move wherever that is cheaper and there is room.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.solver.compiled import compiled

Floats = NDArray[np.float64]

TINY = 1e-12
MOST_PUSHES = 200


@compiled
def _hops_to_room(
    hops: NDArray[np.int64], chosen: NDArray[np.int64], allowed: NDArray[np.bool_],
    inside: NDArray[np.bool_], free: Floats,
) -> None:  # fmt: skip
    """How many moves of single clients lie between each site and one with room; −1 = out of reach."""
    m, sites = allowed.shape
    link = np.zeros((sites, sites), dtype=np.bool_)
    for i in range(m):
        now = chosen[i]
        for j in range(sites):
            if allowed[i, j] and (inside[i, j] or not inside[i, now]):
                link[now, j] = True
    for j in range(sites):
        hops[j] = 0 if free[j] > 1e-6 else -1
    for depth in range(sites):
        for j in range(sites):
            if hops[j] < 0:
                for k in range(sites):
                    if hops[k] == depth and link[j, k]:
                        hops[j] = depth + 1
                        break


@compiled
def deal_out(
    order: NDArray[np.int64], share: Floats, group: NDArray[np.int64], wanted: Floats, far: Floats,
    allowed: NDArray[np.bool_], inside: NDArray[np.bool_], cost: Floats, room: Floats, slack: float,
    waiting: NDArray[np.bool_], rounds: int,
) -> NDArray[np.int64]:  # fmt: skip
    """(m,) a site for each client, −1 where none is allowed.

    ``order``: clients by falling share. ``wanted`` (G, S + 1): the share of each group to each site, last the
    share that goes outside the SLO; ``far`` (S,): how much of that each site takes. ``allowed``, ``inside``,
    ``cost`` (m, S); ``cost`` is per unit of share. ``room`` (S,): the share a site can take. ``waiting`` (m,)
    is filled in: whom no site lacked whole. ``rounds``: how often all are looked at for a cheaper site. The
    result may still break a limit.
    """
    m, sites = allowed.shape
    chosen = np.full(m, -1, dtype=np.int64)
    lacking, free = wanted.copy(), room.copy()
    beyond = 0.0
    outside = np.zeros(m, dtype=np.bool_)
    distant = far.copy()
    for i in order:
        best, most = -1, -np.inf
        fits = share[i] * (1.0 - 1e-9)
        for j in range(sites):
            if allowed[i, j] and lacking[group[i], j] >= fits and lacking[group[i], j] > most:
                best, most = j, lacking[group[i], j]
        if lacking[group[i], sites] >= fits and lacking[group[i], sites] > most:
            best = sites
        if best < 0:
            waiting[i] = True
            continue
        lacking[group[i], best] -= share[i]
        if best == sites:
            outside[i] = True
            beyond += share[i]
        else:
            chosen[i] = best
            free[best] -= share[i]
            if not inside[i, best]:
                beyond += share[i]
    for i in order:
        if not outside[i]:
            continue
        best, most = -1, share[i] * (1.0 - 1e-9)
        for j in range(sites):
            if allowed[i, j] and distant[j] >= most:
                best, most = j, distant[j]
        if best < 0:
            waiting[i] = share[i] > 0.0
            value = np.inf
            for j in range(sites):
                if allowed[i, j] and free[j] >= share[i] and cost[i, j] < value:
                    best, value = j, cost[i, j]
        if best < 0:
            for j in range(sites):
                if allowed[i, j] and (best < 0 or free[j] > free[best]):
                    best = j
        if best < 0:
            return chosen
        chosen[i] = best
        free[best] -= share[i]
        distant[best] -= share[i]
        if inside[i, best]:
            beyond -= share[i]
    # Those that no site lacked whole: within the SLO where there is room, else outside while that may be.
    for i in order:
        if not waiting[i] or chosen[i] >= 0:
            continue
        best = -1
        for j in range(sites):
            if allowed[i, j] and inside[i, j] and (best < 0 or free[j] > free[best]):
                best = j
        if best < 0 or (free[best] < share[i] and beyond + share[i] <= slack):
            beyond += share[i]
            for j in range(sites):
                if allowed[i, j] and (best < 0 or free[j] > free[best]):
                    best = j
            if best < 0:
                return chosen
            if inside[i, best]:
                beyond -= share[i]
        chosen[i] = best
        free[best] -= share[i]
    # Too much outside: bring in whom it costs least for what it brings.
    for _ in range(m):
        if beyond <= slack + TINY:
            break
        best, to, value = -1, -1, np.inf
        for i in range(m):
            if inside[i, chosen[i]] or share[i] <= 0.0:
                continue
            for j in range(sites):
                if inside[i, j] and allowed[i, j] and free[j] >= share[i]:
                    enough = min(share[i], beyond - slack)
                    price = ((cost[i, j] - cost[i, chosen[i]]) * share[i] + 1e-6 * share[i]) / enough
                    if price < value:
                        best, to, value = i, j, price
        if best < 0:
            break
        free[chosen[best]] += share[best]
        free[to] -= share[best]
        chosen[best] = to
        beyond -= share[best]
    # Too much at a site: push the excess, site by site, towards one that has room.
    hops = np.empty(sites, dtype=np.int64)
    for _ in range(MOST_PUSHES):
        over = -1
        for j in range(sites):
            if free[j] < -TINY and (over < 0 or free[j] < free[over]):
                over = j
        if over < 0:
            break
        _hops_to_room(hops, chosen, allowed, inside, free)
        if hops[over] < 0:
            break
        excess = -free[over]
        best, to, value = -1, -1, np.inf
        for i in range(m):
            if chosen[i] != over or share[i] <= 0.0:
                continue
            # The smallest client that is enough; of those that are not, the largest.
            misfit = share[i] - excess if share[i] >= excess else 4.0 * (excess - share[i])
            for j in range(sites):
                if not allowed[i, j] or hops[j] < 0 or hops[j] >= hops[over]:
                    continue
                if inside[i, over] and not inside[i, j] and beyond + share[i] > slack + TINY:
                    continue
                tight = max(share[i] - max(free[j], 0.0), 0.0)
                price = misfit + tight + 1e-12 * cost[i, j]
                if price < value:
                    best, to, value = i, j, price
        if best < 0:
            break
        if inside[best, over] and not inside[best, to]:
            beyond += share[best]
        elif inside[best, to] and not inside[best, over]:
            beyond -= share[best]
        free[over] += share[best]
        free[to] -= share[best]
        chosen[best] = to
    for _ in range(rounds):
        moved = False
        for i in order:
            now = chosen[i]
            best, value = -1, cost[i, now] - 1e-9
            for j in range(sites):
                if j == now or not allowed[i, j] or free[j] < share[i] or cost[i, j] >= value:
                    continue
                if inside[i, now] and not inside[i, j] and beyond + share[i] > slack + TINY:
                    continue
                best, value = j, cost[i, j]
            if best >= 0:
                if inside[i, now] and not inside[i, best]:
                    beyond += share[i]
                elif inside[i, best] and not inside[i, now]:
                    beyond -= share[i]
                free[now] += share[i]
                free[best] -= share[i]
                chosen[i] = best
                moved = True
        if not moved:
            break
    return chosen
