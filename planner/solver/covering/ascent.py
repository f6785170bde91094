"""The course of the ascent at the root: rounds of steps, shorter as they gain less (Held & Karp 1971)."""

from __future__ import annotations

from planner.solver.covering.core import SLICE

STEPS = 100
"""Of a round; between two rounds the best prices guide a heuristic."""

ROUNDS = 25
"""At most."""

PATIENCE = 20
"""Steps without a better bound after which a round halves its length."""

SHORTER, SHORTEST = 0.6, 0.03
"""What the length shrinks by after a round that gained little, and where the ascent ends."""

LITTLE = 0.05
"""Of the gap."""


class Course:
    """How long the steps of the next round are, and whether there is one."""

    def __init__(self) -> None:
        self.length, self._rounds = 1.0, 0

    @property
    def over(self) -> bool:
        """Whether the ascent has come to its end."""
        return self._rounds >= ROUNDS or self.length < SHORTEST

    def steps(self, entries: int) -> int:
        """Of the next round: fewer where the matrix has so many entries that they would take long."""
        return max(1, min(STEPS, SLICE // max(1, entries)))

    def gained(self, before: float, after: float, value: float) -> None:
        """The bound rose from ``before`` to ``after``, towards the best known ``value``."""
        self._rounds += 1
        if after - before < LITTLE * (value - after):
            self.length *= SHORTER
