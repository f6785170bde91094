"""A point of the problem: which sites are open and who is served from where; its value and its rows."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.recovery import Arrangement
from planner.rules import Cover, Row
from planner.sizing import instances_for
from planner.solver.interrupt import stop_asked
from planner.solver.loads import capacity_shares
from planner.solver.model import Termination

TOLERANCE = 1e-6
"""Relative, on sums; the same as HiGHS's feasibility tolerance."""


@dataclass(frozen=True, slots=True)
class State:
    """What a solve leaves for the next one, of a problem a little different.

    The names stand beside, since clients and sites may come and go. ``linked`` (k, 2): client and site of the
    rows x ≤ y that mattered. ``stays``: the placement is one that people run, and to move has a price; where
    it is as good as any within the gap, it is to be the answer.
    """

    client_ids: tuple[str, ...]
    site_ids: tuple[str, ...]
    open: NDArray[np.bool_]
    assignment: NDArray[np.intp]
    linked: NDArray[np.intp]
    stays: bool = False

    @staticmethod
    def of(open_sites: Collection[str], served: Mapping[str, str]) -> State:
        """Of a plan people run, by names: the open sites, and each client's site, which is among them."""
        sites = tuple(open_sites)
        place = {name: j for j, name in enumerate(sites)}
        assignment = np.array([place[site] for site in served.values()], dtype=np.intp)
        linked = np.column_stack((np.arange(len(assignment)), assignment))
        return State(tuple(served), sites, np.ones(len(sites), dtype=bool), assignment, linked, stays=True)


@dataclass(frozen=True, slots=True)
class Decision:
    """``open`` (n,) bool; ``assignment`` (m,): site index per client. None of both without a feasible point.
    ``backup`` (m,): the site that takes each client over, where failures are to be survived.

    ``lower_bound`` is proven for ``objective`` in the problem's own unit (USD per month, or ms). ``state``:
    what to start the next solve from. ``arrangement``: the problem's option that it decides.
    """

    open: NDArray[np.bool_] | None
    assignment: NDArray[np.intp] | None
    objective: float
    lower_bound: float
    termination: Termination
    seconds: float
    state: State | None = field(default=None, compare=False, repr=False)
    backup: NDArray[np.intp] | None = None
    arrangement: Arrangement | None = None

    @property
    def gap(self) -> float:
        """(objective − lower_bound) / |objective|."""
        return max(self.objective - self.lower_bound, 0.0) / max(abs(self.objective), 1e-9)


@dataclass(frozen=True, slots=True)
class Tally:
    """What a placement amounts to: per site the share of demand, the whole instances; and the money."""

    share: NDArray[np.float64]
    instances: NDArray[np.int64]
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Deadline:
    """When to stop; ``None`` never, unless somebody asks to (:mod:`planner.solver.interrupt`)."""

    at: float | None

    @staticmethod
    def after(seconds: float | None) -> Deadline:
        """A deadline that many seconds from now."""
        return Deadline(None if seconds is None else time.perf_counter() + seconds)

    def put_off(self, seconds: float) -> Deadline:
        """The same, so much later."""
        return Deadline(None if self.at is None else self.at + seconds)

    def sooner(self, other: Deadline) -> Deadline:
        """Whichever of the two comes first."""
        ends = [each.at for each in (self, other) if each.at is not None]
        return Deadline(min(ends, default=None))

    @property
    def remaining_s(self) -> float | None:
        """Seconds left, None without a limit; none once somebody asked to stop."""
        if stop_asked():
            return 0.0
        return None if self.at is None else self.at - time.perf_counter()

    def passed(self) -> bool:
        """Whether nothing is left."""
        left = self.remaining_s
        return left is not None and left <= 0


def tally(
    problem: Problem,
    is_open: NDArray[np.bool_],
    assignment: NDArray[np.intp],
    backup: NDArray[np.intp] | None = None,
) -> Tally:
    """Count shares, whole instances and cost of a placement, from the assignment itself.

    With backups an open site runs what it needs while the failure that sends it most lasts.
    """
    share = np.bincount(assignment, weights=problem.sizing.share, minlength=len(problem.site_ids)).astype(
        np.float64
    )
    load = share * problem.sizing.peak_rps
    if problem.failover is not None and backup is not None:
        load = load + problem.sizing.peak_rps * most_handed(problem, assignment, backup)
    instances = np.zeros(len(load), dtype=np.int64)
    for j in np.nonzero(is_open)[0]:
        instances[j] = instances_for(load[j], problem.sizing)
    cost = (
        problem.cost.fixed * is_open + problem.cost.per_instance * instances + problem.cost.per_share * share
    )
    return Tally(share, instances, float(cost.sum()) + volume_usd(problem, is_open, share))


def at_their_best(problem: Problem) -> float:
    """A bound that needs no solver: everybody at the site that is best for it alone; inf where somebody has
    none. Of costs it counts the least rate of a share alone."""
    merit = problem.latency_ms
    if problem.minimize == "cost":
        merit = np.broadcast_to(problem.cost.per_share, merit.shape)
    best = np.where(problem.allowed, merit, np.inf).min(axis=1)
    if not np.isfinite(best).all():
        return np.inf
    return float(best.max() if problem.minimize == "max_latency" else problem.sizing.share @ best)


