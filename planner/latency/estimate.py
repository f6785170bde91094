"""Round-trip time of a pair nobody measured, from its distance alone.

    rtt(d) = max(a + b · d^k, light in fibre),   a ≥ 0, b > 0, 0 < k ≤ 1

``a`` is what a connection costs across the street (name resolution, stacks, access). The power below 1 makes
the curve concave: short routes detour more than long ones. A straight line, the usual fit, has to put that
detour into its intercept and then charges 22 ms across town; this curve ends at about 3 ms there, which is
what the published diagonal says, and is no worse at long range (``benchmarks/latency_model.py``).

The fit is robust (soft-L1 loss on log ratios): relative errors count, and a few odd routes do not bend it.
The interval is cross-conformal: quantiles, by band of distance, of actual over predicted for pairs held
out of the fit together with everything else that touches their vantage's fold. It promises its coverage for
pairs that resemble the fitted ones; those of the shipped table run between data centres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from planner.geo import fibre_ms, great_circle_km

COVERAGE: Final = 0.90
"""What the interval of :meth:`DistanceModel.predict` aims at."""

MIN_PAIRS: Final = 30
"""Fewer pairs than this fit no curve of their own: :data:`PRIOR` serves."""

MAX_PAIRS: Final = 5_000
"""A fit looks at no more pairs than this (evenly drawn), so that it stays fast."""

BAND_EDGES_KM: Final = (0.0, 50.0, 1_000.0, 2_500.0, 5_000.0, 8_000.0, 11_000.0, math.inf)
"""Bands of distance with residuals of their own."""

_FOLDS: Final = 8
_BAND_MIN: Final = 20
# Intercept in ms, slope in ms per km^k, exponent: wide enough for any network, narrow enough to stay one.
_LOW, _HIGH = (0.05, 0.004, 0.60), (60.0, 2.0, 1.0)
_START = (3.0, 0.04, 0.90)
_SAME_PLACE_DEGREES = 0.05


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How the model did on pairs it had not seen: ``pairs`` of them, error relative to the measured value."""

    pairs: int
    median_relative_error: float
    coverage: float


