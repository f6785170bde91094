"""Has the way to a site changed? The strongest sign in the last rounds of a series, and how sure it is. Pure.

A series is the rounds of one pair of vantage and site, or of all pairs of a site together, told by their
scores (:mod:`planner.drift.placements`). Sums over ever longer spans of last rounds are looked at, a CUSUM
backwards from now: what came and went concerns nobody. Each has a p-value by what it strays though nothing
changed (:mod:`planner.drift.spread`); the least of them is multiplied by all that was looked at in the series
(spans, both directions, both figures of a round). What several series say together is for
:mod:`planner.drift.families`. Steps below the margin are not looked for.

Source: E. S. Page (1954), Continuous inspection schemes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.drift.placements import FEWEST_RECENT, MARGIN, Comparison
from planner.drift.series import FIGURES
from planner.drift.spread import Prior, Spread, day_of, prior_of, spread_of, tail, weights_of

_GROWTH: Final = 1.35


@dataclass(frozen=True, slots=True)
class Step:
    """The strongest sign of a change in one series. ``p_value`` allows for all that was looked at in this
    series; ``figure`` is the number of the figure it shows in, ``since`` the start of the first recent round
    after it, ``up`` whether the delay grew."""

    p_value: float
    figure: int
    since: np.datetime64
    up: bool


def find_steps(series: Sequence[Comparison], origin: np.datetime64) -> tuple[Step, ...]:
    """The strongest sign in each of several series, strong or not, that the recent rounds are not as the
    reference was.

    ``origin``: the moment that parts one from the other, from which days are counted. How days differ is
    learnt from all of them.
    """
    spreads = spreads_of(series, origin)
    priors = priors_of(spreads)
    return tuple(step_of(each, origin, spread, priors) for each, spread in zip(series, spreads, strict=True))


def spreads_of(series: Sequence[Comparison], origin: np.datetime64) -> tuple[tuple[Spread, ...], ...]:
    """Of each figure of each series."""
    return tuple(
        tuple(
            spread_of(scores, each.past_slot, day_of(each.past_at, origin), ties)
            for scores, ties in zip(each.past, each.ties.tolist(), strict=True)
        )
        for each in series
    )


def priors_of(spreads: Sequence[Sequence[Spread]]) -> tuple[Prior, ...]:
    """What several series have in common, by figure."""
    return tuple(prior_of(of_figure) for of_figure in zip(*spreads, strict=True))


def step_of(
    series: Comparison, origin: np.datetime64, spreads: Sequence[Spread], priors: Sequence[Prior]
) -> Step:
    """The strongest sign in one series of these ``spreads``; ``priors``: what is known of its days."""
    spans = span_lengths(len(series.at))
    past_day, day = day_of(series.past_at, origin), day_of(series.at, origin)
    weights = weights_of(series.stratum, day, series.past_stratum, past_day, series.strata, spans)
    looked_at = 2 * len(FIGURES) * len(spans)
    best: tuple[float, int, bool, int] | None = None
    for figure, (spread, prior) in enumerate(zip(spreads, priors, strict=True)):
        for up, sign in ((True, 1.0), (False, -1.0)):
            scores = sign * series.scores(figure, sign * MARGIN)
            p_values = tail(np.cumsum(scores[::-1])[spans - 1], weights, spread, prior)
            least = int(np.argmin(p_values))
            if best is None or p_values[least] < best[0]:
                best = float(p_values[least]), figure, up, int(spans[least])
    assert best is not None
    p_value, figure, up, span = best
    since = _first_after(series.scores(figure), span, up)
    return Step(min(1.0, p_value * looked_at), figure, series.at[since], up)


def span_lengths(rounds: int) -> NDArray[np.int64]:
    """How many last rounds are looked at, in growing steps up to all of them."""
    lengths, length = list[int](), float(FEWEST_RECENT)
    while length < rounds:
        lengths.append(round(length))
        length *= _GROWTH
    return np.array([*lengths, rounds], dtype=np.int64)


def _first_after(score: NDArray[np.float64], span: int, up: bool) -> int:
    """Where the step most likely is: the split that puts the rounds after it nearest to the level of the last
    ``span``, and those before it nearest to no change."""
    signed = score if up else -score
    halfway = max(float(signed[-span:].mean()), 0.0) / 2.0
    tails = np.cumsum((signed - halfway)[::-1])[::-1]
    return int(np.argmax(tails))
