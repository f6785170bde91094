"""Prices that fall with volume: each site as several, one for each straight line of its price.

Such a cost is concave in what a site serves: the least of a few lines (:class:`planner.costs.Lines`).
Minimising picks the line by itself, so a site whose price falls becomes *versions* of it, at the same place
and under the same rules, of which one at most is open: a version pays the fixed part of its line and serves
at its rate. The problem is then one of plain sites, and what is strong about x ≤ y for a site holds for each
version. A bound on volume in aggregate would be weak: it spreads the fixed part over all that a site could
serve (0.4 s against no proof in 200 s, for the worldwide study).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.costs import CostTerms
from planner.problem import Problem
from planner.rules import Effect, Row
from planner.solver.decision import Decision, State, objective_of

Floats = NDArray[np.float64]
Sites = NDArray[np.intp]

MARK = "#"
"""Between a site's id and the number of its line, in a version's id."""


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
        names = []
        for site, amount in zip(state.site_ids, served, strict=True):
            j = place.get(site)
            kept = [] if j is None else self.line[self.site == j].tolist()
            least = min(kept, key=lambda k: lines.fixed[j, k] + lines.per_share[j, k] * amount, default=0)
            names.append(f"{site}{MARK}{least}")
        return replace(decision, state=replace(state, site_ids=tuple(names)))


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
        cloud=problem.cloud[site],
        cost=CostTerms(
            "total", cost.fixed[site] + fixed, cost.per_instance[site], cost.per_share[site] + rate
        ),
        items=(),
        effects=(),
    )
    effects = [_versioned(effect, site, fixed, rate) for effect in problem.effects]
    return Versions(problem, inner.with_effects([*effects, _one_each(site)]), site, line)


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
    return Effect("one_version", "a site pays by one line of its price", rows=rows)


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
