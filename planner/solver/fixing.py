"""What opening a site costs at least: reduced-cost fixing by sites, from the duals of a linear programme.

The rows that join sites are priced at their duals; each site then stands alone with its own columns, and its
best use when open is a fractional knapsack for every number of instances. The sum over sites of what helps is
the Lagrangian bound; with one site forced open it is a bound on every plan that opens it (Geoffrion 1974;
Beasley 1993). Rows of a single site that the knapsack does not know are left out, which is safe.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.sizing import OVERLOAD
from planner.solver.gathering import Gathered
from planner.solver.highs import LinearProgram

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SiteBounds:
    """``bound``: on every plan. ``when_open`` (n,): on every plan in which that site is open."""

    bound: float
    when_open: Floats


def site_bounds(problem: Problem, lean: Gathered, program: LinearProgram) -> SiteBounds:
    """The bounds at the duals of the programme's last optimum."""
    n = len(problem.site_ids)
    owner = np.full(lean.model.width, -1, dtype=np.intp)
    owner[lean.columns.open] = np.arange(n)
    owner[lean.pair] = lean.pair_site
    owner[lean.pool] = lean.pool_site
    if lean.columns.instances.size:
        owner[lean.columns.instances] = np.arange(n)
    if lean.handover is not None:
        owner[lean.handover.carries] = np.arange(n)
    constant, reduced = program.priced(owner)
    columns = np.concatenate((lean.pair, lean.pool))
    at = np.concatenate((lean.pair_site, lean.pool_site))
    upper = np.ones(len(columns))
    upper[len(lean.pair) :] = lean.pool_most
    price = reduced[columns]
    if lean.handover is not None:  # a price of all that a site carries is one of each client's load
        unit = problem.sizing.peak_rps / problem.sizing.rps_per_instance
        brought = unit * np.concatenate((lean.share[lean.pair_group], np.ones(len(lean.pool))))
        price = price + reduced[lean.handover.carries[at]] * brought
    gain = -price * upper
    weight = upper * np.concatenate((lean.share[lean.pair_group], np.ones(len(lean.pool))))
    keep = gain > 0.0
    order = np.lexsort((-gain[keep] / np.maximum(weight[keep], 1e-300), at[keep]))
    gain, weight, at = gain[keep][order], weight[keep][order], at[keep][order]
    first = np.searchsorted(at, np.arange(n + 1))
    value = np.full(n, np.inf)
    for j in np.nonzero(problem.may_open)[0]:
        mine = slice(first[j], first[j + 1])
        value[j] = reduced[lean.columns.open[j]]
        if lean.columns.instances.size and problem.cloud[j]:
            running = reduced[lean.columns.instances[j]]
            value[j] += _best_use(problem, gain[mine], weight[mine], running)
        else:
            value[j] -= gain[mine].sum()
    bound = constant + float(np.minimum(value, 0.0).sum())
    return SiteBounds(bound, bound + np.maximum(value, 0.0))


def _best_use(problem: Problem, gain: Floats, weight: Floats, price: float) -> float:
    """min over n of price·n less what n instances can earn, the items sorted by gain per weight."""
    sizing = problem.sizing
    unit = sizing.peak_rps / sizing.rps_per_instance
    most = int(np.ceil(unit)) + sizing.min_instances
    count = np.arange(sizing.min_instances, most + 1)
    room = (count + OVERLOAD) / unit if unit > 0 else np.full(len(count), np.inf)
    filled, earned = np.concatenate(([0.0], np.cumsum(weight))), np.concatenate(([0.0], np.cumsum(gain)))
    return float((price * count - np.interp(room, filled, earned)).min())
