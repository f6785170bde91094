"""The rounds of a pair of vantage and site in the order of time, and what each of them is told by. Pure.

A round is told by two figures: its *level*, which is all of its samples, and its *top*, the one sample at the
quantile that the study asks for. A step of the whole delay shows in the level first, for it has the more to
tell; losses now and then and a longer tail show in the top.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FIGURES: Final = ("level", "quantile")
"""What each figure of a series is."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """n values in ms, +inf where lost, and ``of`` (n,) the number of the round that each is of, ascending;
    every round has one or more."""

    values: NDArray[np.float64]
    of: NDArray[np.int64]

    def part(self, rounds: NDArray[np.bool_]) -> Figure:
        """The values of some of the rounds, numbered anew."""
        kept = rounds[self.of]
        return Figure(self.values[kept], (np.cumsum(rounds) - 1)[self.of[kept]])


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """k rounds: ``at`` (k,) datetime64[us], UTC, ascending, and the :data:`FIGURES` of each."""

    at: NDArray[np.datetime64]
    figures: tuple[Figure, ...]

    @property
    def hour(self) -> NDArray[np.int64]:
        """(k,) of the day, 0 to 23."""
        return hours_since_1970(self.at) % 24

    def days_of_hours(self) -> NDArray[np.int64]:
        """(24,) on how many days there are rounds of each hour."""
        return np.bincount(np.unique(hours_since_1970(self.at)) % 24, minlength=24)

    def part(self, rounds: slice | NDArray[np.bool_]) -> Series:
        """Some of the rounds."""
        chosen = np.zeros(len(self.at), dtype=bool)
        chosen[rounds] = True
        return Series(self.at[chosen], tuple(each.part(chosen) for each in self.figures))


def hours_since_1970(at: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """The number of the hour that each moment is in."""
    return at.astype("datetime64[h]").astype(np.int64)


def series_of(
    at: NDArray[np.datetime64], round_: NDArray[np.int64], rtt_ms: NDArray[np.float64], quantile: float
) -> Series:
    """The rounds of one pair from its n samples: start, number of the round, and delay in ms, +inf where
    lost. The top of a round is its order statistic of rank ceil(quantile x size)."""
    _, number = np.unique(round_, return_inverse=True)
    begun = np.full(int(number.max()) + 1 if len(number) else 0, np.iinfo(np.int64).max)
    np.minimum.at(begun, number, at.astype("datetime64[us]").astype(np.int64))
    place = np.empty(len(begun), dtype=np.int64)
    place[np.argsort(begun, kind="stable")] = np.arange(len(begun))
    of = place[number]
    order = np.lexsort((rtt_ms, of))
    values, of = rtt_ms[order], of[order]
    size = np.bincount(of, minlength=len(begun))
    rank = np.maximum(np.ceil(quantile * size - 1e-9).astype(np.int64), 1)
    top = values[np.cumsum(size) - size + rank - 1]
    return Series(
        np.sort(begun).astype("datetime64[us]"),
        (Figure(values, of), Figure(top, np.arange(len(begun)))),
    )
