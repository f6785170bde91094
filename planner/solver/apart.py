"""The standbys of a service without a home: problems that differ in what is closed, and by what cost.

All of them are first solved as one, with nothing closed and the least standby's cost. What that proves is a
bound for each, less what it costs more; and its plan is a plan of every standby that it leaves free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.recovery import merit, usd_of
from planner.solver.decision import Decision, broken_rules, objective_of, tally

CLOSING = frozenset({"rto", "rpo"})
"""The rules that close what would be lost with the standby."""


@dataclass(frozen=True, slots=True)
class Joint:
    """``problem``: any plan of any option is one of its plans, at no higher cost; ``more``: by how much less
    than that option's, at least, in US dollars a month."""

    problem: Problem
    more: NDArray[np.float64]

    def bounds(self, whole: Decision) -> NDArray[np.float64]:
        """Of each option's objective, from what was proven of the whole."""
        lower = np.inf if whole.termination == "infeasible" else whole.lower_bound
        return lower + (self.more if self.problem.minimize == "cost" else np.zeros(len(self.more)))

    def costs(self, whole: Decision, gap: float) -> NDArray[np.float64]:
        """Of each option's cost at the same highest latency as the whole's; nothing where none was found."""
        if self.problem.minimize != "max_latency" or whole.termination != "optimal":
            return np.full(len(self.more), -np.inf)
        assert whole.open is not None
        assert whole.assignment is not None
        counted = tally(self.problem, whole.open, whole.assignment, whole.backup)
        return counted.cost_usd * (1 - gap) + self.more


def joint(options: Sequence[Problem]) -> Joint | None:
    """The options as one; None for those of a home, and where none of them is the cheapest at every site."""
    arranged = [option.arrangement for option in options]
    if len(options) < 2 or any(each is None or each.home or each.recovery is None for each in arranged):
        return None
    least = min(options, key=lambda option: usd_of(option.arrangement))
    more = np.array([float((option.cost.per_share - least.cost.per_share).min()) for option in options])
    if (more < 0.0).any():
        return None
    return Joint(least.without(CLOSING), more)


def at_the_cheapest(options: Sequence[Problem], found: Decision) -> Decision | None:
    """The same sites and clients with the cheapest recovery that they leave room for, of several the soonest;
    None where none is."""
    if found.open is None or found.assignment is None:
        return None
    placed = found.open, found.assignment, found.backup

    def merit_of(option: Problem) -> tuple[float, float]:
        return round(tally(option, *placed).cost_usd, 2), merit(option.arrangement)[1]

    for option in sorted(options, key=merit_of):
        if not (found.open & ~option.may_open).any() and not broken_rules(option, *placed):
            objective = objective_of(option, *placed)
            return replace(found, objective=objective, arrangement=option.arrangement)
    return None
