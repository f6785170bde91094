"""Deciding: facility location as a library, and the placement problem with all its rules."""

from planner.solver.facility import Solution, facility_location, p_median

__all__ = ["Solution", "facility_location", "p_median"]
