"""Solving again what differs a little from what was decided: a rule less, a step of it, a site settled."""

from __future__ import annotations

from planner.problem import Problem
from planner.solver.answers import OnAnswer
from planner.solver.decision import Decision
from planner.solver.minimax import solve_minimax
from planner.solver.placement import PROVEN_GAP, solve_placement


def solve_again(
    problem: Problem,
    limit_s: float | None,
    start: Decision | None,
    on_answer: OnAnswer,
    bound: float,
    *,
    shown: bool,
) -> Decision:
    """A problem a little different from the one that ``start`` decides; where it is not ``shown``, only
    what the best is worth is wanted."""
    if problem.minimize == "max_latency":
        return solve_minimax(problem, gap=PROVEN_GAP, time_limit_s=limit_s, start=start, cheapest=shown)
    return solve_placement(problem, gap=PROVEN_GAP, time_limit_s=limit_s, start=start, lower_bound=bound)
