"""What the true latencies may be: draws of a matrix from its estimates and bounds. Pure functions of a seed.

A pair that one's own agents sampled is drawn from those samples, as a bootstrap would
(``planner/latency/resampled.py``). The logarithm of any other's truth lies about the logarithm of its
estimate, as far to either side as its bound says (two halves: a bound is further above than below). The error
of a pair that others published is normal. A modelled pair's has the tails of Student's t with two degrees of
freedom: most are far nearer than the bound and a few far beyond it (``benchmarks/certainty.py`` prints both);
no draw is further away than three times the bound.

Errors hang together, and a plan that is unlucky with one client is unlucky with the neighbours too:

- Clients for whom one vantage speaks share its error towards a site.
- A modelled pair's error has a part of the site, a part of the place and one of the two together: 17, 10
  and 73 per cent of it, for places held out of the shipped table (the same benchmark). A place is what of a
  country lies in one cell of :data:`CELL_DEGREES`.

What was drawn is never below light in fibre. Where a bound is +inf, for want of samples, the model's usual
width stands for it; where the estimate is (too many probes were lost), so is the truth. A draw from samples
of which some were lost may be +inf as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from planner.catalog import Site
from planner.demand import Demand
from planner.geo import fibre_ms, great_circle_km
from planner.latency.estimate import COVERAGE
from planner.latency.matrix import MEASURED, MODELLED, LatencyMatrix
from planner.latency.resampled import Resampled, curve_of
from planner.latency.statistics import CONFIDENCE

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

SITE_PART: Final = 0.17
PLACE_PART: Final = 0.10
"""Of the variance of a modelled pair's error, as a logarithm; the rest is of place and site together."""

CELL_DEGREES: Final = 5.0

_BOUND: Final = float(COVERAGE / np.sqrt((1.0 - COVERAGE**2) / 2.0))
"""The t quantile that COVERAGE of errors stay within, to either side."""

USUAL_LOG_WIDTH: Final = 0.6
"""How far above an estimate a bound is, as a logarithm, where no pair of the matrix tells."""


@dataclass(frozen=True, slots=True)
class Errors:
    """How far each of some pairs (k,) may be off, and which of them are off together.

    ``centre_ms``, ``floor_ms`` (k,); ``down``, ``up`` (k,): the unit of the logarithm below and above, a
    standard deviation where ``tailed`` (k,) is False. ``weight`` (k, 3): of the errors of site, place and
    both; ``column`` (k, 3) says which errors those are among the ``count`` independent ones of the whole
    matrix, so that a draw is the same whichever pairs are looked at. Those pairs that are ``resampled`` have
    their latency from there.
    """

    centre_ms: Floats
    floor_ms: Floats
    down: Floats
    up: Floats
    tailed: NDArray[np.bool_]
    weight: Floats
    column: Indices
    count: int
    resampled: Resampled | None = None

    def draw(self, seed: int, number: int) -> Floats:
        """(k,) the latencies of draw ``number``, in ms: the same whichever others are drawn, and where."""
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, number])))
        error = (self.weight * generator.standard_normal(self.count)[self.column]).sum(axis=1)
        tailed = np.where(self.tailed, _tailed(error), error)
        drawn = self.centre_ms * np.exp(tailed * np.where(tailed > 0.0, self.up, self.down))
        if self.resampled is not None:
            drawn[self.resampled.pair] = self.resampled.at(error[self.resampled.pair])
        return np.asarray(np.maximum(drawn, self.floor_ms))

    def within(self, limit_ms: float) -> Floats:
        """(k,) the probability that each pair's truth is at most ``limit_ms``."""
        with np.errstate(divide="ignore", invalid="ignore"):
            away = np.log(limit_ms / self.centre_ms)
            away /= np.where(away > 0.0, self.up, self.down)
            chance = np.where(self.tailed, _student(away), ndtr(away))
        # Without any spread the centre itself is within or not; nothing is faster than light.
        chance = np.where(np.isnan(chance), self.centre_ms <= limit_ms, chance)
        if self.resampled is not None:
            chance[self.resampled.pair] = self.resampled.within(limit_ms)
        return np.asarray(np.where(self.floor_ms > limit_ms, 0.0, chance), dtype=np.float64)


def errors_of(
    matrix: LatencyMatrix, demand: Demand, sites: Sequence[Site], client: Indices, site: Indices
) -> Errors:
    """The errors of the pairs ``client`` × ``site`` (k,) each, rows and columns of ``matrix``."""
    modelled = matrix.provenance[client, site] <= MODELLED
    speaker = np.where(modelled, -1, matrix.vantage[client, site])
    centre = matrix.estimate_ms[client, site]
    down, up = _widths(matrix, client, site, modelled)
    every = places_of(demand)
    where = np.array([(each.lat, each.lon) for each in sites])
    origin = np.array([(each.lat, each.lon) for each in demand.clients])[client]
    floor = fibre_ms(great_circle_km(origin[:, 0], origin[:, 1], where[site, 0], where[site, 1]))
    own = np.where(speaker >= 0, speaker, len(matrix.vantages) + every[client])
    n, speakers = len(sites), len(matrix.vantages) + int(every.max()) + 1
    parts = np.sqrt([SITE_PART, PLACE_PART, 1.0 - SITE_PART - PLACE_PART])
    return Errors(
        centre_ms=centre,
        floor_ms=np.minimum(floor, centre),
        down=down,
        up=up,
        tailed=modelled,
        weight=np.where(speaker[:, None] >= 0, [[0.0, 0.0, 1.0]], parts[None, :]),
        column=np.column_stack((site, n + own, n + speakers + own * n + site)),
        count=n + speakers + speakers * n,
        resampled=_resampled(matrix, client, site),
    )


