"""Whether a pair's round trips keep to one level or to two, as when a route changes and changes back. Pure.

A quantile of two routes' samples is a quantile of what was seen, and its bounds hold; but the share of either
route may be another tomorrow, and no average of the two was ever seen. So both are said.

The logarithms of the answered samples are split where that lessens their squared distances from the two
means most (Fisher, JASA 53, 1958; in images, Otsu 1979). Whether the split means anything is asked of
the middle: with a and b the medians of the two sides, and three windows a third of b - a wide, around a,
half-way, and around b, a density with a single peak has at least as much in the middle window as in the
emptier of the others. So few in the middle that a fair coin would hardly give them (:data:`LEVEL`), and at
most half of the others, are two levels. Nothing is assumed of the shape of either, a long tail
included. The coin is thrown once a round at most: samples of one round are no separate witnesses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr

LEVEL: Final = 1e-4
"""So seldom may a pair of one level be taken for one of two: among thousands of pairs, hardly any."""

APART: Final = 1.05
"""Levels nearer to each other than this ratio are one, as far as any plan cares."""

SHARE: Final = 0.03
"""A level holds this share of the answered samples, or it is a tail."""

_VALLEY: Final = 0.5


@dataclass(frozen=True, slots=True)
class Mode:
    """One level: the median ``rtt_ms`` of the samples on its side, which are ``share`` of those answered."""

    rtt_ms: float
    share: float


def find_modes(rtt_ms: ArrayLike, rounds: int, count: ArrayLike | None = None) -> tuple[Mode, ...]:
    """The levels of one pair, lowest first: two, or the one there is; none where nothing was answered.

    ``rtt_ms`` (n,) in any order, lost samples (+inf) passed over; or the values of a histogram, with as many
    samples each as ``count`` (n,) says. They were taken in so many ``rounds``.
    """
    value = np.asarray(rtt_ms, dtype=np.float64)
    size = np.ones(value.shape) if count is None else np.asarray(count, dtype=np.float64)
    answered = np.isfinite(value) & (value > 0.0) & (size > 0.0)
    order = np.argsort(value[answered], kind="stable")
    value, size = value[answered][order], size[answered][order]
    total = float(size.sum())
    if value.size == 0:
        return ()
    cut = _split(np.log(value), size)
    low, high = slice(0, cut), slice(cut, value.size)
    if cut and _two(np.log(value), size, cut, min(rounds / total, 1.0)):
        return tuple(
            Mode(_median(value[side], size[side]), float(size[side].sum()) / total) for side in (low, high)
        )
    return (Mode(_median(value, size), 1.0),)


def _split(log: NDArray[np.float64], size: NDArray[np.float64]) -> int:
    """How many of the sorted values are on the lower side of the best split; 0 where all are equal."""
    below, mass = np.cumsum(size * log), np.cumsum(size)
    left, right = mass[:-1], mass[-1] - mass[:-1]
    between = (below[:-1] * mass[-1] - below[-1] * left) ** 2 / np.maximum(left * right, 1e-300)
    between[np.diff(log) <= 0.0] = 0.0  # equal values stay together
    return int(np.argmax(between)) + 1 if between.size and between.max() > 0.0 else 0


def _two(log: NDArray[np.float64], size: NDArray[np.float64], cut: int, a_sample: float) -> bool:
    """Whether the middle between the sides is emptier than one peak allows; a sample counts ``a_sample``."""
    sides = float(size[:cut].sum()), float(size[cut:].sum())
    if min(sides) < SHARE * sum(sides):
        return False
    a, b = _median(log[:cut], size[:cut]), _median(log[cut:], size[cut:])
    if b - a < np.log(APART):
        return False
    width = (b - a) / 3.0
    at_a, middle, at_b = (
        float(size[np.abs(log - centre) <= width / 2.0].sum()) * a_sample for centre in (a, (a + b) / 2.0, b)
    )
    least = min(at_a, at_b)
    if middle > _VALLEY * least:
        return False
    return float(bdtr(np.floor(middle), int(middle + least), 0.5)) <= LEVEL


def _median(value: NDArray[np.float64], size: NDArray[np.float64]) -> float:
    """The smallest value that at least half of the samples do not exceed."""
    mass = np.cumsum(size)
    return float(value[int(np.searchsorted(mass, mass[-1] / 2.0))])
