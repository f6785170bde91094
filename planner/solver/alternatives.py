"""Several problems, of which the best decision wins: one for each routing policy.

One that another beats whatever is decided (it forbids at least as much and costs at least as much) is never
solved, and what one proves is a bound for those that forbid more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner.problem import Problem
from planner.solver.answers import OnAnswer
from planner.solver.decision import Deadline, Decision, at_their_best, tally
from planner.solver.model import Termination

Alternatives = tuple[Problem, ...]
"""A plan of any of them is a plan; all know the same rules by name, whether or not these bind there."""

Solve = Callable[[Problem, float | None, Decision | None, OnAnswer, float], Decision]
"""Solves a problem in some seconds from a start, told better answers, above a lower bound known already."""

Tell = Callable[[Problem, Decision], None]
"""Called with a better answer to one of the problems; its bound holds for all of them."""


def without(alternatives: Alternatives, rules: Collection[str]) -> Alternatives:
    """The same with some rules dropped."""
    return tuple(problem.without(rules) for problem in alternatives) if rules else alternatives


def worth_solving(alternatives: Alternatives) -> Alternatives:
    """Those that may hold the best decision, the one that forbids least first; at least one."""
    kept: list[Problem] = []
    for problem in filter(lambda each: each.servable, alternatives):
        if not any(_beats(other, problem) for other in kept):
            kept = [other for other in kept if not _beats(problem, other)] + [problem]
    return tuple(sorted(kept, key=lambda each: -int(each.allowed.sum()))) or alternatives[:1]


def decide_among(
    every: Sequence[Problem], solve: Solve, *, time_limit_s: float | None, start: Decision | None, tell: Tell
) -> tuple[Problem, Decision]:
    """The best decision of all problems, its bound one for all of them; infeasible when each of them is.

    At the same objective the cheaper one is the better.
    """
    deadline, every = Deadline.after(time_limit_s), worth_solving(tuple(every))
    floors = [_floor(problem) for problem in every]
    best: tuple[Problem, Decision] | None = None
    seconds, proven = 0.0, True
    for k, problem in enumerate(every):
        others = min((floor for at, floor in enumerate(floors) if at != k), default=np.inf)
        if best is not None and floors[k] >= best[1].objective and best[0].minimize == "cost":
            continue
        relay = _Relay(problem, best, others, tell)
        found = solve(problem, deadline.remaining_s, start, relay, floors[k])
        seconds, proven = seconds + found.seconds, proven and found.termination in ("optimal", "infeasible")
        floors[k] = max(floors[k], found.lower_bound)
        for at in range(k + 1, len(every)):
            eased = _least_extra(problem, every[at])
            if eased is not None:
                floors[at] = max(floors[at], found.lower_bound + eased)
        if found.open is not None:
            start = found
            if best is None or _value(problem, found) < _value(*best):
                best = problem, found
    if best is None:
        ended: Termination = "infeasible" if proven else "time_limit"
        return every[0], replace(found, termination=ended, lower_bound=min(floors), seconds=seconds)
    chosen, decision = best
    bound = min(min(floors), decision.objective)
    ended = "optimal" if proven else decision.termination if len(every) == 1 else "time_limit"
    return chosen, replace(decision, lower_bound=bound, termination=ended, seconds=seconds)


@dataclass(frozen=True, slots=True)
class _Relay:
    """Passes on what is better than the best of the problems before, with a bound that holds for all."""

    problem: Problem
    best: tuple[Problem, Decision] | None
    others: float
    tell: Tell

    def __call__(self, answer: Decision) -> None:
        if self.best is None or _value(self.problem, answer) < _value(*self.best):
            bound = min(answer.lower_bound, self.others)
            self.tell(self.problem, replace(answer, lower_bound=bound))


def _value(problem: Problem, decision: Decision) -> tuple[float, float]:
    """The objective, and the cost among equals. Latencies are equal to nine digits."""
    assert decision.open is not None
    assert decision.assignment is not None
    problem = problem.at(decision.arrangement)
    cost = tally(problem, decision.open, decision.assignment, decision.backup).cost_usd
    return float(f"{decision.objective:.9g}"), cost


def _beats(one: Problem, other: Problem) -> bool:
    """Whether ``one`` allows all that ``other`` does, at no higher cost, whatever is decided."""

    def at_this_home(here: Problem, there: Problem) -> bool:
        dearer = np.sort(np.maximum(here.cost.fixed - there.cost.fixed, 0.0))[::-1][: _most(here)]
        saved = float((there.cost.per_share - here.cost.per_share).min())
        return _allows_as_much(here, there) and saved >= float(dearer.sum())

    return all(at_this_home(*pair) for pair in zip(one.options, other.options, strict=True))


def _most(problem: Problem) -> int | None:
    """How many sites may be open, where a rule says so of all of them."""
    limits = [int(row.high) for rule, row in problem.rows if rule == "max_sites" and np.isfinite(row.high)]
    return min(limits, default=None)


def _least_extra(one: Problem, other: Problem) -> float | None:
    """What the optimum of ``other`` exceeds that of ``one`` by, at least; None where nothing follows."""
    least = np.inf
    for here, there in zip(one.options, other.options, strict=True):
        cheaper = np.minimum(there.cost.fixed - here.cost.fixed, 0.0)
        extra = float((there.cost.per_share - here.cost.per_share).min()) + float(cheaper.sum())
        if not _allows_as_much(here, there) or ("budget" in here.rules and extra < 0.0):
            return None  # what the other can afford, the one may not
        least = min(least, extra)
    return least if one.minimize == "cost" else 0.0


def _allows_as_much(one: Problem, other: Problem) -> bool:
    """The two differ in sites and pairs that are allowed and in prices, and in no other rule."""
    return bool((one.may_open | ~other.may_open).all() and (one.allowed | ~other.allowed).all())


def _floor(problem: Problem) -> float:
    """A bound that needs no solver: everyone at their best, wherever the home is."""
    return min(at_their_best(option) for option in problem.options)
