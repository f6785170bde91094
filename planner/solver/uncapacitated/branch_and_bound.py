"""Branch and bound over sites: best bound first, each node bounded by its own Lagrangian.

Only sites are branched on, and their number (:mod:`.nodes`): with them settled every client goes to the
nearest. The fewer sites are left, the more clients go the same way, so each node merges its own. Nodes are
few (reduced-cost fixing leaves little), so this loop is plain Python around kernels.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from planner.solver.covering import set_cover
from planner.solver.interrupt import late, stoppable
from planner.solver.uncapacitated.dual_ascent import FEW, price_limit
from planner.solver.uncapacitated.feasibility import settle_by_covering
from planner.solver.uncapacitated.fixing import shorten
from planner.solver.uncapacitated.instance import EMPTY, Flags, Instance, Ints, reached
from planner.solver.uncapacitated.lagrangian import CLOSED, FAR, OPEN
from planner.solver.uncapacitated.limits import Limits
from planner.solver.uncapacitated.local_search import NOTHING, interchange, value_of
from planner.solver.uncapacitated.nodes import Node, halves
from planner.solver.uncapacitated.reduction import merged
from planner.solver.uncapacitated.tighten import tighten

ROOT_ROUNDS, ROOT_ITERATIONS, ROOT_PATIENCE = 60, 50, 40
NODE_ROUNDS, NODE_ITERATIONS, NODE_PATIENCE = 2, 25, 5
FIRST_STEP = 1.0
"""Subgradient: rounds of so many steps, the step halved after so many without a better bound; it begins at
:data:`FIRST_STEP`, at a node as at the root: with 0.1 there, twice as many nodes are met.