def volume_usd(problem: Problem, is_open: NDArray[np.bool_], share: NDArray[np.float64]) -> float:
    """The part of the cost that falls with volume, above its least rate."""
    lines = problem.cost.lines
    return 0.0 if lines is None else float(lines.of(share)[is_open].sum())


def most_handed(
    problem: Problem, assignment: NDArray[np.intp], backup: NDArray[np.intp]
) -> NDArray[np.float64]:
    """(n,) the most any one failure hands over to each site, as a share of demand."""
    assert problem.failover is not None
    n = len(problem.site_ids)
    domain, client = np.nonzero(problem.failover.domains[:, assignment])
    count = len(problem.failover.domains)
    handed = np.bincount(
        domain * n + backup[client], weights=problem.sizing.share[client], minlength=count * n
    )
    return np.asarray(handed.reshape(count, n).max(axis=0, initial=0.0), dtype=np.float64)


def objective_of(
    problem: Problem,
    is_open: NDArray[np.bool_],
    assignment: NDArray[np.intp],
    backup: NDArray[np.intp] | None = None,
) -> float:
    """The value of a placement in the problem's own objective."""
    if problem.minimize == "cost":
        return tally(problem, is_open, assignment, backup).cost_usd
    latency = problem.latency_ms[np.arange(len(assignment)), assignment]
    if problem.minimize == "max_latency":
        return float(latency.max())
    return float((problem.sizing.share * latency).sum())


def activity(
    problem: Problem,
    row: Row,
    is_open: NDArray[np.bool_],
    assignment: NDArray[np.intp],
    backup: NDArray[np.intp] | None = None,
) -> float:
    """The left-hand side of a row at a placement."""
    return _activity(problem, row, is_open, assignment, tally(problem, is_open, assignment, backup))


def _activity(
    problem: Problem, row: Row, is_open: NDArray[np.bool_], assignment: NDArray[np.intp], counted: Tally
) -> float:
    value = 0.0
    if row.site is not None:
        value += float(row.site @ is_open)
    if row.instance is not None:
        value += float(row.instance @ counted.instances)
    if row.pair is not None:
        if row.pair.ndim == 1:
            value += float(row.pair @ counted.share)
        else:
            value += float(row.pair[np.arange(len(assignment)), assignment] @ problem.sizing.share)
    if row.volume:
        value += row.volume * volume_usd(problem, is_open, counted.share)
    return value


def broken_rules(
    problem: Problem,
    is_open: NDArray[np.bool_],
    assignment: NDArray[np.intp],
    backup: NDArray[np.intp] | None = None,
) -> tuple[str, ...]:
    """Names of the rules a placement breaks; "allowed" when a pair or site is not allowed at all."""
    broken = []
    if (is_open & ~problem.may_open).any() or not is_open[assignment].all():
        broken.append("allowed")
    if not problem.allowed[np.arange(len(assignment)), assignment].all():
        broken.append("allowed")
    if problem.failover is not None and _not_survived(problem, is_open, assignment, backup):
        broken.append("survive")
    counted = tally(problem, is_open, assignment, backup)
    for rule, row in problem.rows:
        value = _activity(problem, row, is_open, assignment, counted)
        scale = max(1.0, *(abs(bound) for bound in (row.low, row.high) if np.isfinite(bound)))
        if row.site is not None and row.pair is not None:  # a capacity: its size stands on the site
            scale = max(scale, float(np.abs(row.site).max()))
        if value < row.low - TOLERANCE * scale or value > row.high + TOLERANCE * scale:
            broken.append(rule)
    broken += [rule for rule, cover in problem.covers if groups_hit(cover, is_open) < cover.at_least]
    return tuple(dict.fromkeys(broken))


def _not_survived(
    problem: Problem,
    is_open: NDArray[np.bool_],
    assignment: NDArray[np.intp],
    backup: NDArray[np.intp] | None,
) -> bool:
    """Whether some client lacks its backup, or some rack the room for what it may be handed."""
    assert problem.failover is not None
    if backup is None or (backup < 0).any():
        return True
    rows = np.arange(len(backup))
    sound = problem.failover.backups[rows, backup] & is_open[backup]
    if not (sound & ~problem.failover.together[assignment, backup]).all():
        return True
    share = np.bincount(assignment, weights=problem.sizing.share, minlength=len(is_open))
    worst = share + most_handed(problem, assignment, backup)
    return bool((worst > capacity_shares(problem) * (1 + TOLERANCE)).any())


def groups_hit(cover: Cover, is_open: NDArray[np.bool_]) -> int:
    """How many of the groups have an open site."""
    return int((cover.groups & is_open).any(axis=1).sum())


def close_unused(
    problem: Problem,
    is_open: NDArray[np.bool_],
    assignment: NDArray[np.intp],
    backup: NDArray[np.intp] | None = None,
) -> NDArray[np.bool_]:
    """Close sites that serve nobody, dearest first, wherever no rule needs them open, and so on."""
    serving = np.zeros(len(is_open), dtype=bool)
    serving[assignment] = True
    if backup is not None:
        serving[backup] = True
    upkeep = problem.cost.fixed + problem.cost.per_instance * problem.sizing.min_instances
    before = -1
    while before != (before := int(is_open.sum())):
        for j in sorted(np.nonzero(is_open & ~serving)[0], key=lambda j: -upkeep[j]):
            fewer = is_open.copy()
            fewer[j] = False
            if not broken_rules(problem, fewer, assignment, backup):
                is_open = fewer
    return is_open
