"""Prices that fall with volume: each site as several, one for each straight line of its price.

Such a cost is concave in what a site serves: the least of a few lines (:class:`planner.costs.Lines`).
Minimising picks the line by itself, so a site whose price falls becomes *versions* of it, at the same place
and under the same rules, of which one at most is open: a version pays the fixed part of its line and serves
at its rate. The problem is then one of plain sites, and what is strong about x ≤ y for a site holds for each
version. A bound on volume in aggregate would be weak: it spreads the fixed part over all that a site could
serve (0.4 s against no proof in 200 s, for the worldwide study).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.costs import CostTerms
from planner.problem import Problem
from planner.rules import Effect, Row
from planner.solver.answers import OnAnswer
from planner.solver.decision import Deadline, Decision, State, objective_of

Floats = NDArray[np.float64]
Sites = NDArray[np.intp]

MARK = "#"
"""Between a site's id and the number of its line, in a version's id."""

CHORD_GAP, CHORD_TIME = 3e-3, 0.2
"""How close, and in which part of the time, the relaxation that a first plan comes from is solved."""

ONE_VERSION = "one_version"
"""The rule that holds versions of a site apart."""


@dataclass(frozen=True, slots=True)
class Versions:
    """``problem`` is that of versions: each is a ``site`` of ``given`` at one ``line`` of its price."""

    given: Problem
    problem: Problem
    site: Sites
    line: Sites

    def plain(self, decision: Decision) -> Decision:
        """A decision about versions as one about sites, at the line that is least for each."""
        if decision.open is None or decision.assignment is None:
            return replace(decision, state=None)
        is_open = np.zeros(len(self.given.site_ids), dtype=bool)
        is_open[self.site[decision.open]] = True
        assignment = self.site[decision.assignment]
        backup = None if decision.backup is None else self.site[decision.backup]
        objective = objective_of(self.given, is_open, assignment, backup)
        state = decision.state
        if state is not None:
            linked = np.unique(np.column_stack((state.linked[:, 0], self.site[state.linked[:, 1]])), axis=0)
            names = self.given.client_ids, self.given.site_ids
            state = State(*names, is_open, assignment, linked.reshape(-1, 2))
        return replace(
            decision,
            open=is_open,
            assignment=assignment,
            backup=backup,
            objective=objective,
            lower_bound=min(decision.lower_bound, objective),
            state=state,
        )

    @property
    def chords(self) -> Problem:
        """The sites as they are, each at its average rate at the most it can serve.

        The chord of a concave cost lies below it, so this is a relaxation; its plan is one to start from.
        """
        lines, most = self.given.cost.lines, np.maximum(_largest_shares(self.given), 1e-12)
        assert lines is not None
        rate = lines.of(most) / most

        def straight(row: Row) -> Row:
            pair = row.volume * rate + (0.0 if row.pair is None else row.pair)
            return replace(row, pair=pair, volume=0.0) if row.volume else row

        cost = replace(self.given.cost, per_share=self.given.cost.per_share + rate, lines=None)
        effects = [replace(effect, rows=tuple(map(straight, effect.rows))) for effect in self.given.effects]
        return replace(self.given, cost=cost, effects=()).with_effects(effects)

    def start(self, decision: Decision | None) -> Decision | None:
        """An earlier decision about sites as one to start from: each at the line that was least for it."""
        if decision is None or decision.state is None:
            return decision
        lines = self.given.cost.lines
        assert lines is not None
        state = decision.state
        known = dict(zip(self.given.client_ids, self.given.sizing.share, strict=True))
        share = np.array([known.get(client, 0.0) for client in state.client_ids])
        served = np.bincount(state.assignment, weights=share, minlength=len(state.site_ids))
        place = {site: j for j, site in enumerate(self.given.site_ids)}
        names, least, all_of = list[str](), list[int](), list[range]()
        for site, amount in zip(state.site_ids, served, strict=True):
            j = place.get(site, -1)
            kept = self.line[self.site == j] if j >= 0 else np.zeros(1, dtype=np.intp)
            cost = lines.fixed[j, kept] + lines.per_share[j, kept] * amount
            all_of.append(range(len(names), len(names) + len(kept)))
            least.append(len(names) + int(cost.argmin()))
            names += [f"{site}{MARK}{k}" for k in kept]
        best = np.array(least, dtype=np.intp)
        is_open = np.zeros(len(names), dtype=bool)
        is_open[best[state.open]] = True
        linked = [(client, version) for client, site in state.linked for version in all_of[site]]
        rows = np.array(linked, dtype=np.intp).reshape(-1, 2)
        return replace(
            decision,
            state=State(state.client_ids, tuple(names), is_open, best[state.assignment], rows),
        )


def places(problem: Problem) -> Sites:
    """(n,) a number for each place: versions of one site share it."""
    place = np.arange(len(problem.site_ids))
    for effect in problem.effects:
        if effect.rule == ONE_VERSION:
            for row in effect.rows:
                assert row.site is not None
                place[row.site > 0] = np.nonzero(row.site)[0][0]
    return np.unique(place, return_inverse=True)[1].reshape(-1)


def versions_of(problem: Problem) -> Versions | None:
    """None where no price that falls with volume enters the objective or a rule."""
    lines = problem.cost.lines
    if lines is None or not (problem.minimize == "cost" or any(row.volume for _, row in problem.rows)):
        return None
    reached = lines.starts < np.maximum(_largest_shares(problem), 1e-12)[:, None]
    reached[:, 0] = True
    site, line = np.nonzero(reached)
    fixed, rate = lines.fixed[site, line], lines.per_share[site, line]
    cost = problem.cost
    inner = replace(
        problem,
        site_ids=tuple(f"{problem.site_ids[j]}{MARK}{k}" for j, k in zip(site, line, strict=True)),
        latency_ms=problem.latency_ms[:, site],
        allowed=problem.allowed[:, site],
        may_open=problem.may_open[site],
        reach=None if problem.reach is None else problem.reach[site],
        cloud=problem.cloud[site],
        cost=CostTerms(
            "total", cost.fixed[site] + fixed, cost.per_instance[site], cost.per_share[site] + rate
        ),
        items=(),
        effects=(),
    )
    effects = [_versioned(effect, site, fixed, rate) for effect in problem.effects]
    return Versions(problem, inner.with_effects([*effects, _one_each(site)]), site, line)


def by_versions(
    versions: Versions,
    solve: Callable[..., Decision],
    *,
    small: int,
    gap: float,
    time_limit_s: float | None,
    progress: Callable[[int, int, str], None],
    start: Decision | None,
    on_answer: OnAnswer | None,
    lower_bound: float,
    cutoff: float,
) -> Decision:
    """Where prices fall with volume: with their average first, for a plan and a bound, then line by line.

    ``solve`` is :func:`planner.solver.placement.solve_placement`, whose arguments the others are. Up to
    ``small`` pairs, and with a plan to ``start`` from, the average says nothing new.
    """
    began, deadline = time.perf_counter(), Deadline.after(time_limit_s)
    if start is None and int(versions.problem.allowed.sum()) > small:
        start = solve(
            versions.chords,
            gap=max(gap, CHORD_GAP),
            time_limit_s=None if deadline.remaining_s is None else CHORD_TIME * deadline.remaining_s,
            progress=progress,
            lower_bound=lower_bound,
            cutoff=cutoff,
        )
        if start.termination == "infeasible":
            return start
        lower_bound = max(lower_bound, start.lower_bound)
    found = solve(
        versions.problem,
        gap=gap,
        time_limit_s=deadline.remaining_s,
        progress=progress,
        start=versions.start(start),
        on_answer=None if on_answer is None else lambda answer: on_answer(versions.plain(answer)),
        lower_bound=lower_bound,
        cutoff=cutoff,
    )
    return replace(versions.plain(found), seconds=time.perf_counter() - began)


def _largest_shares(problem: Problem) -> Floats:
    """(n,) no site serves more: its capacity; those who may use it, within the SLO or in what need not be."""
    share, inside, slack = problem.sizing.share, problem.allowed, np.inf
    most = share @ problem.allowed
    for _, row in problem.rows:
        if row.pair is None or not np.isinf(row.high + row.low):
            continue
        if row.pair.ndim == 2 and row.site is None and np.isposinf(row.high):
            inside, slack = problem.allowed & (row.pair > 0.5), max(1.0 - row.low, 0.0)
        alone = _single(row)
        if alone is None or row.high != 0.0:
            continue
        if row.pair.ndim == 1 and row.site is not None and row.pair[alone] > 0:
            most[alone] = min(most[alone], -row.site[alone] / row.pair[alone] * (1 + 1e-6))
    return np.asarray(np.minimum(most, share @ inside + slack + 1e-9), dtype=np.float64)


def _one_each(site: Sites) -> Effect:
    """Σ of the versions of a site ≤ 1."""
    several = np.nonzero(np.bincount(site) > 1)[0]
    rows = tuple(Row(-np.inf, 1.0, site=(site == j).astype(np.float64)) for j in several)
    return Effect(ONE_VERSION, "a site pays by one line of its price", rows=rows)


def _versioned(effect: Effect, site: Sites, fixed: Floats, rate: Floats) -> Effect:
    failover = effect.failover
    if failover is not None:
        failover = replace(failover, domains=failover.domains[:, site], backups=failover.backups[:, site])
    return replace(
        effect,
        sites=None if effect.sites is None else effect.sites[site],
        pairs=None if effect.pairs is None else effect.pairs[:, site],
        rows=tuple(each for row in effect.rows for each in _row(row, site, fixed, rate)),
        covers=tuple(replace(cover, groups=cover.groups[:, site]) for cover in effect.covers),
        failover=failover,
    )


def _row(row: Row, site: Sites, fixed: Floats, rate: Floats) -> Iterator[Row]:
    """A row over versions: of one site's load, and of a zone and its parent, one for each version."""
    on_sites = None if row.site is None else row.site[site]
    pair = None if row.pair is None else row.pair[..., site]
    if row.volume:
        on_sites = (0.0 if on_sites is None else on_sites) + row.volume * fixed
        pair = (0.0 if pair is None else pair) + row.volume * rate
    instance = None if row.instance is None else row.instance[site]
    whole = Row(row.low, row.high, on_sites, instance, pair)
    alone = _single(row)
    if alone is None:
        yield whole
        return
    for version in np.nonzero(site == alone)[0]:
        others = (site == alone) & (np.arange(len(site)) != version)
        yield replace(
            whole,
            site=None if on_sites is None else np.where(others, 0.0, on_sites),
            pair=None if pair is None else np.where(others, 0.0, pair),
        )


def _single(row: Row) -> int | None:
    """The site of a capacity or a least load, or the zone of a row zone ≤ parent; None for any other row."""
    at_most, at_least = (row.low, row.high) == (-np.inf, 0.0), (row.low, row.high) == (0.0, np.inf)
    if row.site is None or row.instance is not None or row.volume or not (at_most or at_least):
        return None
    if row.pair is None:
        if at_least:
            return None
        above = np.nonzero(row.site > 0)[0]
        return int(above[0]) if len(above) == 1 and (row.site < 0).any() else None
    used = np.nonzero((row.site != 0) | (row.pair != 0 if row.pair.ndim == 1 else True))[0]
    return int(used[0]) if len(used) == 1 else None
