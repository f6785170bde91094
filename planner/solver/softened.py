"""A problem with its promises at a price: what some open sites are worth, whether or not every rule holds.

    value = objective + price · Σ_r (by which part rule r is missed)

What a law says of pairs, and every rule about sites alone, holds. What a latency breaks (``max_ms``, the
SLO's coverage, a backup's distance) and what is counted in load or money is charged: the part of demand for
which it does not hold, or the part of its bound that lacks. So there is an answer where no placement keeps
every rule, and it says what is missed.

With the sites given, each client goes where it is best off; then those for whom that costs least go where the
SLO holds, until enough of demand does; then a site that is too full, or has a machine for little, is left;
then, where a rule on all of demand (the budget) is missed, everybody again with a price on it. Backups are
the nearest. None of it is proven to be best.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.rules import Row
from planner.sizing import OVERLOAD
from planner.solver.decision import TOLERANCE, groups_hit
from planner.solver.loads import capacity_shares, loads_of

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Sites = NDArray[np.intp]

STEPS: Final = 6
"""Prices tried on a rule that is missed, each halving what is left between."""


STEEP: Final = 1e4


@dataclass(frozen=True, slots=True)
class Placed:
    """``open`` (n,), ``assignment`` (m,): the site of each client. ``missed``: Σ over rules, 0 where all
    hold; ``lacks``: of that, what the SLO's coverage lacks. ``value``: the objective with what is charged."""

    open: Mask
    assignment: Sites
    objective: float
    missed: float
    lacks: float
    value: float


@dataclass(frozen=True, slots=True)
class _Count:
    """What a placement amounts to, by site (n,): whether ``open``, its ``share``, the ``worst`` that a
    failure makes of it, ``instances``; the ``usd`` a month, and of it the ``volume`` that falls with volume;
    the part of demand that is ``unbacked``."""

    open: Mask
    share: Floats
    worst: Floats
    instances: Floats
    usd: float
    volume: float
    unbacked: float


