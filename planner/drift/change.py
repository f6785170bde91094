"""Has the way to a site changed? Ranks of a pair's recent rounds among those the plan was made from. Pure.

A round is told by one figure, such as the median of its samples; a lost one is +inf and ranks last. Delays
have heavy tails and a daily course, so no distribution is assumed and rounds are compared only with those of
the same hour of the day: the placement of a recent round is the share of that hour's reference rounds below
it, a tie counting half. Where nothing changed it is ½ in the mean, whatever the distribution, and the sum
over the last k rounds has the variance of van Elteren's stratified rank sum,

    V = Σ_hours n (n + m + 1) / (12 m),      n of the k rounds and m reference rounds in that hour,

times what autocorrelation from round to round adds: 1 + 2 Σ ρ_l of the reference's own ranks, summed by
Geyer's initial positive sequence. Ranks of ever longer spans of last rounds are looked at, a CUSUM backwards
from now: what came and went concerns nobody. The least p-value is multiplied by all that was looked at
(spans, both directions, both figures of a round), and Holm's procedure holds over pairs, so that a whole
check is meant to raise a false alarm with the probability :data:`FALSE_ALARM` at most. That is a bound for
rounds whose ranks hang together as the reference shows; it is not one for what a short reference cannot
show. Within an hour of one day a slow swing looks like its level, so an hour counts from three days on; how
days differ among themselves takes weeks to tell.

The normal tail errs high for rank sums, whose own are shorter. Steps below :data:`MARGIN` are not looked
for: that much has to be between any two before they count as different.

Sources: P. van Elteren (1960), On the combination of independent two sample tests of Wilcoxon; E. S. Page
(1954), Continuous inspection schemes; C. J. Geyer (1992), Practical Markov chain Monte Carlo; S. Holm
(1979), A simple sequentially rejective multiple test procedure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# scipy.special and not scipy.stats, whose import alone takes over a second.
from scipy.special import ndtr

FALSE_ALARM: Final = 0.01
"""Of a whole check, over all pairs that it looks at."""

MARGIN: Final = 0.01
"""A step must be larger than this part of the figure."""

FEWEST_RECENT: Final = 6
FEWEST_REFERENCE: Final = 20
FEWEST_OF_HOUR: Final = 3
"""Fewer rounds than these say nothing: recent ones, reference ones, and of these in one hour of the day."""

FEWEST_DAYS: Final = 3
"""On so many days the reference must have rounds of an hour that is judged."""

_GROWTH: Final = 1.35
_HOUR: Final = 1000.0
"""Between the keys of two hours: more than any two logarithms of milliseconds are apart."""
_NEVER: Final = 500.0
_LEAST_MS: Final = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A pair's rounds in the order of time, k of them: ``at`` (k,) datetime64[us], UTC, and the ``figures``
    (f, k) in ms of each, +inf where a round was lost by that figure."""

    at: NDArray[np.datetime64]
    figures: NDArray[np.float64]

    @property
    def hour(self) -> NDArray[np.int64]:
        """(k,) of the day, 0 to 23."""
        return self.at.astype("datetime64[h]").astype(np.int64) % 24

    def days_of_hours(self) -> NDArray[np.int64]:
        """(24,) on how many days there are rounds of each hour."""
        hours = np.unique(self.at.astype("datetime64[h]").astype(np.int64))
        return np.bincount(hours % 24, minlength=24)

    def part(self, rounds: slice | NDArray[np.bool_]) -> Series:
        """Some of the rounds."""
        return Series(self.at[rounds], self.figures[:, rounds])


@dataclass(frozen=True, slots=True)
class Step:
    """The strongest sign of a change in one pair. ``p_value`` allows for all that was looked at in this pair;
    ``figure`` is the row of the series it shows in, ``since`` the first recent round after it, ``up``
    whether the delay grew."""

    p_value: float
    figure: int
    since: int
    up: bool


def find_step(reference: Series, recent: Series) -> Step | None:
    """The strongest sign that ``recent`` is not as ``reference`` was, strong or not.

    None where too few rounds can be compared: some of the reference must be of the same hours of the day, and
    not all of one day.
    """
    if len(reference.at) < FEWEST_REFERENCE:
        return None
    hour, past_hour = recent.hour, reference.hour
    of_hour = np.bincount(past_hour, minlength=24)
    enough = (of_hour >= FEWEST_OF_HOUR) & (reference.days_of_hours() >= FEWEST_DAYS)
    judged = np.flatnonzero(enough[hour])
    if len(judged) < FEWEST_RECENT:
        return None
    spans = span_lengths(len(judged))
    variance = _variances(hour[judged], of_hour, spans)
    looked_at = 2 * len(recent.figures) * len(spans)
    best: Step | None = None
    for figure, (past, now) in enumerate(zip(reference.figures, recent.figures, strict=True)):
        ranked = _Ranked.of(past, past_hour)
        spread = np.sqrt(variance * ranked.inflation())
        for up in (True, False):
            placed = ranked.placements(now[judged], hour[judged], MARGIN if up else -MARGIN) - 0.5
            sums = np.cumsum((placed if up else -placed)[::-1])[spans - 1]
            p_values = ndtr(-sums / spread)
            least = int(np.argmin(p_values))
            p_value = min(1.0, float(p_values[least]) * looked_at)
            if best is None or p_value < best.p_value:
                since = _first_after(
                    ranked.placements(now[judged], hour[judged], 0.0) - 0.5, int(spans[least]), up
                )
                best = Step(p_value, figure, int(judged[since]), up)
    return best


