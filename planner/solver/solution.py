"""What the location models answer: sites, assignment, value, and how far it is proven."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.solver.model import Termination

PROOF = 1.0e-9
"""Relative: with a gap of zero asked for, what "optimal" leaves open at most."""


@dataclass(frozen=True, slots=True)
class Solution:
    """``open``: sorted site indices; ``assignment`` (m,): site index per client, -1 = unserved (cover only).

    ``gap`` = (objective − lower_bound) / |objective|. Without a feasible point ``open`` is empty, every
    assignment -1, ``objective`` inf. "infeasible" is proven; "feasible" is a point whose gap exceeds the one
    asked for.
    """

    open: NDArray[np.intp]
    assignment: NDArray[np.intp]
    objective: float
    lower_bound: float
    gap: float
    termination: Termination
    seconds: float


def relative_gap(objective: float, lower_bound: float) -> float:
    """(objective − lower_bound) / |objective|, never negative."""
    slack = max(objective - lower_bound, 0.0)
    return slack / max(abs(objective), 1e-300) if slack > 0.0 else 0.0


def no_solution(clients: int, termination: Termination, lower_bound: float, started: float) -> Solution:
    """What is said without a feasible point. ``started``: by ``time.perf_counter``."""
    return Solution(
        np.empty(0, dtype=np.intp),
        np.full(clients, -1, dtype=np.intp),
        np.inf,
        lower_bound,
        np.inf,
        termination,
        time.perf_counter() - started,
    )
