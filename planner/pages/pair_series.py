"""One pair of vantage and site, by its own samples: figures in words, and its hours of the day as a chart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from planner.latency.daily import Hour, Profile
from planner.latency.jitter import Jitter
from planner.measurements import PairStatistic, Rounds
from planner.pages.theme import Palette, figure
from planner.pages.words import ms, share
from planner.wording import counted


@dataclass(frozen=True, slots=True)
class Series:
    """One pair's samples (n,), by round and start: UTC starts, round trips in ms (+inf: lost), rounds."""

    started_at: NDArray[np.datetime64]
    rtt_ms: NDArray[np.float64]
    round: NDArray[np.int64]


def series_of(rounds: Rounds, vantage: str, site: str) -> Series | None:
    """The samples of one pair, or None where there are none."""
    for at in rounds.pairs():
        if (rounds.places[rounds.vantage[at.start]].vantage, rounds.sites[rounds.site[at.start]]) == (
            *(vantage,),
            site,
        ):
            order = np.argsort(rounds.round[at], kind="stable")
            return Series(rounds.started_at[at][order], rounds.rtt_ms[at][order], rounds.round[at][order])
    return None


def facts(statistic: PairStatistic, variation: Jitter) -> list[tuple[str, str]]:
    """A label and a sentence for each thing that the samples tell. The statistic has its detail."""
    detail = statistic.detail
    assert detail is not None
    percentile = f"p{statistic.quantile * 100:g}"
    found = [
        (
            percentile,
            f"{ms(statistic.rtt_ms) if math.isfinite(statistic.rtt_ms) else 'lost'}, "
            f"{between(statistic.lower_ms, statistic.upper_ms)}",
        ),
        (
            "Samples",
            f"{statistic.samples:,} in {counted(detail.rounds, 'round')}, worth {detail.effective:,.0f} "
            "independent of each other",
        ),
        (
            "Lost",
            f"{share(statistic.loss_ratio)}, between {share(detail.loss_lower)} and "
            f"{share(detail.loss_upper)}",
        ),
        (
            "Jitter",
            f"{percentile} of |ipdv|: {_step(variation.within_ms, variation.within_pairs)} within a round, "
            f"{_step(variation.between_ms, variation.between_pairs)} from round to round",
        ),
    ]
    if len(detail.modes) == 2:
        low, high = detail.modes
        found.append(
            (
                "Two levels",
                f"{ms(low.rtt_ms)} ({share(low.share, 0)} of the samples) and {ms(high.rtt_ms)} "
                f"({share(high.share, 0)}), as when a route changes and changes back",
            )
        )
    return found


def between(lower_ms: float, upper_ms: float) -> str:
    """``between 40 ms and 47 ms``, or which side has no bound."""
    if lower_ms <= 0.0 and math.isinf(upper_ms):
        return "too few samples for any bound"
    if math.isinf(upper_ms):
        return f"at least {ms(lower_ms)}; too few samples, or too many lost, for an upper bound"
    return f"between {ms(lower_ms)} and {ms(upper_ms)}"


def _step(value: float, pairs: int) -> str:
    return ms(value) if pairs else "nothing to compare"


def worst_words(profile: Profile, clock: str) -> str:
    """Which hour was worst, how bad, and which others it may have been."""
    worst = profile.worst
    value = ms(worst.rtt_ms) if math.isfinite(worst.rtt_ms) else "lost"
    said = (
        f"Worst from {worst.hour}:00 to {(worst.hour + 1) % 24}:00 {clock}: {value}, "
        f"{between(worst.least_ms, worst.most_ms)}. These bounds allow for its having been picked from "
        f"{counted(len(profile.hours), 'hour')}."
    )
    others = [f"{hour}:00" for hour in profile.may_be_worst if hour != worst.hour]
    if not others:
        return f"{said} No other hour can be the worst."
    if len(others) == len(profile.hours) - 1:
        return f"{said} Any hour may be the worst."
    return f"{said} It may as well be {', '.join(others)}."


def hours_chart(profile: Profile, clock: str, colours: Palette) -> go.Figure:
    """Each hour's quantile with its own bounds, the worst one marked; an hour all lost is not drawn."""
    chart = figure(colours, height=320, dragmode=False)
    drawn = [hour for hour in profile.hours if math.isfinite(hour.rtt_ms)]
    top = max((hour.rtt_ms for hour in drawn), default=1.0)
    for marked, name, hue in ((False, "By hour", colours.accent), (True, "Worst hour", colours.warm)):
        rows = [hour for hour in drawn if (hour is profile.worst) is marked]
        if not rows:
            continue
        chart.add_scatter(
            x=[hour.hour for hour in rows],
            y=[hour.rtt_ms for hour in rows],
            mode="markers",
            name=name,
            marker={"color": hue, "size": 9, "symbol": "diamond" if marked else "circle"},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [_above(hour, top) for hour in rows],
                "arrayminus": [hour.rtt_ms - hour.lower_ms for hour in rows],
                "color": hue,
                "thickness": 1.4,
                "width": 3,
            },
            text=[
                f"{ms(hour.rtt_ms)}, {between(hour.lower_ms, hour.upper_ms)}"
                f"<br>{hour.samples:,} samples of {counted(hour.days, 'day')}, worth {hour.effective:,.0f}"
                f"<br>{share(hour.loss_ratio)} lost"
                for hour in rows
            ],
            hovertemplate="<b>%{x}:00</b><br>%{text}<extra></extra>",
        )
    chart.update_xaxes(
        title_text=f"Hour of the day, {clock}", range=[-0.6, 23.6], dtick=3, ticksuffix=":00", showgrid=False
    )
    chart.update_yaxes(title_text="Round trip, ms", rangemode="tozero", ticksuffix=" ms")
    return chart


def _above(hour: Hour, top: float) -> float:
    """How far up the bound reaches; one that is infinite leaves the picture."""
    return (hour.upper_ms if math.isfinite(hour.upper_ms) else 2.0 * top) - hour.rtt_ms
