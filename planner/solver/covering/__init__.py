"""Covering problems, exactly: p-center, maximal covering (MCLP) and set covering (LSCP)."""

from planner.solver.covering.p_center import p_center
from planner.solver.covering.set_cover import set_cover

__all__ = ["p_center", "set_cover"]