At the root patience pays: with 10 instead of 40, one in five of OR-Library's p-medians stalls below a
relaxation that is integral, and takes branching by the thousand. A node starts from good multipliers.
"""

FIRST_ROUNDS, FIRST_ITERATIONS = 2, 12
"""Of a root with few clients (:data:`.dual_ascent.FEW`): after so few steps fixing often ends it already."""

MOVES, NODE_MOVES = 10_000, 3
"""Of the local search, from one start; at a node the choice is close to ones it came from before."""

ASCENTS = 16
"""Dual ascents at most to find the price of a limit."""

ROOT_ENDS = 0.02
"""The root is left when the step has become this small."""

Progress = Callable[[float, float], None]
"""Called as (incumbent, lower bound), in units."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``is_open`` (n,) and its ``value`` in units, :data:`NOTHING` without one; ``bound`` ≤ the optimum.

    ``complete``: the bound reached the value less the margin asked for. ``u`` (m,): the root's multipliers.
    """

    is_open: Flags
    value: int
    bound: int
    complete: bool
    u: Ints
    nodes: int


def solve(
    instance: Instance,
    limits: Limits,
    *,
    margin: Callable[[int], int],
    status: Flags | None = None,
    start: Flags | None = None,
    u: Ints | None = None,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """The best choice of sites, to within ``margin`` of its value (units).

    ``status``: sites settled beforehand; ``start``, ``u``: sites and multipliers of a neighbouring problem.
    ``deadline``: by ``time.perf_counter``. Ctrl-C ends the search like a deadline.
    """
    search = _Search(instance, limits, margin, deadline, progress)
    with stoppable():
        search.root(status, start, u)
        search.branch()
    return search.outcome()


class _Search:
    """One search: its incumbent, its open nodes, and the lists, which shorten as sites are settled."""

    def __init__(
        self,
        instance: Instance,
        limits: Limits,
        margin: Callable[[int], int],
        deadline: float | None,
        progress: Progress | None,
    ) -> None:
        self.instance, self.limits, self.deadline = instance, limits, deadline
        self.margin_of, self.progress = margin, progress
        self.keys, self.opening = instance.keys, instance.opening
        n = instance.sites
        self.best_open, self.value, self.margin = np.zeros(n, dtype=np.int8), int(NOTHING), 0
        self.tried, self.frequency = np.full(n, -1, dtype=np.int8), np.full(n, 0.5)
        self.nodes, self.explored, self.settled_bound = list[Node](), 0, int(FAR)
        self.current: int | None = -int(FAR)
        self.u = np.zeros(instance.clients, dtype=np.int64)
        self.interrupted = False

    @property
    def target(self) -> int:
        """A node with a bound this high holds nothing better than the incumbent, beyond the margin."""
        return self.instance.ceiling if self.value >= NOTHING else self.value - self.margin

    def root(self, status: Flags | None, start: Flags | None, u: Ints | None) -> None:
        """Dual ascent, a first incumbent, then subgradient steps until they stall; what is left is a node."""
        n = self.instance.sites
        status = np.zeros(n, dtype=np.int8) if status is None else status.copy()
        if status.any():
            self.keys = shorten(self.keys, self.instance.bits, status)
        if u is None:
            u, is_open = self.ascend(status)
            self.consider(status, is_open)
        else:
            u = u.copy()
        if start is not None:
            self.consider(status, start.copy())
        if not self.settle(status) or (self.value >= NOTHING and not self.cover(status)):
            self.current, self.settled_bound = None, int(FAR)
            return
        low, high = self.limits.low, self.limits.high
        bound, step = -int(FAR), FIRST_STEP
        out, width = np.count_nonzero(status == CLOSED), self.keys.shape[1]
        few = self.instance.clients <= FEW
        for done in range(ROOT_ROUNDS):
            iterations = FIRST_ITERATIONS if few and done < FIRST_ROUNDS else ROOT_ITERATIONS
            bound, step, free = self.tighten(
                self.keys, status, low, high, u, bound, step, ROOT_PATIENCE, 1, iterations, MOVES
            )
            self.current, self.u = bound, u
            if self.done(status, bound, free):
                return
            if late(self.deadline):
                self.interrupted = True
                return
            closed = np.count_nonzero(status == CLOSED)
            if (closed - out) * 5 > width:
                self.keys = shorten(self.keys, self.instance.bits, status)
                out, width = closed, self.keys.shape[1]
            if step < ROOT_ENDS:
                break
        every = np.arange(self.instance.clients)
        heapq.heappush(self.nodes, Node(bound, 0, status, low, high, every, u, self.frequency.copy()))
        self.current = None

    def cover(self, status: Flags) -> bool:
        """Start from the fewest, or cheapest, sites that reach everyone; False where even they break a
        limit."""
        limits, n = self.limits, self.instance.sites
        price = limits.price if limits.budget >= 0 else np.ones(n)
        price = np.where(status == OPEN, 0.0, price)
        left = None if self.deadline is None else max(0.0, self.deadline - time.perf_counter())
        fewest = set_cover(reached(self.keys, self.instance.bits, n), price, time_limit_s=left)
        is_open = np.zeros(n, dtype=np.int8)
        is_open[fewest.open] = 1
        if fewest.termination == "infeasible":
            return False
        # By the bound, not the cover: one that is cheaper within the tolerance of a proof may still fit.
        paid = (
            float(limits.price[status == OPEN].sum()) if limits.budget >= 0 else int((status == OPEN).sum())
        )
        if fewest.lower_bound + paid > (limits.budget if limits.budget >= 0 else limits.high):
            return False
        self.consider(status, is_open)
        return True

    def settle(self, status: Flags) -> bool:
        """Settle what masks and upper limits settle together; False where they leave no choice."""
        limits, n = self.limits, self.instance.sites
        if limits.budget >= 0:
            price, most = limits.price_units, limits.budget_units
        elif limits.high < n:
            price, most = np.ones(n, dtype=np.int64), limits.high
        else:
            return True
        masked = self.keys.shape[1] < 2 or bool((self.keys[:, -2] == EMPTY).any())
        return not masked or settle_by_covering(self.keys, self.instance.bits, status, price, most)

    def ascend(self, status: Flags) -> tuple[Ints, Flags]:
        """Multipliers and sites by dual ascent, the limit on the sites priced."""
        limits, n = self.limits, self.instance.sites
        opening = np.where(status == OPEN, 0, self.opening)  # paid already
        weight, high, dearest, all_of_it = np.ones(n, dtype=np.int64), limits.high, 1, n
        if limits.budget >= 0:
            weight, high = limits.price_units, limits.budget_units
            dearest, all_of_it = max(1, int(weight.max())), max(1, int(weight.sum()))
        most = self.instance.ceiling // dearest
        first = max(1, self.instance.ceiling // (64 * all_of_it))
        return price_limit(self.keys, self.instance.bits, opening, weight, high, first, most, ASCENTS)

    def tighten(
        self,
        keys: Ints,
        status: Flags,
        low: int,
        high: int,
        u: Ints,
        bound: int,
        step: float,
        patience: int,
        rounds: int,
        iterations: int,
        moves: int,
    ) -> tuple[int, float, int]:
        """One call of the kernel; the incumbent it finds is kept. Returns (bound, step, free sites)."""
        limits = self.limits
        bound, value, step, free = tighten(
            keys, self.instance.bits, self.opening, status, low, high,
            limits.price_units, limits.budget_units, limits.price, limits.budget,
            u, self.frequency, self.tried, self.best_open, self.value, bound, step,
            patience, rounds, iterations, moves, self.margin, self.instance.unit, self.instance.ceiling,
        )  # fmt: skip
        if value < self.value:
            self.value, self.margin = value, self.margin_of(value)
            if self.progress is not None:
                self.progress(value, bound)
        return bound, step, free

    def consider(self, status: Flags, is_open: Flags) -> None:
        """Improve a choice of sites by local search and keep it if it is the best so far."""
        limits = self.limits
        value = interchange(
            self.keys, self.instance.bits, self.opening, status, limits.low, limits.high,
            limits.price, limits.budget, is_open, MOVES,
        )  # fmt: skip
        if value < self.value:
            self.best_open, self.value, self.margin = is_open, value, self.margin_of(value)

    def done(self, status: Flags, bound: int, free: int) -> bool:
        """Whether nothing is left to branch on: closed by its bound, or settled site by site."""
        if bound < self.target and free == 0:
            is_open = (status == OPEN).astype(np.int8)
            if self.limits.kept_by(is_open):
                value = int(value_of(self.instance.keys, self.instance.bits, self.opening, is_open))
                if value < self.value:
                    self.best_open, self.value, self.margin = is_open, value, self.margin_of(value)
            # Nothing here is better than the incumbent, and without one there is nothing here at all.
            bound = self.value if self.value < NOTHING else self.target
        if bound < self.target:
            return False
        self.settled_bound = min(self.settled_bound, bound)
        self.current = None
        return True

    def branch(self) -> None:
        """Split the node of the lowest bound until no node is below the target."""
        while self.nodes and not self.interrupted:
            node = heapq.heappop(self.nodes)
            if node.bound >= self.target:
                self.settled_bound = min(self.settled_bound, node.bound)
                continue
            self.current = node.bound
            for status, low, high in halves(node):
                if late(self.deadline):
                    self.interrupted = True
                    return
                self.explored += 1
                self.frequency[:] = node.frequency
                self.explore(node, status, low, high)
            self.current = None

    def explore(self, node: Node, status: Flags, low: int, high: int) -> None:
        """Bound one half of a node; push it unless that closes it."""
        keys = shorten(self.keys, self.instance.bits, status)
        keys, first, u = merged(keys, self.instance.bits, node.first, node.u)
        bound, _, free = self.tighten(
            keys, status, low, high, u, node.bound, FIRST_STEP, NODE_PATIENCE, NODE_ROUNDS, NODE_ITERATIONS,
            NODE_MOVES,
        )  # fmt: skip
        waiting = self.current
        if not self.done(status, bound, free):
            half = Node(bound, self.explored, status, low, high, first, u, self.frequency.copy())
            heapq.heappush(self.nodes, half)
        self.current = waiting

    def outcome(self) -> Outcome:
        """What is known now."""
        bounds = [self.settled_bound, *(node.bound for node in self.nodes)]
        if self.current is not None:
            bounds.append(self.current)
        bound = min(bounds)
        complete = not self.interrupted and not self.nodes
        return Outcome(self.best_open, self.value, min(bound, self.value), complete, self.u, self.explored)
