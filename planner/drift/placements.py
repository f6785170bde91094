"""How a round stands among those that the plan was made from: normal scores of ranks. Pure.

Delays have heavy tails and a daily course, so no distribution is assumed, and a sample is first told by how
far its logarithm is from the median of its hour of the day, in the deviations of that hour. Its place among
all reference samples so told is a share p, and its score Φ⁻¹(p): what a normal one in that place would be.
Samples that tie share the mean of their scores. The *score of a round* is the mean over its samples, less
that of the reference rounds of its hour. Where nothing changed it is 0 in the mean and nearly normal,
whatever the distribution; where all delays grow by a step, it grows with the step, up to the farthest of the
reference. A lost sample is +inf and stands above any other.

Sources: B. L. van der Waerden (1952), Order tests for the two-sample problem and their power; J. L. Hodges,
E. L. Lehmann (1962), Rank methods for combination of independent experiments in analysis of variance (ranks
after alignment).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# scipy.special and not scipy.stats, whose import alone takes over a second.
from scipy.special import ndtri

from planner.drift.series import Figure, Series

MARGIN: Final = 0.01
"""A step must be larger than this part of the figure: so much has to be between any two before they count as
different."""

FEWEST_RECENT: Final = 6
FEWEST_REFERENCE: Final = 20
FEWEST_OF_HOUR: Final = 3
"""Fewer rounds than these say nothing: recent ones, reference ones, and of these in one hour of the day."""

FEWEST_DAYS: Final = 3
"""On so many days the reference must have rounds of an hour that is judged."""

HOURS: Final = 24

_SHRINK: Final = 30.0
"""An hour's own deviation is worth its samples, that of all hours so many."""

_NEVER: Final = 500.0
"""The logarithm that stands for a lost sample."""
_LEAST_MS: Final = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The m rounds of a pair that the plan was made from, those of hours that may be judged: ``at`` (m,), the
    ``hour`` (m,) of the day, and each figure ``ranked``."""

    at: NDArray[np.datetime64]
    hour: NDArray[np.int64]
    ranked: tuple[Ranked, ...]

    @staticmethod
    def of(series: Series) -> Reference | None:
        """None where there are too few rounds, or all of them of one day."""
        if len(series.at) < FEWEST_REFERENCE:
            return None
        enough = np.bincount(series.hour, minlength=HOURS) >= FEWEST_OF_HOUR
        enough &= series.days_of_hours() >= FEWEST_DAYS
        series = series.part(enough[series.hour])
        if len(series.at) == 0:
            return None
        hour = series.hour
        return Reference(series.at, hour, tuple(Ranked.of(figure, hour) for figure in series.figures))


@dataclass(frozen=True, slots=True, eq=False)
class Recent:
    """What one pair's recent rounds bring to a comparison: their ``figures``, their ``hour`` of the day, and
    the ``reference`` they are scored against."""

    figures: tuple[Figure, ...]
    hour: NDArray[np.int64]
    reference: Reference


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Rounds in the order of time, scored within strata: hours of the day of one pair each.

    Of m reference rounds ``past_at`` (m,), ``past_stratum`` (m,) and their scores ``past`` (f, m); those of
    one ``past_slot`` (m,), ascending, were taken side by side. Of k recent ones ``at`` (k,) and ``stratum``
    (k,); their scores are reckoned where they are asked for, of the ``parts``, put in ``order`` (k,).
    ``ties`` (f,): the variance that a reference round's score would have besides, were ties broken by lot.
    There are ``strata`` of them.
    """

    past_at: NDArray[np.datetime64]
    past_stratum: NDArray[np.int64]
    past_slot: NDArray[np.int64]
    past: NDArray[np.float64]
    ties: NDArray[np.float64]
    at: NDArray[np.datetime64]
    stratum: NDArray[np.int64]
    strata: int
    parts: tuple[Recent, ...]
    order: NDArray[np.int64]

    def scores(self, figure: int, margin: float = 0.0) -> NDArray[np.float64]:
        """(k,) of one figure, the reference first raised by ``margin``, or lowered where it is negative."""
        found = [
            part.reference.ranked[figure].scores(part.figures[figure], part.hour, margin)
            for part in self.parts
        ]
        return np.asarray(np.concatenate(found)[self.order])


def compared(reference: Reference, recent: Series) -> Comparison | None:
    """One pair's recent rounds against its reference; None where too few are of hours that may be judged."""
    known = np.bincount(reference.hour, minlength=HOURS) > 0
    recent = recent.part(known[recent.hour])
    if len(recent.at) < FEWEST_RECENT:
        return None
    return Comparison(
        past_at=reference.at,
        past_stratum=reference.hour,
        past_slot=np.arange(len(reference.at)),
        past=np.array([each.own for each in reference.ranked]),
        ties=np.array([each.ties for each in reference.ranked]),
        at=recent.at,
        stratum=recent.hour,
        strata=HOURS,
        parts=(Recent(recent.figures, recent.hour, reference),),
        order=np.arange(len(recent.at)),
    )


