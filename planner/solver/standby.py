"""Who stands in for whom, once the sites are open and everybody has one: backups that cost least.

What is left of the problem is how many instances each site runs beyond its own clients' need. Divisible
clients, of which those with the same backups and the same failures are one kind, give the instances by a
small integer programme; then the clients are dealt out whole, largest first, as in :mod:`whole_clients`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.sizing import OVERLOAD, instances_for
from planner.solver.loads import capacity_shares
from planner.solver.model import Model
from planner.solver.whole_clients import deal_out

Floats = NDArray[np.float64]

CLOSE = 1e-6
"""To this gap the instances are settled, of a programme with as many integers as sites are open."""

MOST_NODES = 200

LONGEST_S = 5.0

NEARLY, PENALTIES = 0.01, (0.1, 1.0)
"""With the instances given, a site is better not filled to the last hundredth of one; and not beyond."""


def find_backups(
    problem: Problem,
    is_open: NDArray[np.bool_],
    assignment: NDArray[np.intp],
    planned: Floats | None = None,
) -> NDArray[np.intp] | None:
    """(m,) each client's backup; None where somebody has none, or racks have no room.

    ``planned`` (n,): instances that are there anyway, and that had better be enough. They may break a rule
    all the same: whole clients fit less well than divisible ones.
    """
    assert problem.failover is not None
    sites = np.nonzero(is_open)[0]
    may = problem.failover.backups[:, sites] & ~problem.failover.together[assignment][:, sites]
    if not may.any(axis=1).all():
        return None
    fails = problem.failover.domains[:, assignment].T
    share, peak = problem.sizing.share, problem.sizing.peak_rps
    if peak <= 0:
        return np.asarray(sites[may.argmax(axis=1)], dtype=np.intp)
    load: Floats = np.bincount(assignment, weights=share, minlength=len(is_open))[sites].astype(np.float64)
    marks = np.packbits(np.hstack((fails, may)), axis=1)
    _, first, kind = np.unique(marks, axis=0, return_index=True, return_inverse=True)
    kind = kind.reshape(-1)
    brought: Floats = np.bincount(kind, weights=share, minlength=len(first)).astype(np.float64)
    there = None if planned is None else planned[sites]
    found = _divisible(problem, sites, load, fails[first], may[first], brought, there)
    if found is None:
        return None
    flow, room = found
    return np.asarray(sites[_dealt(share, kind, fails, may, flow, room)], dtype=np.intp)


def _divisible(
    problem: Problem,
    sites: NDArray[np.intp],
    load: Floats,
    fails: NDArray[np.bool_],
    may: NDArray[np.bool_],
    brought: Floats,
    there: Floats | None,
) -> tuple[Floats, Floats] | None:
    """(K, S) what each kind brings to each site, and (S,) the room there is beyond the site's own clients."""
    sizing, cloud, model = problem.sizing, problem.cloud[sites], Model()
    unit = sizing.peak_rps / sizing.rps_per_instance
    kind, site = np.nonzero(may & (brought > 0)[:, None])
    moved = model.block(np.zeros(len(kind)), upper=np.inf)
    heavy = np.nonzero(brought > 0)[0]
    place = np.full(len(brought), -1)
    place[heavy] = np.arange(len(heavy))
    model.rows(len(heavy), brought[heavy], brought[heavy], (place[kind], moved, 1.0))
    own = np.array([instances_for(each * sizing.peak_rps, sizing) for each in load], dtype=np.float64)
    room = capacity_shares(problem)[sites] - load
    if there is None:
        price = problem.cost.per_instance[sites] + 1e-6 * float(problem.cost.per_instance.max(initial=1.0))
        run = model.block(price, lower=own, upper=np.where(cloud, own + np.ceil(unit), own), integer=True)
    else:
        own = np.maximum(own, there)
    for domain in range(fails.shape[1]):
        gone = fails[kind, domain]
        for j in np.unique(site[gone]):
            moves = (0, moved[gone & (site == j)], 1.0)
            spare = room[j] if there is None or not cloud[j] else _spare(own[j], load[j], room[j], unit)
            if there is None and cloud[j]:
                model.rows(1, -np.inf, OVERLOAD / unit - load[j], moves, (0, run[j], -1.0 / unit))
            if not np.isfinite(spare):
                continue
            if there is None:
                model.rows(1, -np.inf, max(spare, 0.0), moves)
            else:  # what is too much, and what is nearly
                over = model.block(PENALTIES, upper=(NEARLY / unit, np.inf))
                model.rows(1, -np.inf, max(spare, 0.0) - NEARLY / unit, moves, (0, over, -1.0))
    outcome = model.solve(gap=CLOSE, time_limit_s=LONGEST_S, most_nodes=MOST_NODES)
    if outcome.x is None:
        return None
    if there is None:
        own = np.rint(outcome.x[run])
    flow = np.zeros(may.shape)
    flow[kind, site] = outcome.x[moved]
    return flow, np.where(cloud, _spare(own, load, room, unit), room)


def _spare(run: Any, load: Any, room: Any, unit: float) -> Any:
    """The share that so many instances carry besides a load, and no more than there is room for."""
    return np.minimum((run + OVERLOAD) / unit - load, room)


def _dealt(
    share: Floats,
    kind: NDArray[np.intp],
    fails: NDArray[np.bool_],
    may: NDArray[np.bool_],
    flow: Floats,
    room: Floats,
) -> NDArray[np.intp]:
    """(m,) a site's position for each client, those that fail together in the same ways at a time.

    Where ways overlap, the later ones have their divisible part kept free for them.
    """
    chosen = np.full(len(share), -1, dtype=np.intp)
    _, way = np.unique(np.packbits(fails, axis=1), axis=0, return_inverse=True)
    way = way.reshape(-1)
    way_of = np.zeros(len(flow), dtype=np.intp)
    way_of[kind] = way
    ways = [np.nonzero(way == each)[0] for each in range(int(way.max()) + 1)]
    planned = np.array([flow[way_of == each].sum(axis=0) for each in range(len(ways))])
    for each, clients in enumerate(ways):
        free = room.copy()
        for domain in np.nonzero(fails[clients[0]])[0]:
            others = [k for k, members in enumerate(ways) if k != each and fails[members[0], domain]]
            if others:
                free = np.minimum(free, room - planned[others].sum(axis=0))
        kinds, group = np.unique(kind[clients], return_inverse=True)
        wanted = np.column_stack((flow[kinds], np.zeros(len(kinds))))
        dealt = deal_out(
            np.argsort(-share[clients], kind="stable").astype(np.int64),
            np.ascontiguousarray(share[clients]),
            group.reshape(-1).astype(np.int64),
            wanted,
            np.zeros(len(room)),
            np.ascontiguousarray(may[clients]),
            np.ones((len(clients), len(room)), dtype=bool),
            np.zeros((len(clients), len(room))),
            free,
            np.inf,
            np.zeros(len(clients), dtype=bool),
            0,
        )
        chosen[clients] = dealt
        planned[each] = np.bincount(dealt, weights=share[clients], minlength=len(room))
    return chosen
