"""How far a modelled pair may be off: conformal bounds that know how much was measured nearby. Pure.

The size of an error is modelled first, from what is known of a pair before it is measured:

    ln |error| ≈ c + t · [u · ln(1 + g / 300 km) + v · n] - w · ln(1 + d / 1,000 km),        u, v, w ≥ 0,

with ``d`` its length, ``g`` the way to the nearest measured pair (of both ends together), and ``n`` from 0
to 2 how new its two ends are: 0 for a place that was measured like most, 1 for one far from all that were.
Across town it matters little who was measured where, so t = d / 1,000 km up to there and 1 beyond. Errors
over that size are then ranked, apart for pairs of two measured places (n = 0), of one that is half known
(0.5), of one new place (1) and of two (2), and their ranks bound the next one (split conformal prediction,
Lei et al., JASA 2018; by groups, Vovk et al., Algorithmic Learning in a Random World, 4.6). Between those
the bounds are interpolated in t · n, so that nothing jumps where a place begins to be new.

The promise holds for pairs like those that calibrated it; those of the shipped tables run between data
centres.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from planner.latency.estimate import COVERAGE, HeldOut

Array = NDArray[np.float64]

NEW: Final = (0.0, 0.5, 1.0, 2.0)
"""How new the two ends of a pair are together, of the kinds of errors that calibrate."""

_WAY_KM, _LENGTH_KM = 300.0, 1_000.0
_LEAST_ERROR = 0.003
_FOLDS: Final = 8
_LEVELS: Final = tuple(COVERAGE + 0.005 * step for step in range(16))


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """Errors on figures the model had not seen, all (k,): ``log_ratio`` ln(actual / predicted), ``km``,
    ``nearest_km`` (g), ``new`` (n), and ``group``, which must not be split between calibrating and
    judging."""

    log_ratio: Array
    km: Array
    nearest_km: Array
    new: Array
    group: NDArray[np.intp]

    def at(self, rows: NDArray[np.bool_]) -> Errors:
        """Some of them."""
        return Errors(
            self.log_ratio[rows], self.km[rows], self.nearest_km[rows], self.new[rows], self.group[rows]
        )


@dataclass(frozen=True, slots=True)
class Intervals:
    """``coefficients`` c, u, v, w of the size; ``low`` and ``high`` bound error over size where t · n is as
    in :data:`NEW`."""

    coefficients: tuple[float, float, float, float]
    low: tuple[float, ...] = (0.0,) * len(NEW)
    high: tuple[float, ...] = (0.0,) * len(NEW)

    def ratios(self, km: Array, nearest_km: Array, new: Array) -> tuple[Array, Array]:
        """Bounds of actual over predicted; the arguments broadcast."""
        size, told = self.size(km, nearest_km, new), _far(km) * new
        return np.exp(size * np.interp(told, NEW, self.low)), np.exp(size * np.interp(told, NEW, self.high))

    def size(self, km: Array, nearest_km: Array, new: Array) -> Array:
        """The size of the error of ln(rtt)."""
        c, u, v, w = self.coefficients
        known = u * np.log1p(nearest_km / _WAY_KM) + v * new
        log_size = c + _far(km) * known - w * np.log1p(km / _LENGTH_KM)
        return np.asarray(np.exp(log_size), dtype=np.float64)


def calibrate(errors: Sequence[Errors]) -> tuple[Intervals, tuple[HeldOut, ...]]:
    """Intervals from the errors on pairs as new as :data:`NEW` says, kind by kind; and how each kind did, an
    error judged by intervals that errors of its own group had no part in.

    Errors of one group resemble each other, so that fewer of a new group lie inside than ranks promise. Of
    each kind the rank is therefore raised until nine in ten do.
    """
    inside = np.zeros((len(_LEVELS), len(errors)))
    for fold in range(_FOLDS):
        learnt = [each.at(each.group % _FOLDS != fold) for each in errors]
        judged = [each.at(each.group % _FOLDS == fold) for each in errors]
        sized = _sized(learnt)
        for row, level in enumerate(_LEVELS):
            ranked = _ranked(sized, learnt, [level] * len(errors))
            for column, each in enumerate(judged):
                low, high = ranked.ratios(each.km, each.nearest_km, each.new)
                ratio = np.exp(each.log_ratio)
                held = np.count_nonzero((low <= ratio) & (ratio <= high))
                inside[row, column] += held / errors[column].km.size
    enough = inside >= COVERAGE
    chosen = np.where(enough.any(axis=0), np.argmax(enough, axis=0), len(_LEVELS) - 1)
    intervals = _ranked(_sized(errors), errors, [_LEVELS[row] for row in chosen])
    return intervals, tuple(
        HeldOut(
            pairs=each.km.size,
            median_relative_error=float(np.median(np.abs(np.expm1(-each.log_ratio)))),
            coverage=float(inside[chosen[column], column]),
        )
        for column, each in enumerate(errors)
    )


def _far(km: Array) -> Array:
    return np.minimum(km / _LENGTH_KM, 1.0)


def _sized(errors: Sequence[Errors]) -> Intervals:
    """The size of an error; each kind weighs the same. No bounds yet."""
    columns, aims, weights = [], [], []
    for each in errors:
        far = _far(each.km)
        terms = (far * np.log1p(each.nearest_km / _WAY_KM), far * each.new, -np.log1p(each.km / _LENGTH_KM))
        columns.append(np.column_stack((np.ones(each.km.size), *terms)))
        aims.append(np.log(np.abs(each.log_ratio) + _LEAST_ERROR))
        weights.append(np.full(each.km.size, 1.0 / math.sqrt(max(each.km.size, 1))))
    weight = np.concatenate(weights)
    found = lsq_linear(
        np.concatenate(columns) * weight[:, None],
        np.concatenate(aims) * weight,
        bounds=([-np.inf, 0.0, 0.0, 0.0], np.inf),
    )
    c, u, v, w = (float(x) for x in found.x)
    return Intervals((c, u, v, w))


def _ranked(sized: Intervals, errors: Sequence[Errors], levels: Sequence[float]) -> Intervals:
    """``sized`` with its bounds."""
    bounds = [
        _ranks(each.log_ratio / sized.size(each.km, each.nearest_km, each.new), level)
        for each, level in zip(errors, levels, strict=True)
    ]
    return replace(sized, low=tuple(low for low, _ in bounds), high=tuple(high for _, high in bounds))


def _ranks(scores: Array, level: float) -> tuple[float, float]:
    """Conformal bounds of ``scores``: the finite-sample ranks, never inside 0."""
    ordered, tail = np.sort(scores), (1.0 - level) / 2.0
    rank = min(math.ceil((ordered.size + 1) * (1.0 - tail)), ordered.size)
    return min(float(ordered[ordered.size - rank]), 0.0), max(float(ordered[rank - 1]), 0.0)
