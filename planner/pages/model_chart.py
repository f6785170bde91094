"""The distance model held against what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go

from planner.geo import great_circle_km
from planner.latency.estimate import DistanceModel
from planner.measurements import PairStatistic
from planner.pages.theme import Palette, figure
from planner.pages.words import ms

MAX_DOTS = 1500


def model_chart(
    model: DistanceModel,
    statistics: tuple[PairStatistic, ...],
    positions: Mapping[str, tuple[float, float]],
    colours: Palette,
) -> go.Figure:
    """Measured round trips over distance, and the curve a modelled pair starts from with its 90 % interval.

    ``positions`` are latitude and longitude by site id; a pair whose site has none is left out. At most
    :data:`MAX_DOTS` pairs are drawn, evenly picked.
    """
    pairs = [
        (each, place)
        for each in statistics
        if (place := positions.get(each.site_id, each.site_position)) is not None and np.isfinite(each.rtt_ms)
    ]
    if len(pairs) > MAX_DOTS:
        pairs = [pairs[int(at)] for at in np.linspace(0, len(pairs) - 1, MAX_DOTS)]
    chart = figure(colours, height=420, hovermode="closest", dragmode=False)
    km = np.array(
        [
            float(great_circle_km(each.vantage.lat, each.vantage.lon, place[0], place[1]))
            for each, place in pairs
        ]
    )
    grid = np.linspace(0.0, max(2000.0, float(km.max(initial=0.0))), 160)
    curve, lower, upper = model.predict(grid)
    chart.add_scatter(
        x=np.concatenate([grid, grid[::-1]]),
        y=np.concatenate([upper, lower[::-1]]),
        fill="toself",
        fillcolor="rgba(230,159,0,0.18)",
        line={"width": 0},
        name="From distance alone, 90 % interval",
        hoverinfo="skip",
    )
    chart.add_scatter(
        x=grid,
        y=curve,
        mode="lines",
        name="From distance alone",
        line={"color": colours.series[1], "width": 2.2, "dash": "dot"},
        hovertemplate="modelled at %{x:,.0f} km: %{y:.0f} ms<extra></extra>",
    )
    for direct, name, symbol in ((True, "Measured pair", "circle"), (False, "Derived pair", "circle-open")):
        rows = [at for at, (each, _) in enumerate(pairs) if each.direct is direct]
        if not rows:
            continue
        chart.add_scatter(
            x=km[rows],
            y=[pairs[at][0].rtt_ms for at in rows],
            mode="markers",
            name=f"{name} ({len(rows):,})",
            marker={"symbol": symbol, "size": 5, "color": colours.accent, "opacity": 0.6},
            text=[
                f"<b>{escape(pairs[at][0].vantage.id)}</b> to <b>{escape(pairs[at][0].site_id)}</b>"
                f"<br>{ms(pairs[at][0].rtt_ms)} over {km[at]:,.0f} km"
                f"<br>{escape(pairs[at][0].kind)}: {escape(pairs[at][0].source)}"
                for at in rows
            ],
            hovertemplate="%{text}<extra></extra>",
        )
    chart.update_xaxes(title_text="Great-circle distance, km", rangemode="tozero", tickformat=",")
    chart.update_yaxes(title_text="Round trip, ms", rangemode="tozero", ticksuffix=" ms")
    return chart