class Softened:
    """One option of a problem, and the ``price`` of a rule missed altogether, in the objective's unit.

    ``merit`` (m, n): what a share of demand adds to the objective at each site, with what ``max_ms`` charges;
    inf where a law forbids it. ``within`` (m, n): where the SLO holds, None without one. ``stay`` (m,): a
    placement known to fit, tried beside the others as far as its sites are open. ``may_miss``: what is missed
    beyond this is charged :data:`STEEP` times as much again, so that no promise is sold for less.
    """

    def __init__(self, problem: Problem, price: float, stay: Sites | None = None) -> None:
        self.problem, self.price, self.share, self.stay = problem, price, problem.sizing.share, stay
        self.may_miss = np.inf
        legal = np.isfinite(problem.latency_ms) & problem.may_open
        self.beyond = np.zeros(legal.shape, dtype=bool)
        for effect in problem.effects:
            if effect.pairs is not None and effect.of_backups:
                legal &= effect.pairs
            elif effect.pairs is not None:
                self.beyond |= ~effect.pairs
        cost = problem.cost
        merit = problem.latency_ms
        if problem.minimize == "cost":
            merit = np.broadcast_to(cost.per_share, legal.shape)
        self.merit = np.where(legal, merit + price * self.beyond, np.inf)
        self._machines = problem.minimize == "cost"
        self._dearest = float(cost.per_instance.max(initial=0.0))
        self.unit = problem.sizing.peak_rps / problem.sizing.rps_per_instance
        rows = [row for _, row in problem.rows]
        sites = [row for row in rows if row.pair is None and row.instance is None and not row.volume]
        self._charged = [row for row in rows if not any(row is other for other in sites)]
        self._promise = next((row for row in self._charged if _promises(row)), None)
        self.within: Mask | None = None
        if self._promise is not None and self._promise.pair is not None:
            self.within = self._promise.pair > 0.5
        self._of_all = [row for row in self._charged if _limits_all(row)]
        self._most, self._room = loads_of(problem).most, capacity_shares(problem)
        n = len(problem.site_ids)
        self._matrix = np.array([np.zeros(n) if row.site is None else row.site for row in sites]).reshape(
            -1, n
        )
        self._low, self._high = np.array([row.low for row in sites]), np.array([row.high for row in sites])
        self.needs = {
            int(row.argmax()): int(row.argmin())
            for row, high in zip(self._matrix, self._high, strict=True)
            if high == 0.0 and (row > 0).sum() == 1 and (row < 0).sum() == 1
        }
        """Sites that may be open only with another one: y_j ≤ y_k."""

    def stand(self, sets: Mask) -> Mask:
        """(c,) True where a set of open sites (c, n) breaks no rule about sites alone."""
        value = sets @ self._matrix.T
        good = ((value >= self._low - TOLERANCE) & (value <= self._high + TOLERANCE)).all(axis=1)
        good &= sets.any(axis=1) & ~(sets & ~self.problem.may_open).any(axis=1)
        for at in np.nonzero(good)[0] if self.problem.covers else ():
            good[at] = all(groups_hit(cover, sets[at]) >= cover.at_least for _, cover in self.problem.covers)
        return np.asarray(good, dtype=bool)

    def placed(self, is_open: Mask, *, rough: bool = False) -> Placed | None:
        """The best found with these sites open, ``rough``: in one of the ways tried else; None where a law
        leaves somebody without any."""
        at = np.nonzero(is_open)[0]
        merit = self.merit[:, at] + self._unbacked(at)
        if not np.isfinite(merit.min(axis=1)).all():
            return None
        ways = [self._tried(is_open, at, merit, even=self._machines)]
        if self._machines and not rough:
            # A share costs nothing more where machines idle, and its part of one where none does.
            dearer = merit + self.unit * self.problem.cost.per_instance[at]
            ways += [self._tried(is_open, at, merit), self._tried(is_open, at, dearer, even=True)]
            ways.append(self._tried(is_open, at, dearer))
        if self.stay is not None and not rough:
            ways.append(self._tried(is_open, at, merit, stay=True))
        found = min(ways, key=lambda each: each.value)
        for row in self._of_all if found.missed > 0.0 else ():
            if self._excess(row, self._count(is_open, found.assignment), found.assignment) > 0.0:
                found = self._priced(row, found, at, merit)
        return found

    def judged(self, is_open: Mask, assignment: Sites, backup: Sites | None = None) -> Placed:
        """A placement as it is, whatever it misses; without a ``backup`` (m,), with the nearest."""
        problem, rows = self.problem, np.arange(len(assignment))
        count = self._count(is_open, assignment, backup)
        missed, lacks = count.unbacked + float(self.share @ self.beyond[rows, assignment]), 0.0
        for row in self._charged:
            excess = self._excess(row, count, assignment)
            missed += excess
            lacks = excess if row is self._promise else lacks
        if problem.failover is not None:
            missed += float(np.maximum(count.worst / self._room - 1.0, 0.0)[is_open].sum())
        latency = problem.latency_ms[rows, assignment]
        if problem.minimize == "cost":
            objective = count.usd
        elif problem.minimize == "max_latency":
            objective = float(latency.max())
        else:
            objective = float(self.share @ latency)
        charged = missed + STEEP * max(missed - self.may_miss - TOLERANCE, 0.0)
        return Placed(is_open, assignment, objective, missed, lacks, objective + self.price * charged)

    def _tried(
        self, is_open: Mask, at: Sites, merit: Floats, even: bool = False, stay: bool = False
    ) -> Placed:
        """Everybody where ``merit`` (m, k) is least, as far as the SLO and the room let them. ``even``: and
        no machine less than half used; ``stay``: but who can stay does."""
        chosen = merit.argmin(axis=1)
        if stay:
            chosen = np.where(self._staying(at, merit), self._local(at)[self.stay], chosen)
        chosen = self._in_time(at, merit, chosen)
        chosen = self._with_room(at, merit, chosen, self._most[at])
        if even:
            least, worth = float(self.problem.sizing.min_instances), float(self.unit * self._dearest)
            for whole in (
                lambda load: np.full(len(at), least),
                lambda load: np.maximum(np.round(load), least),
            ):
                load = self.unit * np.bincount(chosen, weights=self.share, minlength=len(at)) - OVERLOAD
                room = np.minimum(self._most[at], (whole(load) + OVERLOAD) / self.unit)
                chosen = self._with_room(at, merit, chosen, room, worth)
        return self.judged(is_open, at[chosen])

    def _local(self, at: Sites) -> Sites:
        """(n,) the position of each site among the open ones, -1 for a closed one."""
        local = np.full(len(self._most), -1)
        local[at] = np.arange(len(at))
        return local

    def _staying(self, at: Sites, merit: Floats) -> Mask:
        """(m,) who may stay where it was."""
        before = self._local(at)[self.stay]
        return np.asarray((before >= 0) & np.isfinite(merit[np.arange(len(merit)), before]), dtype=bool)

    def _priced(self, row: Row, found: Placed, at: Sites, merit: Floats) -> Placed:
        """With a price on what the row counts, about as low as keeps it."""
        rate = np.zeros(len(at)) if row.pair is None else row.pair[at]
        rate = rate if row.instance is None else rate + self.unit * row.instance[at]
        low, high, widest = 0.0, self.price, found.open
        for _ in range(STEPS):
            price = (low + high) / 2.0
            other = self._tried(widest, at, merit + price * rate)
            found = min(found, other, key=lambda each: each.value)
            kept = self._excess(row, self._count(widest, other.assignment), other.assignment) <= 0.0
            low, high = (low, price) if kept else (price, high)
        return found

    def _in_time(self, at: Sites, merit: Floats, chosen: Sites) -> Sites:
        """Move those for whom it costs least to where the SLO holds, until it holds for enough of demand."""
        if self.within is None or self._promise is None:
            return chosen
        within, rows = self.within[:, at], np.arange(len(merit))
        late = ~within[rows, chosen]
        lacks = self._promise.low - float(self.share[~late].sum())
        if lacks <= 0.0:
            return chosen
        timely = np.where(within, merit, np.inf)
        other = timely.argmin(axis=1)
        extra = timely[rows, other] - merit[rows, chosen]
        who = np.nonzero(late & np.isfinite(extra))[0]
        who = who[np.argsort(extra[who], kind="stable")]
        moving, must = np.cumsum(self.share[who]), lacks - self.may_miss
        needed = int(np.searchsorted(moving, must - 1e-12)) + 1 if must > 0.0 else 0
        worth_it = int((extra[who] < self.price).sum())
        count = min(int(np.searchsorted(moving, lacks - 1e-12)) + 1, max(worth_it, needed))
        moved = chosen.copy()
        moved[who[:count]] = other[who[:count]]
        return moved

    def _with_room(
        self, at: Sites, merit: Floats, chosen: Sites, most: Floats, worth: float = np.inf
    ) -> Sites:
        """Clients leave a site that is too full, those first whom it costs least, and at most ``worth`` for a
        share; not out of the SLO."""
        most = most * (1 + TOLERANCE)
        load = np.bincount(chosen, weights=self.share, minlength=len(at))
        if (load <= most).all():
            return chosen
        moved = chosen.copy()
        if self.within is not None:
            within = self.within[:, at]
            timely = within[np.arange(len(merit)), chosen]
            merit = merit + self.price * (timely[:, None] & ~within)
        for j in np.nonzero(load > most)[0]:
            mine = np.nonzero(moved == j)[0]
            extra = merit[mine] - merit[mine, j][:, None]
            extra[:, j] = np.inf
            least = extra.min(axis=1)
            order = np.argsort(least, kind="stable")
            for which in order[least[order] <= worth]:
                if load[j] <= most[j]:
                    break
                i = mine[which]
                better = np.where(load + self.share[i] <= most, extra[which], np.inf)
                k = int(better.argmin())
                if better[k] <= worth and np.isfinite(better[k]):
                    load[j], load[k] = load[j] - self.share[i], load[k] + self.share[i]
                    moved[i] = k
        return moved

    def _unbacked(self, at: Sites) -> Floats | float:
        """(m, k) the charge for a client at each of the sites, where no other of them may back it up."""
        failover = self.problem.failover
        if failover is None:
            return 0.0
        apart = (~failover.together[np.ix_(at, at)]).astype(np.float32)
        backed = failover.backups[:, at].astype(np.float32) @ apart > 0.5
        return np.where(backed, 0.0, self.price)

    def _count(self, is_open: Mask, assignment: Sites, backup: Sites | None = None) -> _Count:
        problem, sizing, n = self.problem, self.problem.sizing, len(is_open)
        share = np.bincount(assignment, weights=self.share, minlength=n).astype(np.float64)
        worst, unbacked = share, 0.0
        if problem.failover is not None:
            backup, good = self._backups(np.nonzero(is_open)[0], assignment, backup)
            unbacked = float(self.share[~good].sum())
            moved = np.bincount(assignment * n + backup, weights=self.share * good, minlength=n * n)
            handed = problem.failover.domains.astype(np.float64) @ moved.reshape(n, n)
            worst = share + handed.max(axis=0, initial=0.0)
        needed = np.ceil(worst * self.unit - OVERLOAD)
        instances = np.where(is_open, np.maximum(needed, sizing.min_instances), 0.0)
        cost = problem.cost
        volume = 0.0 if cost.lines is None else float(cost.lines.of(share)[is_open].sum())
        usd = cost.fixed @ is_open + cost.per_instance @ instances + cost.per_share @ share + volume
        return _Count(is_open, share, worst, instances, float(usd), volume, unbacked)

    def _backups(self, at: Sites, assignment: Sites, given: Sites | None) -> tuple[Sites, Mask]:
        """(m,) the backup given, or the nearest open site that may be it; and whether it may."""
        failover, rows = self.problem.failover, np.arange(len(assignment))
        assert failover is not None
        if given is not None:
            return given, failover.backups[rows, given] & ~failover.together[assignment, given]
        may = failover.backups[:, at] & ~failover.together[assignment][:, at]
        chosen = np.where(may, self.problem.latency_ms[:, at], np.inf).argmin(axis=1)
        return at[chosen], may[rows, chosen]

    def _excess(self, row: Row, count: _Count, assignment: Sites) -> float:
        """By which part of its bound a row is missed."""
        value, scale = row.volume * count.volume, 1.0
        if row.site is not None:
            value += float(row.site @ count.open)
            scale = max(scale, float(np.abs(row.site).max()))
        if row.instance is not None:
            value += float(row.instance @ count.instances)
        if row.pair is not None and row.pair.ndim == 1:
            value += float(row.pair @ count.share)
        elif row.pair is not None:
            value += float(row.pair[np.arange(len(assignment)), assignment] @ self.share)
        bounds = [abs(bound) for bound in (row.low, row.high) if np.isfinite(bound)]
        excess = max(row.low - value, value - row.high, 0.0) / max(scale, *bounds)
        return excess if excess > TOLERANCE else 0.0


def _promises(row: Row) -> bool:
    """Whether the row asks for a part of demand, by pairs."""
    return row.pair is not None and row.pair.ndim == 2 and np.isfinite(row.low) and row.site is None


def _limits_all(row: Row) -> bool:
    """Whether the row is one at most over many sites, so that a price on it moves clients."""
    return bool(
        row.pair is not None and row.pair.ndim == 1 and np.isfinite(row.high) and (row.pair != 0).sum() > 1
    )
