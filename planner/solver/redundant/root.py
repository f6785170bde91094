"""The root bound: a weak LP over the pairs that look cheap, rows and pairs added where they are missing.

x_ij ≤ y_j are added where violated, pairs where their reduced cost is negative, and rows of N-1 by minimum
cuts, until the Lagrangian bound of the duals has all but met the LP (Avella, Boccia, Sforza & Vasil'ev 2009
close capacitated instances of this size in the same way).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.solver.redundant.lagrangian import Bound
from planner.solver.redundant.linear import Point, Programme
from planner.solver.redundant.problem import Problem
from planner.solver.redundant.search import Search

FIRST_PAIRS = 12
"""Cheapest sites per client in the first LP."""

MOST_PRICED = 4
"""Pairs of negative reduced cost added per client and round."""

VIOLATED = 1.0e-5
CALM = 3
"""Rounds with little progress before rows are added no more."""


def first_pairs(problem: Problem, per_client: int) -> NDArray[np.intp]:
    """Pairs of the sites cheapest for each client, each site's opening cost spread over its capacity."""
    unit = problem.opening / np.where(problem.capacity > 0, problem.capacity, np.inf)
    cost = problem.cost + problem.demand[:, None] * unit
    count = min(per_client, problem.n)
    cheapest = (
        np.argpartition(cost, count - 1, axis=1)[:, :count] if count else np.empty((problem.m, 0), np.intp)
    )
    pairs = np.take_along_axis(problem.pair, cheapest, axis=1).ravel()
    return np.sort(pairs[pairs >= 0])


def programme(search: Search, pairs: NDArray[np.intp]) -> Programme:
    """The LP over all sites and these pairs, with every row of the pool."""
    columns = np.concatenate((np.arange(2 * search.problem.n), search.problem.x_columns(pairs)))
    return Programme(
        search.problem, search.pool, columns, np.arange(len(search.pool)), search.lower, search.upper
    )


def solve_root(search: Search) -> tuple[Programme, Bound] | None:
    """The LP at its end and its best Lagrangian bound; None: infeasible, whatever is opened."""
    problem = search.problem
    lp = programme(search, first_pairs(problem, FIRST_PAIRS))
    best: Bound | None = None
    calm, before, rounds = 0, -np.inf, 0
    while True:
        point = lp.solve(search.deadline)
        if point.ended == "infeasible":
            missing = np.flatnonzero(lp.position[2 * problem.n :] < 0)
            if not len(missing):
                return None
            lp.add_pairs(missing)
            continue
        bound = search.learn(point.dual)
        if best is None or bound.value >= best.value:
            best = bound
        search.tell("root")
        priced = _price(lp, bound.pair)
        lp.add_pairs(priced)
        linked = _violated_links(lp, point)
        lp.add_links(linked)
        covers = search.covers.separate(point.value[: problem.n], search.pool)
        cuts = search.separator.separate(point.value, search.pool)
        rounds += 1
        if rounds % 5 == 0 and point.objective > before:
            lp.purge()
        lp.add_rows(np.union1d(cuts, covers))
        step = point.objective - before
        calm = calm + 1 if abs(step) < 0.05 * search.gap * abs(point.objective + search.offset) else 0
        before = point.objective
        if not (len(priced) or len(linked) or len(cuts) or len(covers)) or calm >= CALM:
            return lp, best


def _price(lp: Programme, reduced: NDArray[np.float64]) -> NDArray[np.intp]:
    """The most negative reduced costs of each client among the pairs that are not in the LP."""
    problem = lp.problem
    out = np.flatnonzero((lp.position[2 * problem.n :] < 0) & (reduced < -1e-6))
    order = out[np.lexsort((reduced[out], problem.client[out]))]
    client = problem.client[order]
    first = np.flatnonzero(np.diff(client, prepend=-1))
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    return np.sort(order[rank < MOST_PRICED])


def _violated_links(lp: Programme, point: Point) -> NDArray[np.intp]:
    problem = lp.problem
    x = point.value[2 * problem.n :]
    return np.flatnonzero(x - point.value[problem.site] > VIOLATED)
