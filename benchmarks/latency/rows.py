"""The pair model where there are no coordinates: the same idea, with what the table itself says of nearness.

    ln rtt(i, j) = ln coordinates(i, j) + f(i, j),        cov f = s(i, i') · s(j, j'),   s = exp(-δ / l)

The mean of several Vivaldi embeddings, or of those and a factorisation, stands for the distance curve, and
two places are as near as their rows (and columns) are alike: δ is the mean absolute difference of their
logarithms where both are known, drawn towards 0.3 where little is. The equations of the process are solved by
conjugate gradients, in which the covariance is two products of matrices and never written out.

Which of the two, ``l`` and the noise come from a second part of the table that is hidden in the same way as
the one to be predicted: of the best settings and those nearly as good the middle counts. So does one factor
on all estimates: with errors as large as Seattle's, the estimate with the least relative error is well below
the middle of what may be. The factor and the bounds come from several such parts, for of one they are chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.latency.peers import factorised, vivaldi
from benchmarks.latency.tables import Array, Mask

EMBEDDINGS = 4
DIMENSIONS = {False: 8, True: 3}
"""Of the embedding alone, and of one that is averaged with factors."""
REACHES = (0.5, 1.0, 3.0)
"""l, in multiples of what usually lies between a place and its fifth nearest."""
NOISES = (0.05, 2.0)
SHIFTS = np.arange(-0.6, 0.21, 0.02)
BEST, ALIKE = 4, 1.05
"""So many of the best settings count, if they err so little more than the very best: which of those is that,
on what was hidden, is chance."""
COVERAGE = 0.90

Setting = tuple[bool, float, float]


class Rows:
    """What is known: the base, what it leaves, and how unlike rows and columns are."""

    def __init__(self, rtt: Array, learn: Mask, factors: bool) -> None:
        self.learn = learn
        self.base = np.mean(
            [np.log(vivaldi(rtt, learn, DIMENSIONS[factors], seed=seed)) for seed in range(EMBEDDINGS)],
            axis=0,
        )
        if factors:
            self.base = (self.base + np.log(factorised(rtt, learn, rank=5, ridge=0.05))) / 2.0
        value = np.where(learn, np.log(np.where(learn, rtt, 1.0)), 0.0)
        self.rest = np.where(learn, value - self.base, 0.0)
        self.apart = _unlike(value, learn), _unlike(value.T, learn.T)

    def log_rtt(self, reach: float, noise: float, steps: int = 30) -> Array:
        row, column = (np.exp(-each / (reach * _fifth(each))) for each in self.apart)
        pull, left = np.zeros_like(self.rest), self.rest.copy()
        along, square = left.copy(), float((left * left).sum())
        first = square
        for _ in range(steps):
            image = np.where(self.learn, row @ along @ column + noise * along, 0.0)
            curvature = float((along * image).sum())
            if curvature <= 0.0:  # rounding, or too little in common: the kernel is not quite positive
                break
            pull += square / curvature * along
            left -= square / curvature * image
            before, square = square, float((left * left).sum())
            if square < 1e-4 * first:
                break
            along = left + square / before * along
        return np.asarray(self.base + row @ pull @ column)


def predicted(rtt: Array, learn: Mask, inner: Sequence[tuple[Mask, Mask]]) -> tuple[Array, Array, Array, str]:
    """``(estimate, lower, upper)`` and the chosen settings; ``inner`` are parts (known, hidden) of ``learn``,
    of which the first chooses the settings."""
    (known, hidden), *more = inner
    truth = np.log(rtt[hidden])
    tried = []
    for factors in (False, True):
        trial = Rows(rtt, known, factors)
        for reach in REACHES:
            for noise in NOISES:
                found = trial.log_rtt(reach, noise)[hidden]
                tried.append((_shifted(truth - found)[0], (factors, reach, noise), found))
    best = sorted(tried, key=lambda each: each[0])[:BEST]
    best = [each for each in best if each[0] <= ALIKE * best[0][0]]
    settings = [setting for _, setting, _ in best]
    middle = np.median([found for _, _, found in best], axis=0)
    left = [np.log(rtt[part]) - _middle(rtt, rest, settings)[part] for rest, part in more]
    off = np.concatenate((truth - middle, *left))
    _, shift = _shifted(off)
    ordered = np.sort(off - shift)
    rank = min(math.ceil((ordered.size + 1) * (0.5 + COVERAGE / 2.0)), ordered.size)
    centre = _middle(rtt, learn, settings) + shift
    lower, upper = centre + min(ordered[-rank], 0.0), centre + max(ordered[rank - 1], 0.0)
    said = "; ".join(
        f"coordinates{' and factors' if factors else ''}, l {reach:g}, noise {noise:g}"
        for factors, reach, noise in settings
    )
    return np.exp(centre), np.exp(lower), np.exp(upper), f"{said}; factor {math.exp(shift):.2f}"


def _middle(rtt: Array, learn: Mask, settings: Sequence[Setting]) -> Array:
    """Of what these settings say, as logarithms."""
    rows = {factors: Rows(rtt, learn, factors) for factors in {each[0] for each in settings}}
    found = [rows[factors].log_rtt(reach, noise) for factors, reach, noise in settings]
    return np.asarray(np.median(found, axis=0))


def _shifted(off: Array) -> tuple[float, float]:
    """The least median relative error by one factor on all estimates, and the factor's logarithm."""
    off = np.clip(off, -20.0, 20.0)  # the equations of some settings do not settle
    errors = [(float(np.median(np.abs(np.exp(shift - off) - 1.0))), float(shift)) for shift in SHIFTS]
    return min(errors)


def _unlike(value: Array, learn: Mask, drawn: float = 3.0, towards: float = 0.3) -> Array:
    found = np.empty((len(value), len(value)))
    for each in range(len(value)):
        both = learn & learn[each]
        found[each] = (np.abs(value - value[each]) * both).sum(axis=1) + drawn * towards
        found[each] /= both.sum(axis=1) + drawn
    np.fill_diagonal(found, 0.0)
    return found


def _fifth(apart: Array) -> float:
    return float(np.median(np.partition(apart, 5, axis=1)[:, 5]))
