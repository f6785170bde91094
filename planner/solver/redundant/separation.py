"""Violated rows of N-1: for a point (x, y, s), what must hold when one failure domain D is lost and does not.

While D is down, share r_ij ≤ y_j − x_ij of client i moves to site j ∉ D where its backup is allowed, and
Σ_i d_i r_ij ≤ cap_j s_j. Such r exists if and only if a flow from the clients in D saturates every source;
by max-flow min-cut (Ford & Fulkerson 1956), if and only if for every set Q of clients and T of sites

    Σ_{i∈Q} d_i x_i(D)  ≤  Σ_{j∈T} cap_j s_j + Σ_{i∈Q, j∈B(i)\\(D∪T)} d_i (y_j − x_ij),

a Benders feasibility cut, linear in (x, y, s). A minimum cut gives the Q and T of a most violated one. For a
client without demand Q = {i}, T = ∅, weight 1 is what remains; this row is separated for every client, since
it is sparse and needs no flow (backup coverage, Hogan & ReVelle 1986).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from planner.solver.redundant.problem import Problem, members
from planner.solver.redundant.rows import RowPool

TOLERANCE = 1.0e-6
"""Rows violated by less, in units of their largest coefficient, count as kept."""

UNITS = 2.0**29
"""Flows are integers: the displaced demand of a domain is this many units."""

Entries = tuple[NDArray[np.intp], NDArray[np.float64]]


class Separator:
    """What of a problem the separation needs again and again, and the rows found so far."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.inside = members(problem.domains, problem.n)
        self._known: dict[bytes, int] = {}

    def separate(self, value: NDArray[np.float64], pool: RowPool) -> NDArray[np.intp]:
        """Rows of the pool, new or not, that ``value`` (a value per column) violates; empty if N-1 holds."""
        problem = self.problem
        y, spare = value[: problem.n], value[problem.n : 2 * problem.n]
        shares = problem.spread(value)
        found: list[Entries] = []
        for inside in self.inside:
            displaced = shares[:, inside].sum(axis=1)
            moved = np.flatnonzero(displaced > 1e-9)
            if not len(moved):
                continue
            may = problem.backup[moved] & ~inside
            left = np.where(may, np.maximum(y - shares[moved], 0.0), 0.0)
            lonely = displaced[moved] - left.sum(axis=1) > TOLERANCE
            found += [
                self._row(inside, moved[k : k + 1], may[k : k + 1], None) for k in np.flatnonzero(lonely)
            ]
            weighty = problem.demand[moved] > 0.0
            cut = self._cut(
                moved[weighty], displaced[moved[weighty]], left[weighty], np.where(inside, 0.0, spare)
            )
            if cut is not None:
                clients, sites = cut
                found.append(self._row(inside, clients, problem.backup[clients] & ~inside, sites))
        return self._keep(found, value, pool)

    def _cut(
        self,
        moved: NDArray[np.intp],
        displaced: NDArray[np.float64],
        left: NDArray[np.float64],
        spare: NDArray[np.float64],
    ) -> tuple[NDArray[np.intp], NDArray[np.bool_]] | None:
        """Q and T of a minimum cut that falls short, if any."""
        problem, count, n = self.problem, len(moved), self.problem.n
        need = problem.demand[moved] * displaced
        whole = float(need.sum())
        if whole <= 1e-12 * problem.total:
            return None
        client, site = np.nonzero(left > 0.0)
        room = np.minimum(problem.capacity * np.maximum(spare, 0.0), whole)
        sink = count + n + 1
        row = np.concatenate((np.zeros(count, np.intp), 1 + client, 1 + count + np.arange(n)))
        column = np.concatenate((1 + np.arange(count), 1 + count + site, np.full(n, sink)))
        arcs = np.concatenate((need, problem.demand[moved][client] * left[client, site], room))
        units = np.rint(np.minimum(arcs / whole, 1.0) * UNITS).astype(np.int32)
        network = csr_array((units, (row, column)), shape=(sink + 1, sink + 1))
        flow = maximum_flow(network, 0, sink)
        if units[:count].sum() - flow.flow_value <= 1e-7 * UNITS:
            return None
        residual = csr_array(network - flow.flow)
        residual.data = np.maximum(residual.data, 0)
        residual.eliminate_zeros()
        reached = np.zeros(sink + 1, dtype=bool)
        reached[breadth_first_order(residual, 0, return_predecessors=False)] = True
        return moved[reached[1 : 1 + count]], reached[1 + count : sink]

    def _row(
        self,
        inside: NDArray[np.bool_],
        clients: NDArray[np.intp],
        may: NDArray[np.bool_],
        sites: NDArray[np.bool_] | None,
    ) -> Entries:
        """Columns and coefficients of the row for Q = ``clients``, T = ``sites`` (None: ∅ with weight 1)."""
        problem, n = self.problem, self.problem.n
        weight = np.ones(len(clients)) if sites is None else problem.demand[clients]
        taken = np.zeros(n, dtype=bool) if sites is None else sites & ~inside
        single = may & ~taken
        q, j = np.nonzero((inside | single) & (problem.pair[clients] >= 0))
        x = problem.x_columns(problem.pair[clients[q], j])
        against = -(weight[:, None] * single).sum(axis=0)
        opened, spared = np.flatnonzero(against), np.flatnonzero(taken)
        column = np.concatenate((x, opened, n + spared))
        value = np.concatenate((weight[q], against[opened], -problem.capacity[spared]))
        return column, value / np.abs(value).max()

    def _keep(self, found: list[Entries], value: NDArray[np.float64], pool: RowPool) -> NDArray[np.intp]:
        known: list[int] = []
        fresh: dict[bytes, Entries] = {}
        for column, entries in found:
            if float(entries @ value[column]) <= TOLERANCE:
                continue
            order = np.argsort(column)
            key = column[order].tobytes() + entries[order].tobytes()
            if key in self._known:
                known.append(self._known[key])
            else:
                fresh[key] = (column, entries)
        if not fresh:
            return np.unique(np.array(known, dtype=np.intp))
        row = np.repeat(np.arange(len(fresh)), [len(column) for column, _ in fresh.values()])
        columns, entries = (np.concatenate([entry[k] for entry in fresh.values()]) for k in range(2))
        count = len(fresh)
        added = pool.add(row, columns.astype(np.intp), entries, np.full(count, -np.inf), np.zeros(count))
        self._known.update(zip(fresh, added.tolist(), strict=True))
        return np.unique(np.concatenate((added, np.array(known, dtype=np.intp))))
