"""What is promised of the solver, and what was found: a gate measures and compares [I/O]."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.solver import hard, honesty, large, published_gate, speed, studies
from benchmarks.solver.runs import Setting
from benchmarks.table import Line

GATES: dict[str, Callable[[Setting], list[Line]]] = {
    "speed": speed.speed,
    "centers": speed.centers,
    "published": published_gate.published,
    "scale": large.scale,
    "resolve": large.resolve,
    "front": large.front,
    "coverage": studies.coverage,
    "redundant": studies.redundant,
    "honesty": honesty.honesty,
    "hard": hard.hard,
}
