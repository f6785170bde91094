"""Rules that cost something, by certificate: a swap of one site that is better and one rule alone forbids.

Without solving: an open site's clients move whole to a closed one. Where that is better and breaks a single
rule, dropping that rule gives a better plan. It finds some such rules and not all; prices come from solving
again (:mod:`planner.solver.explain`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from planner.problem import Problem
from planner.solver.decision import Decision, broken_rules, objective_of

MOST_SWAPS = 200
"""So many of the best swaps are looked at."""

WORTH = 2e-4
"""A swap is better when it gains this part of the objective: twice the gap a plan is proven to."""


def costly_by_swap(problem: Problem, decision: Decision) -> frozenset[str]:
    """Names of rules that alone forbid a better plan. Nothing where failures are to be survived: a swap would
    need new backups."""
    assert decision.open is not None
    assert decision.assignment is not None
    if problem.failover is not None:
        return frozenset()
    found = set[str]()
    for _, j, k in sorted(_better(problem, decision))[:MOST_SWAPS]:
        is_open, mine = decision.open.copy(), decision.assignment == j
        is_open[[j, k]] = False, True
        broken = {*broken_rules(problem, is_open, np.where(mine, k, decision.assignment))} - {"allowed"}
        for effect in problem.effects:
            kept_off = effect.pairs is not None and not effect.pairs[mine, k].all()
            if kept_off or (effect.sites is not None and not effect.sites[k]):
                broken.add(effect.rule)
        if len(broken) == 1:
            found |= broken
    return frozenset(found)


def _better(problem: Problem, decision: Decision) -> Iterator[tuple[float, int, int]]:
    """Objective, the site closed and the one opened in its place, of every swap that gains."""
    assert decision.open is not None
    assert decision.assignment is not None
    limit = decision.objective - WORTH * abs(decision.objective)
    for j in np.unique(decision.assignment):
        mine = decision.assignment == j
        reached = np.isfinite(problem.latency_ms[mine]).all(axis=0) & ~decision.open
        for k in np.nonzero(reached)[0]:
            is_open = decision.open.copy()
            is_open[[j, k]] = False, True
            value = objective_of(problem, is_open, np.where(mine, k, decision.assignment))
            if value < limit:
                yield value, int(j), int(k)
