"""Placement problems that are the textbook's: mean latency under a number of sites is the p-median problem.

Without a rule on money, load, demand or single sites nothing is left but masks and how many sites may be
open; the uncapacitated solver takes that, never over pairs of client and site.
"""

from __future__ import annotations

import math

import numpy as np

from planner.problem import Problem
from planner.solver.answers import Answers
from planner.solver.decision import Deadline
from planner.solver.facility import facility_location
from planner.solver.heuristic import settled


def numbers_of_sites(problem: Problem) -> tuple[int, int] | None:
    """The fewest and most sites of a problem that is purely uncapacitated; None for any other."""
    if problem.minimize != "mean_latency" or problem.failover is not None or problem.covers:
        return None
    low, high = 0, len(problem.site_ids)
    for _, row in problem.rows:
        if row.pair is not None or row.instance is not None or row.site is None or (row.site != 1.0).any():
            return None
        if np.isfinite(row.low):
            low = max(low, math.ceil(row.low - 1e-9))
        if np.isfinite(row.high):
            high = min(high, math.floor(row.high + 1e-9))
    return low, high


def solve_pure(answers: Answers, low: int, high: int, deadline: Deadline) -> bool:
    """Fill ``answers``; False when the problem is infeasible."""
    problem, sites = answers.problem, np.nonzero(answers.problem.may_open)[0]
    if high < low or low > len(sites):
        return False
    # Only allowed pairs are multiplied: a client of weight nothing times a latency of infinity is no number.
    allowed, cost = problem.allowed[:, sites], np.full((len(problem.client_ids), len(sites)), np.inf)
    np.multiply(problem.sizing.share[:, None], problem.latency_ms[:, sites], out=cost, where=allowed)
    found = facility_location(
        np.zeros(len(sites)), cost, min_open=low, max_open=high,
        gap=answers.gap, time_limit_s=deadline.remaining_s,
    )  # fmt: skip
    if found.termination == "infeasible":
        return False
    answers.prove(found.lower_bound)
    if len(found.open):
        is_open = np.zeros(len(problem.site_ids), dtype=bool)
        is_open[sites[found.open]] = True
        answers.offer(settled(problem, is_open, sites[found.assignment], -np.inf))
    return True
