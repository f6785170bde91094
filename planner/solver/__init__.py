"""Deciding: facility location as a library, and the placement problem with all its rules."""

from planner.solver.covering import max_cover, p_center, set_cover
from planner.solver.facility import facility_location, p_median
from planner.solver.redundant import RedundantSolution, capacitated
from planner.solver.solution import Solution

__all__ = [
    "RedundantSolution",
    "Solution",
    "capacitated",
    "facility_location",
    "max_cover",
    "p_center",
    "p_median",
    "set_cover",
]