def _resampled(matrix: LatencyMatrix, client: Indices, site: Indices) -> Resampled | None:
    """Those of the pairs that samples of one's own speak for; None where there are none."""
    grounds = matrix.grounds
    if grounds is None:
        return None
    curves = {
        pair: spoken
        for pair, spoken in grounds.spoken.items()
        if spoken.detail is not None and spoken.detail.drawn_ms and np.isfinite(spoken.rtt_ms)
    }
    if not curves:
        return None
    number = np.full((len(matrix.vantages), len(matrix.site_ids)), -1)
    number[tuple(np.array(list(curves)).T)] = np.arange(len(curves))
    measured = matrix.provenance[client, site] == MEASURED
    curve = np.where(measured, number[matrix.vantage[client, site], site], -1)
    pair = np.flatnonzero(curve >= 0)
    curve, at = curve[pair], (client[pair], site[pair])
    centre, low, high = (each[at] for each in (matrix.estimate_ms, matrix.lower_ms, matrix.upper_ms))
    usual, trips = _usual_width(matrix) / float(ndtri(0.5 + COVERAGE / 2.0)), grounds.trips
    off = np.array(
        [curve_of(each.detail.drawn_ms, each.rtt_ms, usual) for each in curves.values() if each.detail]
    )
    # What bounds are wider than the samples' own: for the way to the vantage, the line, and the like.
    less, more = (
        trips * np.array(each)[curve]
        for each in (
            [each.rtt_ms - each.lower_ms if each.lower_ms > 0.0 else np.inf for each in curves.values()],
            [each.upper_ms - each.rtt_ms for each in curves.values()],
        )
    )
    widened = grounds.widened_ms[at]
    with np.errstate(invalid="ignore"):
        less = np.where(np.isfinite(less), np.maximum(centre - low - less, 0.0), widened)
        more = np.where(np.isfinite(more), np.maximum(high - centre - more, 0.0), widened)
    return Resampled(pair, curve, trips * off, centre, less, more)


def _tailed(normal: Floats) -> Floats:
    """Student's t with two degrees of freedom at the same ranks, cut off at three times the bound."""
    rank = ndtr(np.clip(normal, -8.0, 8.0))
    return np.clip((2.0 * rank - 1.0) / np.sqrt(2.0 * rank * (1.0 - rank)), -3.0 * _BOUND, 3.0 * _BOUND)


def _student(away: Floats) -> Floats:
    """The probability that such an error is at most so far away."""
    whole = 0.5 + away / (2.0 * np.sqrt(2.0 + away**2))
    return np.where(away >= 3.0 * _BOUND, 1.0, np.where(away < -3.0 * _BOUND, 0.0, whole))


def places_of(demand: Demand) -> Indices:
    """(m,) the number of each client's place."""
    cells = [
        (client.country, int(client.lat // CELL_DEGREES), int(client.lon // CELL_DEGREES))
        for client in demand.clients
    ]
    number = {cell: place for place, cell in enumerate(dict.fromkeys(cells))}
    return np.array([number[cell] for cell in cells], dtype=np.intp)


def _widths(
    matrix: LatencyMatrix, client: Indices, site: Indices, modelled: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """(k,) standard deviations of the logarithm, below and above."""
    usual = _usual_width(matrix)
    centre, low, high = (
        each[client, site] for each in (matrix.estimate_ms, matrix.lower_ms, matrix.upper_ms)
    )
    sampled, normal = ndtri(0.5 + CONFIDENCE / 2.0), ndtri(0.5 + COVERAGE / 2.0)
    known = np.isfinite(centre) & (centre > 0.0)
    safe = np.where(known, centre, 1.0)
    # A bound of 0 or +inf is none: too few samples to have one.
    up = np.where(
        np.isfinite(high) & known, np.log(np.where(known & np.isfinite(high), high, safe) / safe), usual
    )
    down = np.where((low > 0.0) & known, np.log(safe / np.where((low > 0.0) & known, low, safe)), usual)
    # The usual width is a modelled pair's, of which fewer lie inside than of a sampled one's.
    below = np.where(modelled, _BOUND, np.where(low > 0.0, sampled, normal))
    above = np.where(modelled, _BOUND, np.where(np.isfinite(high), sampled, normal))
    return np.where(known, down, 0.0) / below, np.where(known, up, 0.0) / above


def _usual_width(matrix: LatencyMatrix) -> float:
    """The middle of how far above their estimates the modelled pairs' bounds are, as a logarithm."""
    told = (matrix.provenance == MODELLED) & np.isfinite(matrix.upper_ms) & (matrix.estimate_ms > 0.0)
    if not told.any():
        return USUAL_LOG_WIDTH
    return float(np.median(np.log(matrix.upper_ms[told] / matrix.estimate_ms[told])))
