"""Covering problems, exactly: p-center, maximal covering (MCLP) and set covering (LSCP)."""

from planner.solver.covering.max_cover import max_cover
from planner.solver.covering.p_center import p_center
from planner.solver.covering.set_cover import set_cover

__all__ = ["max_cover", "p_center", "set_cover"]