def span_lengths(rounds: int) -> NDArray[np.int64]:
    """How many last rounds are looked at, in growing steps up to all of them."""
    lengths, length = list[int](), float(FEWEST_RECENT)
    while length < rounds:
        lengths.append(round(length))
        length *= _GROWTH
    return np.array([*lengths, rounds], dtype=np.int64)


def significant(p_values: Sequence[float], level: float = FALSE_ALARM) -> tuple[bool, ...]:
    """Which of several hypotheses fall by Holm's procedure: a single false one with probability ``level`` at
    most, whatever their dependence."""
    fallen = [False] * len(p_values)
    for rank, which in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[which] > level / (len(p_values) - rank):
            break
        fallen[which] = True
    return tuple(fallen)


def _first_after(placed: NDArray[np.float64], span: int, up: bool) -> int:
    """Where the step most likely is: the split that puts the rounds after it nearest to the level of the last
    ``span``, and those before it nearest to no change."""
    signed = placed if up else -placed
    halfway = max(float(signed[-span:].mean()), 0.0) / 2.0
    tails = np.cumsum((signed - halfway)[::-1])[::-1]
    return int(np.argmax(tails))


def _variances(
    hour: NDArray[np.int64], of_hour: NDArray[np.int64], spans: NDArray[np.int64]
) -> NDArray[np.float64]:
    """V of the module's formula for the last ``spans`` of the rounds."""
    found = []
    for span in spans:
        n, m = np.bincount(hour[-span:], minlength=24), np.maximum(of_hour, 1)
        found.append(float((n * (n + m + 1) / (12.0 * m)).sum()))
    return np.array(found)


@dataclass(frozen=True, slots=True, eq=False)
class _Ranked:
    """One figure of the reference rounds, ranked within hours. ``keys`` (m,) ascend by hour and figure;
    ``start`` and ``size`` (24,): where each hour's lie; ``own`` (m,): the key of each round in its time."""

    keys: NDArray[np.float64]
    start: NDArray[np.int64]
    size: NDArray[np.int64]
    own: NDArray[np.float64]
    hour: NDArray[np.int64]

    @staticmethod
    def of(figure: NDArray[np.float64], hour: NDArray[np.int64]) -> _Ranked:
        own = _keys(figure, hour, 0.0)
        size = np.bincount(hour, minlength=24)
        return _Ranked(np.sort(own), np.cumsum(size) - size, size, own, hour)

    def placements(
        self, figure: NDArray[np.float64], hour: NDArray[np.int64], margin: float
    ) -> NDArray[np.float64]:
        """The share of each figure's hour below it, ties by half; the reference first moved by ``margin``."""
        return self._placed(_keys(figure, hour, margin), hour)

    def _placed(self, keys: NDArray[np.float64], hour: NDArray[np.int64]) -> NDArray[np.float64]:
        below, upto = (np.searchsorted(self.keys, keys, side) for side in ("left", "right"))
        return np.asarray(((below + upto) / 2.0 - self.start[hour]) / np.maximum(self.size[hour], 1))

    def inflation(self) -> float:
        """By how much autocorrelation from round to round widens a sum's variance; 1 at the least."""
        ranks = self._placed(self.own, self.hour) - 0.5
        scale = float(ranks @ ranks)
        if scale <= 0.0:
            return 1.0
        total = -1.0
        for lag in range(0, len(ranks) // 3, 2):
            pair = sum(float(ranks[k:] @ ranks[: len(ranks) - k]) / scale for k in (lag, lag + 1))
            if pair <= 0.0:
                break
            total += 2.0 * pair
        return max(total, 1.0)


def _keys(figure: NDArray[np.float64], hour: NDArray[np.int64], margin: float) -> NDArray[np.float64]:
    """A number that orders by hour and then by figure; ``figure`` as much less as ``margin`` says."""
    level = np.log(np.maximum(figure, _LEAST_MS)) - np.log1p(abs(margin)) * np.sign(margin)
    return np.asarray(_HOUR * hour + np.where(np.isfinite(figure), level, _NEVER))
