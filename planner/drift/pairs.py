"""The rounds of each pair of vantage and site, and what some of them amount to. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.drift.series import Series, series_of
from planner.latency.effective import bounded_quantile
from planner.latency.statistics import CONFIDENCE
from planner.measurements import PairStatistic, Rounds, Vantage


@dataclass(frozen=True, slots=True, eq=False)
class PairRounds:
    """One pair: its k rounds as a ``series``, told by their samples and by the ``quantile`` asked for, and
    its n samples in the order of time: ``at`` (n,) datetime64[us], UTC, ``round`` (n,), ``rtt_ms`` (n,), +inf
    where lost."""

    vantage: Vantage
    site: str
    quantile: float
    series: Series
    at: NDArray[np.datetime64]
    round: NDArray[np.int64]
    rtt_ms: NDArray[np.float64]

    @property
    def key(self) -> tuple[str, str]:
        """The ids of vantage and site."""
        return self.vantage.id, self.site

    def between(self, since: np.datetime64, until: np.datetime64 | None = None) -> NDArray[np.bool_]:
        """(n,) the samples that started in [``since``, ``until``)."""
        return (self.at >= since) if until is None else (self.at >= since) & (self.at < until)

    def rounds_between(self, since: np.datetime64, until: np.datetime64 | None = None) -> Series:
        """The rounds that started in [``since``, ``until``)."""
        at = self.series.at
        return self.series.part((at >= since) if until is None else (at >= since) & (at < until))

    def figures(self, among: NDArray[np.bool_], confidence: float = CONFIDENCE) -> tuple[float, float, float]:
        """Estimate, lower and upper bound of the quantile of some samples, at least one, in ms."""
        found = bounded_quantile(self.rtt_ms[among], self.round[among], self.quantile, confidence)
        return found.rtt_ms, found.lower_ms, found.upper_ms

    def statistic(self, among: NDArray[np.bool_], confidence: float = CONFIDENCE) -> PairStatistic:
        """Some samples, at least one, as what the latency matrix is made of."""
        estimate, lower, upper = self.figures(among, confidence)
        rtt = self.rtt_ms[among]
        return PairStatistic(
            vantage=self.vantage,
            site_id=self.site,
            quantile=self.quantile,
            rtt_ms=estimate,
            lower_ms=lower,
            upper_ms=upper,
            samples=len(rtt),
            loss_ratio=float(np.isinf(rtt).mean()),
            kind="sampled",
            direct=True,
            source="own agents",
        )


def pair_rounds(rounds: Rounds, quantile: float) -> Iterator[PairRounds]:
    """Each pair of what was read."""
    vantages = [Vantage(place.vantage, place.country, place.lat, place.lon) for place in rounds.places]
    for part in rounds.pairs():
        at, rtt = rounds.started_at[part], rounds.rtt_ms[part]
        yield PairRounds(
            vantage=vantages[int(rounds.vantage[part.start])],
            site=rounds.sites[int(rounds.site[part.start])],
            quantile=quantile,
            series=series_of(at, rounds.round[part], rtt, quantile),
            at=at,
            round=rounds.round[part],
            rtt_ms=rtt,
        )
