"""What demand got hour by hour or day by day at the plan's sites, beside what the plan promised. Pure.

Of the clients whose pair is measured. Each is as far from its vantage's figure as the latency matrix puts it
now, so what a span of time gave to the vantage tells what it gave to the client.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.drift.pairs import PairRounds
from planner.drift.series import hours_since_1970
from planner.solver.frontier import weighted_quantile

MOST_SPANS: Final = 120
"""The timeline has no more points than this."""

SPANS_H: Final = (1, 3, 6, 24, 7 * 24)
"""How long a point may last; the shortest that keeps to :data:`MOST_SPANS`."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One span of time from ``at`` on (datetime64[us], UTC): the latency within which ``coverage`` of the
    measured demand was served, with bounds, in ms, inf where less of it was; and the share of that demand
    within the SLO, 1 without one. ``demand``: how much of all demand was measured in this span."""

    at: np.datetime64
    reached_ms: float
    lower_ms: float
    upper_ms: float
    within: float
    demand: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """``moments`` in order, each ``hours`` long. ``planned_ms``: what the plan expected for the same clients;
    ``demand``: their share of all."""

    hours: int
    moments: tuple[Moment, ...]
    planned_ms: float
    demand: float


@dataclass(frozen=True, slots=True, eq=False)
class Clients:
    """The clients (m): their ``share`` of demand, the latency ``planned_ms`` for each, what the matrix says
    ``now_ms``, and the ``pair`` of vantage and site that speaks for it, None for none. A request makes
    ``trips`` round trips of that pair's."""

    share: NDArray[np.float64]
    planned_ms: NDArray[np.float64]
    now_ms: NDArray[np.float64]
    pair: Sequence[tuple[str, str] | None]
    trips: float = 1.0


def timeline(
    pairs: Sequence[PairRounds],
    clients: Clients,
    now: Mapping[tuple[str, str], float],
    *,
    slo_ms: float | None,
    coverage: float,
) -> Timeline | None:
    """The timeline of the measured demand over all rounds there are; None where nothing speaks for anybody.

    ``now``: the figure of each pair, in ms, that ``clients.now_ms`` was made of.
    """
    speaking = [pair for pair in pairs if pair.key in now]
    whom = {pair.key: list[int]() for pair in speaking}
    for i, key in enumerate(clients.pair):
        if key in whom:
            whom[key].append(i)
    speaking = [pair for pair in speaking if whom[pair.key]]
    if not speaking:
        return None
    measured = np.unique(np.concatenate([hours_since_1970(pair.series.at) for pair in speaking]))
    hours = next((h for h in SPANS_H if len(np.unique(measured // h)) < MOST_SPANS), SPANS_H[-1])
    spans: dict[int, list[tuple[list[int], NDArray[np.float64]]]] = {}
    for pair in speaking:
        which = whom[pair.key]
        figure = clients.trips * now[pair.key]
        # A pair that is lost now tells nothing of how far its clients are from it.
        away = clients.now_ms[which] - figure if np.isfinite(figure) else np.zeros(len(which))
        number = hours_since_1970(pair.at) // hours
        for span in np.unique(number).tolist():
            figures = clients.trips * np.array(pair.figures(number == span))
            spans.setdefault(span, []).append((which, figures[:, None] + away))
    everyone = np.array(sorted(i for pair in speaking for i in whom[pair.key]))
    moments = tuple(
        _moment(np.datetime64(span * hours, "h"), parts, clients.share, slo_ms, coverage)
        for span, parts in sorted(spans.items())
    )
    share = clients.share[everyone]
    planned = weighted_quantile(clients.planned_ms[everyone], share, coverage)
    return Timeline(hours, moments, planned, float(share.sum()))


def _moment(
    at: np.datetime64,
    parts: Sequence[tuple[list[int], NDArray[np.float64]]],
    every_share: NDArray[np.float64],
    slo_ms: float | None,
    coverage: float,
) -> Moment:
    """``parts``: clients, and their estimates, lower and upper bounds (3, k)."""
    share = every_share[np.concatenate([which for which, _ in parts])]
    figures = np.hstack([figures for _, figures in parts])
    reached, lower, upper = (weighted_quantile(row, share, coverage) for row in figures)
    total = float(share.sum())
    kept = total if slo_ms is None else float(share[figures[0] <= slo_ms].sum())
    within = kept / total if total > 0.0 else 1.0
    return Moment(at.astype("datetime64[us]"), reached, lower, upper, within, total)
