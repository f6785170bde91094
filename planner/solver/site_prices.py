"""What each site is worth: the plan without it, or with it, and the plans nearly as good that come of that.

An open site is worth what the best plan without it costs more. A closed one would open if it were cheaper by
what the best plan with it costs more: its break-even. Both come from solving again with that site settled the
other way; the plans found are the alternatives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.rules import Effect, Row
from planner.solver.alternatives import Alternatives
from planner.solver.decision import Deadline, Decision, tally
from planner.solver.placement import PROVEN_GAP, Progress, silent

NEARLY = 0.01
"""An alternative is within this part of the optimum."""

APART = 2
"""And opens or closes at least so many sites, against the plan and against every other alternative."""

MOST_ALTERNATIVES = 5

Solve = Callable[[Effect, float | None], tuple[Problem, Decision]]
"""Decides under one rule more, in so many seconds: the decision, and the problem that it is one of."""


@dataclass(frozen=True, slots=True)
class SiteValue:
    """One candidate settled the other way. ``dearer``: what the objective then rises by, in its own unit.

    ``dearer`` None: there is no such plan (``impossible``), or none was found in time. Of a closed site,
    ``share`` is the demand it would serve in the plan that opens it, and ``bill_usd`` what it would cost a
    month, where cost is minimised. ``forbidden``: the rules that keep it closed.
    """

    site: str
    is_open: bool
    dearer: float | None
    impossible: bool
    proven: bool
    share: float = 0.0
    bill_usd: float | None = None
    forbidden: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether it was solved in time: what it says, and that it says nothing, is then so."""
        return self.dearer is not None or self.impossible

    @property
    def discount(self) -> float | None:
        """The part of its own bill by which a closed site must be cheaper to open.

        None where no discount opens it for anybody's sake.
        """
        if self.dearer is None or not self.bill_usd or not self.share or self.dearer >= self.bill_usd:
            return None
        return self.dearer / self.bill_usd


def searched(values: Sequence[SiteValue]) -> bool:
    """Whether every site was looked at in time, so that no alternative went unseen."""
    return bool(values) and all(value.known for value in values)


@dataclass(frozen=True, slots=True)
class Values:
    """Every candidate's value, in the problem's order, and the nearly optimal plans, best first."""

    sites: tuple[SiteValue, ...]
    alternatives: tuple[tuple[Problem, Decision], ...]


def site_values(
    problem: Problem,
    decision: Decision,
    *,
    every: Alternatives,
    solve: Solve,
    time_limit_s: float | None = None,
    progress: Progress = silent,
    told: Callable[[tuple[SiteValue, ...]], None] = lambda values: None,
) -> Values:
    """Settle each site the other way, one at a time. Out of time, the rest come back without a value.
    ``told`` hears, with every value, all there are by then.

    ``problem`` is the one of ``every`` that the decision is of; with that site settled, another may be.
    """
    assert decision.open is not None
    deadline, values, found = (
        Deadline.after(time_limit_s),
        list[SiteValue](),
        list[tuple[Problem, Decision]](),
    )
    n = len(problem.site_ids)
    for position, j in enumerate(sorted(range(n), key=lambda j: not decision.open[j])):  # type: ignore[index]
        progress(position, n, f"{'without' if decision.open[j] else 'with'} {problem.site_ids[j]}")
        value, other = _settled_otherwise(problem, decision, j, every, solve, deadline)
        values.append(value)
        told(tuple(values))
        if other is not None:
            found.append(other)
    values.sort(key=lambda value: problem.site_ids.index(value.site))
    return Values(tuple(values), tuple(_apart(decision, found)))


def _settled_otherwise(
    problem: Problem, decision: Decision, j: int, every: Alternatives, solve: Solve, deadline: Deadline
) -> tuple[SiteValue, tuple[Problem, Decision] | None]:
    assert decision.open is not None
    is_open, site = bool(decision.open[j]), problem.site_ids[j]
    mask = np.arange(len(problem.site_ids)) == j
    options = [option for each in every for option in each.options]
    if not is_open and not any(option.may_open[j] for option in options):
        return SiteValue(site, False, None, True, True, forbidden=_forbidding(options, j)), None
    if deadline.passed():
        return SiteValue(site, is_open, None, False, False), None
    settled = (
        Effect("without", f"{site} is closed", sites=~mask)
        if is_open
        else Effect("with", f"{site} is open", rows=(Row(1.0, np.inf, site=mask.astype(np.float64)),))
    )
    chosen, other = solve(settled, deadline.remaining_s)
    if other.open is None or other.assignment is None:
        impossible = other.termination == "infeasible"
        return SiteValue(site, is_open, None, impossible, impossible), None
    dearer = max(other.objective - decision.objective, 0.0)
    if dearer <= 2 * PROVEN_GAP * abs(decision.objective):  # within both proven gaps, no difference
        dearer = 0.0
    problem = chosen.at(other.arrangement)
    counted = tally(problem, other.open, other.assignment, other.backup)
    proven = other.termination == "optimal" and decision.termination == "optimal"
    if is_open:
        return SiteValue(site, True, dearer, False, proven), (problem, other)
    share, bill = float(counted.share[j]), None
    if problem.minimize == "cost":
        bill = sum(item.of(j, int(counted.instances[j]), share) for item in problem.items)
    return SiteValue(site, False, dearer, False, proven, share, bill), (problem, other)


def _forbidding(options: Sequence[Problem], j: int) -> tuple[str, ...]:
    """The fewest rules that keep a site closed, of the problems in which clients can be sent there at all."""
    found = [
        tuple(effect.rule for effect in option.effects if effect.sites is not None and not effect.sites[j])
        for option in options
        if option.reach is None or option.reach[j]
    ]
    return min(filter(None, found), key=len, default=())


def _apart(
    decision: Decision, found: Sequence[tuple[Problem, Decision]]
) -> Iterator[tuple[Problem, Decision]]:
    """The best of those nearly as good that are unlike the plan and unlike each other."""
    assert decision.open is not None
    kept: list[NDArray[np.bool_]] = [decision.open]
    limit = decision.objective + NEARLY * abs(decision.objective)
    for problem, other in sorted(found, key=lambda each: each[1].objective):
        if other.objective > limit or len(kept) > MOST_ALTERNATIVES:
            return
        assert other.open is not None
        if all((other.open != open_).sum() >= APART for open_ in kept):
            kept.append(other.open)
            yield problem, other
