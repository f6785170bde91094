"""Deciding: facility location as a library, and the placement problem with all its rules."""

from planner.solver.covering import max_cover, p_center, set_cover
from planner.solver.facility import facility_location, p_median
from planner.solver.redundant import RedundantSolution, capacitated
from planner.solver.solution import Solution
from planner.solver.uncapacitated.budget import CostFront, FrontPoint, budgeted_location, latency_cost_front
from planner.solver.uncapacitated.resolver import Resolver

__all__ = [
    "CostFront",
    "FrontPoint",
    "RedundantSolution",
    "Resolver",
    "Solution",
    "budgeted_location",
    "capacitated",
    "facility_location",
    "latency_cost_front",
    "max_cover",
    "p_center",
    "p_median",
    "set_cover",
]
