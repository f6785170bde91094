"""Latency in charts: what was measured between whom, and how demand is spread over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from planner.catalog import Site
from planner.inputs import Inputs
from planner.latency.matrix import MEASURED
from planner.pages.theme import Palette, figure
from planner.pages.words import ms, share
from planner.plan import Plan


@dataclass(frozen=True, slots=True)
class PairGrid:
    """Measured round trips, sites (rows) by vantages (columns), ms; nan where nobody measured.

    Rows run west to east, and so do columns, so that neighbours stand together. ``samples`` is -1 where
    the publisher does not say how many.
    """

    sites: tuple[Site, ...]
    vantages: tuple[str, ...]
    rtt_ms: NDArray[np.float64]
    lower_ms: NDArray[np.float64]
    upper_ms: NDArray[np.float64]
    samples: NDArray[np.int64]


def pair_grid(inputs: Inputs) -> PairGrid:
    """What the matrix took from each vantage: clients that share a vantage share its statistic."""
    matrix = inputs.matrix
    shape = (len(matrix.vantages), len(matrix.site_ids))
    rtt, lower, upper = (np.full(shape, np.nan) for _ in range(3))
    samples = np.zeros(shape, dtype=np.int64)
    rows, columns = np.nonzero(matrix.provenance == MEASURED)
    speaker = matrix.vantage[rows, columns]
    rtt[speaker, columns] = matrix.estimate_ms[rows, columns]
    lower[speaker, columns] = matrix.lower_ms[rows, columns]
    upper[speaker, columns] = matrix.upper_ms[rows, columns]
    samples[speaker, columns] = matrix.samples[rows, columns]
    rtt[~np.isfinite(rtt)] = np.nan
    heard = np.flatnonzero(np.isfinite(rtt).any(axis=1))
    probed = np.flatnonzero(np.isfinite(rtt).any(axis=0))
    lon = np.array([client.lon for client in inputs.demand.clients])
    where = {int(v): float(lon[rows[speaker == v]].mean()) for v in heard}
    heard = np.array(sorted(heard, key=lambda v: where[int(v)]), dtype=np.intp)
    probed = np.array(sorted(probed, key=lambda j: inputs.sites[int(j)].lon), dtype=np.intp)
    pick = np.ix_(heard, probed)
    return PairGrid(
        sites=tuple(inputs.sites[int(j)] for j in probed),
        vantages=tuple(matrix.vantages[int(v)] for v in heard),
        rtt_ms=rtt[pick].T,
        lower_ms=lower[pick].T,
        upper_ms=upper[pick].T,
        samples=samples[pick].T,
    )


def heatmap(grid: PairGrid, opened: Sequence[str], colours: Palette) -> go.Figure:
    """Site by vantage, measured pairs only; open sites are marked with a square before their name."""
    chart = figure(colours, height=130 + 19 * len(grid.sites), dragmode=False)
    here = set(opened)
    mixed = len({site.provider for site in grid.sites}) > 1
    names = [
        f"{'■ ' if site.id in here else ''}{site.id}{f', {site.provider}' if mixed else ''}"
        for site in grid.sites
    ]
    top = float(np.nanmax(grid.rtt_ms)) if np.isfinite(grid.rtt_ms).any() else 1.0
    words = [
        [
            "not measured"
            if np.isnan(grid.rtt_ms[j, v])
            else f"{ms(grid.rtt_ms[j, v])}<br>between {ms(grid.lower_ms[j, v])} and {ms(grid.upper_ms[j, v])}"
            f"<br>{_sample_words(int(grid.samples[j, v]))}"
            for v in range(len(grid.vantages))
        ]
        for j in range(len(grid.sites))
    ]
    chart.add_heatmap(
        z=grid.rtt_ms,
        x=list(grid.vantages),
        y=names,
        text=words,
        zmin=0,
        zmax=top,
        colorscale=colours.colorscale,
        xgap=1,
        ygap=1,
        hoverongaps=False,
        hovertemplate="<b>%{x}</b> to <b>%{y}</b><br>%{text}<extra></extra>",
        colorbar={
            "title": {"text": "Round trip, ms", "side": "right", "font": {"color": colours.muted}},
            "tickfont": {"color": colours.muted},
            "thickness": 10,
            "outlinewidth": 0,
            "len": 0.6,
        },
    )
    chart.update_xaxes(tickangle=-60, side="top", showgrid=False, tickfont={"size": 11})
    chart.update_yaxes(autorange="reversed", showgrid=False, tickfont={"size": 11})
    return chart


def _sample_words(samples: int) -> str:
    return "published; sample count not stated" if samples < 0 else f"{samples:,} samples"


def cumulative(latency_ms: Sequence[float], weight: Sequence[float]) -> tuple[list[float], list[float]]:
    """Steps of a demand-weighted distribution: latencies in order and the share at or below each.

    Thinned to at most 400 steps, the ends kept. Shares are of the given weight.
    """
    order = np.argsort(np.asarray(latency_ms, dtype=np.float64), kind="stable")
    x = np.asarray(latency_ms, dtype=np.float64)[order]
    w = np.asarray(weight, dtype=np.float64)[order]
    if not w.sum() > 0:
        return [], []
    y = np.cumsum(w) / w.sum()
    if len(x) > 400:
        keep = np.unique(np.linspace(0, len(x) - 1, 400).astype(np.intp))
        x, y = x[keep], y[keep]
    return [float(x[0]), *x.tolist()], [0.0, *y.tolist()]


def distribution(plan: Plan, slo_ms: float | None, colours: Palette) -> go.Figure:
    """Share of demand at or below each latency: all of it, its measured and its modelled part."""
    chart = figure(colours, height=450, hovermode="x unified", dragmode=False)
    total = sum(assignment.weight for assignment in plan.assignments) or 1.0
    parts = (
        ("All demand", None, {"color": colours.text, "width": 2.6, "dash": "solid"}),
        ("Measured", "measured", {"color": colours.accent, "width": 2.0, "dash": "solid"}),
        ("Modelled", "modelled", {"color": colours.series[1], "width": 2.0, "dash": "dot"}),
    )
    for name, provenance, line in parts:
        rows = [a for a in plan.assignments if provenance in (None, a.provenance)]
        x, y = cumulative([a.latency_ms for a in rows], [a.weight for a in rows])
        portion = sum(a.weight for a in rows) / total
        chart.add_scatter(
            x=x,
            y=y,
            mode="lines",
            name=f"{name} ({share(portion, 0)})" if provenance else name,
            line={**line, "shape": "hv"},
            hovertemplate=f"{name}: %{{y:.1%}}<extra></extra>",
        )
    if slo_ms is not None:
        chart.add_vline(
            x=slo_ms,
            line={"color": colours.warm, "width": 1.5, "dash": "dash"},
            annotation={
                "text": f"SLO {ms(slo_ms)}",
                "font": {"color": colours.warm},
                "yanchor": "bottom",
                "yref": "paper",
                "y": 0.02,
                "xanchor": "left",
                "xshift": 4,
            },
        )
    chart.update_xaxes(title_text="Round trip to the serving site, ms", rangemode="tozero", ticksuffix=" ms")
    chart.update_yaxes(title_text="Share of demand", tickformat=".0%", range=[0, 1.02])
    return chart


def intervals(plan: Plan, names: dict[str, str], colours: Palette, limit: int = 18) -> go.Figure:
    """The heaviest clients, each with its latency and the interval it may be off by, by provenance."""
    heaviest = sorted(plan.assignments, key=lambda a: (-a.weight, a.client_id))[:limit][::-1]
    chart = figure(colours, height=110 + 19 * len(heaviest), dragmode=False)
    for provenance, hue, symbol in (
        ("measured", colours.accent, "circle"),
        ("modelled", colours.series[1], "circle-open"),
    ):
        rows = [a for a in heaviest if a.provenance == provenance]
        chart.add_scatter(
            x=[a.latency_ms for a in rows],
            y=[escape(names[a.client_id]) for a in rows],
            mode="markers",
            name=provenance.capitalize(),
            marker={"color": hue, "symbol": symbol, "size": 9, "line": {"width": 2}},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [max(0.0, a.latency_upper_ms - a.latency_ms) for a in rows],
                "arrayminus": [max(0.0, a.latency_ms - a.latency_lower_ms) for a in rows],
                "color": hue,
                "thickness": 1.4,
                "width": 3,
            },
            text=[
                f"{ms(a.latency_ms)} to {escape(a.site_id)}, {a.provenance}"
                f"<br>between {ms(a.latency_lower_ms)} and {ms(a.latency_upper_ms)}"
                for a in rows
            ],
            hovertemplate="<b>%{y}</b><br>%{text}<extra></extra>",
        )
    chart.update_xaxes(title_text="Round trip, ms", rangemode="tozero", ticksuffix=" ms")
    chart.update_yaxes(
        showgrid=False,
        categoryorder="array",
        categoryarray=[escape(names[a.client_id]) for a in heaviest],
        tickfont={"color": colours.text, "size": 12},
    )
    return chart