def joined(several: Sequence[Comparison]) -> Comparison:
    """The rounds of several pairs as one series in the order of time, each scored within its own pair's
    hours. Rounds no further apart than a pair's own are, as a rule, were taken side by side."""
    first = np.cumsum([0, *(each.strata for each in several)])[:-1].tolist()
    past_at, at = (np.concatenate(each) for each in zip(*((e.past_at, e.at) for e in several), strict=True))
    by_past, by_time = np.argsort(past_at, kind="stable"), np.argsort(at, kind="stable")
    shifted = [(e.past_stratum + low, e.stratum + low) for e, low in zip(several, first, strict=True)]
    step = max(np.median(np.diff(each.past_at).astype(np.int64)) for each in several)
    begun = past_at[by_past].astype("datetime64[us]").astype(np.int64)
    taken = np.cumsum([0, *(len(each.at) for each in several)])[:-1].tolist()
    return Comparison(
        past_at=past_at[by_past],
        past_stratum=np.concatenate([past for past, _ in shifted])[by_past],
        past_slot=(begun - begun[0]) // max(int(step), 1),
        past=np.concatenate([each.past for each in several], axis=1)[:, by_past],
        ties=np.average([e.ties for e in several], axis=0, weights=[len(e.past_at) for e in several]),
        at=at[by_time],
        stratum=np.concatenate([now for _, now in shifted])[by_time],
        strata=sum(each.strata for each in several),
        parts=tuple(part for each in several for part in each.parts),
        order=np.concatenate([e.order + low for e, low in zip(several, taken, strict=True)])[by_time],
    )


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """One figure of the m reference rounds. ``centre`` and ``scale`` (24,) of each hour's logarithms;
    ``places`` (n,) ascending: of all samples, as told by them; ``cells`` (n + 1,): the density of the normal
    distribution where the shares 0, 1/n, ..., 1 are; ``level`` (24,): the mean score of each hour's rounds;
    ``own`` (m,): the scores of the rounds themselves; ``ties``: what these would vary by besides, were ties
    broken by lot.

    Ties in their middle keep a score from straying while all goes well, and say nothing of the one round in a
    hundred that does stray: by lot they leave a sum the variance of one without ties.
    """

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    places: NDArray[np.float64]
    cells: NDArray[np.float64]
    level: NDArray[np.float64]
    own: NDArray[np.float64]
    ties: float

    @staticmethod
    def of(figure: Figure, hour: NDArray[np.int64]) -> Ranked:
        """``hour`` (m,): of the day, of each round."""
        logs, of_value, rounds = _logs(figure.values), hour[figure.of], len(hour)
        centre, scale = _told_by(logs, of_value)
        told = (logs - centre[of_value]) / scale[of_value]
        places, n = np.sort(told), len(told)
        quantile = ndtri(np.arange(n + 1) / n)
        cells = np.exp(-(quantile**2) / 2.0) / np.sqrt(2.0 * np.pi)
        bare = Ranked(centre, scale, places, cells, np.zeros(HOURS), np.zeros(0), 0.0)
        samples = np.bincount(figure.of, minlength=rounds)
        own = np.bincount(figure.of, bare._of_values(told), rounds) / samples
        size = np.maximum(np.bincount(hour, minlength=HOURS), 1)
        level = np.bincount(hour, own, HOURS) / size
        lot = np.bincount(figure.of, bare._by_lot(told, quantile), rounds) / samples**2
        # Centred among themselves, the rounds of an hour stray less than a new one from their mean.
        wider = np.sqrt(size / np.maximum(size - 1.0, 1.0))
        return Ranked(
            centre, scale, places, cells, level, (own - level[hour]) * wider[hour], float(lot.mean())
        )

    def scores(self, figure: Figure, hour: NDArray[np.int64], margin: float) -> NDArray[np.float64]:
        """(k,) of rounds in these hours (k,) of the day, the reference first raised by ``margin``."""
        of_value = hour[figure.of]
        raised = np.sign(margin) * np.log1p(abs(margin))
        logs = _logs(figure.values)
        logs = np.where(logs < _NEVER, logs - raised, logs)
        told = (logs - self.centre[of_value]) / self.scale[of_value]
        samples = np.bincount(figure.of, minlength=len(hour))
        found = np.bincount(figure.of, self._of_values(told), len(hour)) / np.maximum(samples, 1)
        return np.asarray(found - self.level[hour])

    def _of_values(self, told: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean of a normal variable between the shares that each value is between."""
        low, high = self._between(told)
        return np.asarray((self.cells[low] - self.cells[high]) / (high - low) * len(self.places))

    def _between(self, told: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The shares, in n-ths, below which and within which the reference samples that tie with each value
        are; of one that ties with none, the two next to it, and at either end the last."""
        low, high = (np.searchsorted(self.places, told, side) for side in ("left", "right"))
        alone = low == high
        low = np.where(alone, np.maximum(low - 1, 0), low)
        return low, np.where(alone, np.minimum(high + 1, len(self.places)), high)

    def _by_lot(self, told: NDArray[np.float64], quantile: NDArray[np.float64]) -> NDArray[np.float64]:
        """The variance of a normal variable between these shares."""
        low, high = self._between(told)
        weighed = np.where(np.isfinite(quantile), quantile, 0.0) * self.cells
        square = 1.0 + (weighed[low] - weighed[high]) / (high - low) * len(self.places)
        return np.asarray(np.maximum(square - self._of_values(told) ** 2, 0.0))


def _logs(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(values), np.log(np.maximum(values, _LEAST_MS)), _NEVER)


def _told_by(
    logs: NDArray[np.float64], hour: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and deviation of each hour; the deviation (the median absolute one) is drawn towards that of all
    hours, so that few samples do not make their own."""
    centre, own, size = np.zeros(HOURS), np.zeros(HOURS), np.bincount(hour, minlength=HOURS)
    for which in np.flatnonzero(size).tolist():
        of_hour = logs[hour == which]
        centre[which] = np.median(of_hour)
        own[which] = np.median(np.abs(of_hour - centre[which]))
    common = float(np.median(np.abs(logs - centre[hour])))
    scale = np.sqrt((size * own**2 + _SHRINK * common**2) / (size + _SHRINK))
    return centre, np.where(scale > 0.0, scale, 1.0)