@dataclass(frozen=True, slots=True, eq=False)
class DistanceModel:
    """A fitted curve with its interval.

    ``band_km`` (k,) are the distances at which ``lower_ratio`` and ``upper_ratio`` (k,), bounds of
    actual over predicted, hold; between them they are interpolated. ``pairs`` were fitted (0: the
    prior, nothing fitted); ``held_out`` is None for the prior.
    """

    intercept_ms: float
    slope: float
    exponent: float
    band_km: tuple[float, ...]
    lower_ratio: tuple[float, ...]
    upper_ratio: tuple[float, ...]
    pairs: int
    held_out: HeldOut | None

    def estimate_ms(self, km: ArrayLike) -> NDArray[np.float64]:
        """The curve alone; same shape as ``km``."""
        return _curve((self.intercept_ms, self.slope, self.exponent), np.asarray(km, dtype=np.float64))

    def predict(self, km: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """``(estimate, lower, upper)`` in ms, shaped like ``km``: each non-decreasing in distance,
        lower ≤ estimate ≤ upper, and none below light in fibre."""
        distance = np.asarray(km, dtype=np.float64)
        estimate = self.estimate_ms(distance)
        grid, lower, upper = self._bounds()
        floor = fibre_ms(distance)
        low = np.clip(np.interp(distance, grid, lower), floor, estimate)
        return estimate, low, np.maximum(np.interp(distance, grid, upper), estimate)

    def _bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """A grid of distances, and both bounds on it, made monotone by a running maximum."""
        grid = np.concatenate(([0.0], np.geomspace(1.0, 20_040.0, 500)))
        centre = self.estimate_ms(grid)
        lower = centre * np.interp(grid, self.band_km, self.lower_ratio)
        upper = centre * np.interp(grid, self.band_km, self.upper_ratio)
        return grid, np.maximum.accumulate(lower), np.maximum.accumulate(upper)


PRIOR: Final = DistanceModel(
    intercept_ms=2.9,
    slope=0.042,
    exponent=0.90,
    band_km=(0.0, 640.0, 1_550.0, 3_700.0, 6_600.0, 9_500.0, 13_500.0),
    lower_ratio=(0.40, 0.76, 0.75, 0.74, 0.75, 0.80, 0.73),
    upper_ratio=(2.75, 1.40, 3.30, 1.60, 1.85, 1.90, 1.50),
    pairs=0,
    held_out=None,
)
"""The curve when too little is measured to fit one: that of the shipped p50 table, rounded, its interval too.
``tests/planner/latency/test_estimate.py`` holds it to what that table gives."""


def fit_distance_model(origin: ArrayLike, target: ArrayLike, rtt_ms: ArrayLike) -> DistanceModel:
    """The model of k measured pairs: ``origin`` and ``target`` (k, 2) latitude and longitude,
    ``rtt_ms`` (k,).

    Pairs that were lost (inf), are not positive, or beat light in fibre (so that a position must be
    wrong) teach nothing about distance and are left out. With fewer than :data:`MIN_PAIRS` the prior is
    returned.
    """
    start, end = (np.asarray(x, dtype=np.float64).reshape(-1, 2) for x in (origin, target))
    rtt = np.asarray(rtt_ms, dtype=np.float64)
    km = great_circle_km(start[:, 0], start[:, 1], end[:, 0], end[:, 1])
    usable = np.flatnonzero(np.isfinite(rtt) & np.isfinite(km) & (rtt > 0.0) & (rtt >= fibre_ms(km)))
    if usable.size < MIN_PAIRS:
        return PRIOR
    if usable.size > MAX_PAIRS:
        usable = usable[np.linspace(0, usable.size - 1, MAX_PAIRS).astype(np.intp)]
    km, rtt = km[usable], rtt[usable]
    parameters = _fit(km, rtt)
    fold_from, fold_to = _folds(start[usable], end[usable])
    ratio = np.full(km.size, np.nan)
    for fold in range(_FOLDS):
        held, kept = fold_from == fold, (fold_from != fold) & (fold_to != fold)
        if held.any() and np.count_nonzero(kept) >= MIN_PAIRS // 2:
            ratio[held] = rtt[held] / _curve(_fit(km[kept], rtt[kept], parameters), km[held])
    tested = np.isfinite(ratio)
    if np.count_nonzero(tested) < _BAND_MIN:
        return PRIOR
    km, ratio, fold_from = km[tested], ratio[tested], fold_from[tested]
    band_km, lower, upper = _bands(km, ratio)
    return DistanceModel(
        intercept_ms=parameters[0],
        slope=parameters[1],
        exponent=parameters[2],
        band_km=band_km,
        lower_ratio=lower,
        upper_ratio=upper,
        pairs=int(usable.size),
        held_out=_held_out(km, ratio, fold_from),
    )


def _curve(parameters: tuple[float, float, float], km: NDArray[np.float64]) -> NDArray[np.float64]:
    intercept, slope, exponent = parameters
    return np.asarray(np.maximum(intercept + slope * km**exponent, fibre_ms(km)), dtype=np.float64)


def _residuals(
    logs: NDArray[np.float64], km: NDArray[np.float64], log_rtt: NDArray[np.float64]
) -> NDArray[np.float64]:
    intercept, slope, exponent = np.exp(logs)
    return np.asarray(np.log(intercept + slope * km**exponent) - log_rtt, dtype=np.float64)


def _fit(
    km: NDArray[np.float64], rtt: NDArray[np.float64], start: tuple[float, float, float] = _START
) -> tuple[float, float, float]:
    """Intercept, slope and exponent; the search runs over their logarithms, which keeps them positive."""
    low, high = np.log(_LOW), np.log(_HIGH)
    found = least_squares(
        partial(_residuals, km=km, log_rtt=np.log(rtt)),
        np.clip(np.log(start), low + 1e-6, high - 1e-6),
        bounds=(low, high),
        loss="soft_l1",
        f_scale=0.1,
        xtol=1e-6,
        ftol=1e-7,
    )
    intercept, slope, exponent = (float(x) for x in np.exp(found.x))
    return intercept, slope, exponent


def _folds(start: NDArray[np.float64], end: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The fold of each pair's two ends. Ends at one place share a fold, so that the way back is held
    out too."""
    places = np.round(np.concatenate((start, end)) / _SAME_PLACE_DEGREES).astype(np.int64)
    _, place = np.unique(places, axis=0, return_inverse=True)
    fold = np.asarray(place.reshape(-1) % _FOLDS, dtype=np.intp)
    return fold[: len(start)], fold[len(start) :]


def _quantiles(ratio: NDArray[np.float64]) -> tuple[float, float]:
    """Conformal bounds of ``ratio``: the finite-sample ranks, never inside 1."""
    ordered, tail = np.sort(ratio), (1.0 - COVERAGE) / 2.0
    rank = min(math.ceil((ordered.size + 1) * (1.0 - tail)), ordered.size)
    return min(float(ordered[ordered.size - rank]), 1.0), max(float(ordered[rank - 1]), 1.0)


def _bands(
    km: NDArray[np.float64], ratio: NDArray[np.float64]
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Where the bounds hold, and the bounds; a band with too few pairs joins its longer neighbour."""
    order = np.argsort(km, kind="stable")
    km, ratio = km[order], ratio[order]
    cuts = [0]
    for edge in BAND_EDGES_KM[1:-1]:
        cut = int(np.searchsorted(km, edge))
        if cut - cuts[-1] >= _BAND_MIN and km.size - cut >= _BAND_MIN:
            cuts.append(cut)
    cuts.append(km.size)
    spans = [slice(a, b) for a, b in pairwise(cuts)]
    bounds = [_quantiles(ratio[span]) for span in spans]
    centres = tuple(float(np.median(km[span])) for span in spans)
    return centres, tuple(low for low, _ in bounds), tuple(high for _, high in bounds)


def _held_out(km: NDArray[np.float64], ratio: NDArray[np.float64], fold: NDArray[np.intp]) -> HeldOut:
    """Error and coverage on held-out pairs; a pair's interval is taken from the other folds' ratios only."""
    inside = np.zeros(km.size, dtype=bool)
    for each in range(_FOLDS):
        held = fold == each
        if not held.any():
            continue
        source = ~held if np.count_nonzero(~held) >= _BAND_MIN else np.ones_like(held)
        band_km, lower, upper = _bands(km[source], ratio[source])
        inside[held] = (ratio[held] >= np.interp(km[held], band_km, lower)) & (
            ratio[held] <= np.interp(km[held], band_km, upper)
        )
    return HeldOut(
        pairs=int(km.size),
        median_relative_error=float(np.median(np.abs(1.0 / ratio - 1.0))),
        coverage=float(np.mean(inside)),
    )
