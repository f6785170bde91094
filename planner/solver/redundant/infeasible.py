"""Why nothing is feasible, in words: the cheap checks first, then linear programmes with every site open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from planner.solver.redundant.problem import Problem, members
from planner.solver.redundant.routing import assign
from planner.solver.redundant.search import Search


def impossible(problem: Problem) -> str:
    """What the cheap checks find, else an empty text."""
    allowed = np.isfinite(problem.cost)
    if problem.min_open > problem.n:
        return f"{problem.min_open} sites must open; there are {problem.n}"
    nobody = np.flatnonzero(~allowed.any(axis=1))
    if len(nobody):
        return f"{_clients(nobody)} may be served by no site"
    if problem.m and problem.max_open == 0:
        return "no site may open"
    stranded = _without_backup(problem, allowed)
    if len(stranded):
        return (
            f"{_clients(stranded)} may be backed up by no site outside the failure domain of whichever serves"
        )
    return _too_small(problem, allowed)


def explain(search: Search) -> str:
    """What makes a problem infeasible that passed :func:`impossible`. Raises ``OutOfTimeError``."""
    problem = search.problem
    limited = problem.max_open < problem.n
    if limited:
        largest = np.sort(problem.capacity)[::-1][: problem.max_open]
        if float(largest.sum()) < float(problem.demand.sum()) * (1 - 1e-9):
            held, total = float(largest.sum()), float(problem.demand.sum())
            return f"the {problem.max_open} largest sites hold {held:.6g} of a demand of {total:.6g}"
        if assign(search, np.ones(problem.n, dtype=bool), any_number=True) is not None:
            return f"no {problem.max_open} sites serve every client and have room after every failure"
    return "even with every site open there is no room after every failure for the clients it displaces"


def _without_backup(problem: Problem, allowed: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Clients that no allowed site may serve, each failing with the only backups."""
    fit = allowed.copy()
    for inside in members(problem.domains, problem.n):
        lone = ~(problem.backup & ~inside).any(axis=1)
        fit[np.ix_(lone, inside)] = False
    return np.flatnonzero(~fit.any(axis=1))


def _too_small(problem: Problem, allowed: NDArray[np.bool_]) -> str:
    """Capacity, of all sites or of those some clients are confined to."""
    total = float(problem.demand.sum())
    held = float(problem.capacity.sum())
    if held < total * (1 - 1e-9):
        return f"all sites together hold {held:.6g} of a demand of {total:.6g}"
    for domain in problem.domains:
        left = held - float(problem.capacity[domain].sum())
        if left < total * (1 - 1e-9):
            return f"without {_sites(domain)} the others hold {left:.6g} of a demand of {total:.6g}"
    if total == 0.0:
        return ""
    clients = _confined(problem, allowed)
    if not len(clients):
        return ""
    where = allowed[clients].any(axis=0)
    need, room = float(problem.demand[clients].sum()), float(problem.capacity[where].sum())
    if room >= need * (1 - 1e-7):
        return ""
    only = _sites(np.flatnonzero(where))
    return f"{_clients(clients)} may be served by {only} only, which hold {room:.6g} of {need:.6g}"


def _confined(problem: Problem, allowed: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Clients whose allowed sites are together too small (Hall's condition, by a minimum cut)."""
    m, n = allowed.shape
    client, site = np.nonzero(allowed)
    sink = m + n + 1
    row = np.concatenate((np.zeros(m, np.intp), 1 + client, 1 + m + np.arange(n)))
    column = np.concatenate((1 + np.arange(m), 1 + m + site, np.full(n, sink)))
    arcs = np.concatenate((problem.demand, problem.demand[client], problem.capacity)) / problem.total
    units = np.rint(arcs * 2.0**29).astype(np.int32)
    network = csr_array((units, (row, column)), shape=(sink + 1, sink + 1))
    flow = maximum_flow(network, 0, sink)
    residual = csr_array(network - flow.flow)
    residual.data = np.maximum(residual.data, 0)
    residual.eliminate_zeros()
    reached = np.zeros(sink + 1, dtype=bool)
    reached[breadth_first_order(residual, 0, return_predecessors=False)] = True
    return np.flatnonzero(reached[1 : 1 + m])


def _clients(which: NDArray[np.intp]) -> str:
    return _named("client", which)


def _sites(which: NDArray[np.intp]) -> str:
    return _named("site", which)


def _named(what: str, which: NDArray[np.intp]) -> str:
    first = ", ".join(str(k) for k in which[:5])
    more = f" and {len(which) - 5} more" if len(which) > 5 else ""
    return f"{what}{'s' if len(which) > 1 else ''} {first}{more}"
