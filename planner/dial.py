"""A number of a rule that can be turned, and the study that asks for each of its values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from planner.study import Study


@dataclass(frozen=True, slots=True)
class Rung:
    """The rule loosened so far: what it would ask then, in words, and the study that asks it."""

    words: str
    study: Study


@dataclass(frozen=True, slots=True)
class Dial:
    """One number of a rule, from ``now`` to the ``last`` that asks anything less, with so many ``digits``.

    ``step``: where a person would turn it first. ``steady``: what one value allows, a looser one does too.
    """

    say: Callable[[float], str]
    put: Callable[[float], Study]
    now: float
    last: float
    step: float
    digits: int = 0
    steady: bool = True

    @property
    def count(self) -> int:
        """How many values there are beside the present one."""
        return max((round(self.last * self._fine) - self._origin) * self._sign, 0)

    def at(self, position: int) -> Rung:
        """The value so many places looser than the least change there is."""
        return self._rung((self._origin + (position + 1) * self._sign) / self._fine)

    @property
    def first(self) -> Rung:
        """The step, or the last value where that comes sooner."""
        beyond = (self.step - self.last) * self._sign > 0
        return self._rung(self.last if beyond else self.step)

    def _rung(self, value: float) -> Rung:
        value = round(value, self.digits)
        return Rung(self.say(value), self.put(value))

    @property
    def _fine(self) -> int:
        return int(10**self.digits)

    @property
    def _sign(self) -> int:
        return 1 if self.last > self.now else -1

    @property
    def _origin(self) -> int:
        """The present value in the finest unit, rounded to where nothing is loosened."""
        fine = self.now * self._fine
        return math.floor(fine + 1e-6) if self._sign > 0 else math.ceil(fine - 1e-6)


def once(words: str, study: Study) -> Dial:
    """A change there is only one of."""
    return Dial(lambda value: words, lambda value: study, 0, 1, 1)
