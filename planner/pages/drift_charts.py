"""Drift in a chart: what the plan promised beside what was measured, hour by hour or day by day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from planner.drift.evidence import PairChange
from planner.drift.report import said
from planner.drift.timeline import Moment, Timeline
from planner.pages.theme import Palette, figure
from planner.pages.words import ms, share

MARKED = 6
"""So many changes are marked; the table has them all."""
_HEADROOM, _FOOTROOM = 1.08, 0.8


def timeline_chart(
    timeline: Timeline,
    slo_ms: float | None,
    coverage: float,
    changes: Sequence[PairChange],
    colours: Palette,
) -> go.Figure:
    """The latency within which ``coverage`` of the measured demand was served, with its bounds, the SLO, what
    was planned, and when pairs changed. What was lost is a cross at the top; a band without an upper bound
    ends at the figure itself."""
    chart = figure(colours, height=430, hovermode="x", dragmode=False)
    moments = timeline.moments
    figures = [each.reached_ms for each in moments] + [each.upper_ms for each in moments]
    levels = (timeline.planned_ms, *(() if slo_ms is None else (slo_ms,)))
    finite = [each for each in (*figures, *levels) if math.isfinite(each)]
    top = _HEADROOM * max(finite, default=1.0)
    bottom = _FOOTROOM * min([*finite, *(each.lower_ms for each in moments)], default=0.0)
    at = [said(each.at) for each in moments]
    chart.add_scatter(
        x=[*at, *reversed(at)],
        y=[_upper(each, top) for each in moments] + [each.lower_ms for each in reversed(moments)],
        mode="lines",
        fill="toself",
        fillcolor=_faint(colours.accent),
        line={"width": 0},
        name="95 % bounds",
        hoverinfo="skip",
    )
    chart.add_scatter(
        x=at,
        y=[min(each.reached_ms, top) for each in moments],
        mode="lines+markers",
        name=f"Measured: {share(coverage)} of demand within",
        line={"color": colours.accent, "width": 2.2},
        marker={
            "size": 6,
            "symbol": ["circle" if math.isfinite(each.reached_ms) else "x" for each in moments],
        },
        text=[_words(each, slo_ms) for each in moments],
        hovertemplate="%{text}<extra></extra>",
    )
    if math.isfinite(timeline.planned_ms):
        _level(chart, at, timeline.planned_ms, "Planned", colours.text, "dot")
    if slo_ms is not None:
        _level(chart, at, slo_ms, "Promised (SLO)", colours.warm, "dash")
    for number, change in enumerate(sorted(changes, key=lambda each: each.since)[:MARKED]):
        chart.add_vline(x=said(change.since), line={"color": colours.muted, "width": 1, "dash": "dot"})
        chart.add_annotation(
            x=said(change.since),
            y=0.02 + 0.06 * number,
            yref="paper",
            yanchor="bottom",
            xanchor="right",
            xshift=-4,
            showarrow=False,
            text=f"{escape(change.vantage)} → {escape(change.site)}{', by then' if change.by else ''}",
            font={"size": 11, "color": colours.muted},
        )
    chart.update_xaxes(title_text="UTC", type="date")
    chart.update_yaxes(
        title_text=f"Latency of {share(coverage)} of demand", ticksuffix=" ms", range=[bottom, top]
    )
    return chart


def _upper(moment: Moment, top: float) -> float:
    return min(moment.upper_ms if math.isfinite(moment.upper_ms) else moment.reached_ms, top)


def _level(chart: go.Figure, at: Sequence[str], value: float, name: str, colour: str, dash: str) -> None:
    chart.add_scatter(
        x=[at[0], at[-1]],
        y=[value, value],
        mode="lines",
        name=f"{name} {ms(value)}",
        line={"color": colour, "width": 1.6, "dash": dash},
        hoverinfo="skip",
    )


def _words(moment: Moment, slo_ms: float | None) -> str:
    reached = "lost" if math.isinf(moment.reached_ms) else ms(moment.reached_ms)
    upper = "no bound" if math.isinf(moment.upper_ms) else ms(moment.upper_ms)
    promise = "" if slo_ms is None else f"<br>{share(moment.within)} of it within {ms(slo_ms)}"
    return (
        f"<b>{said(moment.at)}</b><br>{reached}, between {ms(moment.lower_ms)} and {upper}{promise}"
        f"<br>{share(moment.demand)} of all demand measured"
    )


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"
