"""The plan on a map: where the sites are, whom each serves, how fast, and whether that was measured.

An ordinary x/y chart over the shipped outline, so that nothing is fetched from anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from planner.catalog import Site
from planner.demand import Client
from planner.pages.aggregate import Cell, cells
from planner.pages.labels import place_labels
from planner.pages.outline import outline
from planner.pages.projection import great_circle, natural_earth, polyline
from planner.pages.site_names import site_names
from planner.pages.theme import Palette, figure
from planner.pages.words import KIND_NAMES, ms, share
from planner.plan import Placement, Plan
from planner.wording import counted

HEIGHT = 500
ASPECT = 2.2
WIDTH_PX = 1150.0
"""A usual width, for placing labels; a narrower window only hides fewer overlaps."""
SYMBOLS: Mapping[str, str] = {
    "region": "square",
    "local_zone": "diamond",
    "wavelength_zone": "triangle-up",
    "outpost": "hexagon",
}
BUBBLE_PX = 34.0

Box = tuple[float, float, float, float]


def world_map(
    plan: Plan,
    clients: Mapping[str, Client],
    sites: Sequence[Site],
    colours: Palette,
    homes: Sequence[Site] = (),
) -> go.Figure:
    """The map of ``plan``; ``sites`` are all candidates, so that what was not opened shows as well, ``homes``
    where the stateful tier might stand."""
    by_id = {site.id: site for site in (*homes, *sites)}
    found = cells(plan.assignments, clients)
    named = [row.site_id for row in plan.rows] + ([] if plan.home is None else [plan.home.region])
    view = view_of(found, [by_id[site_id] for site_id in named if site_id in by_id] or list(sites))
    chart = figure(colours, height=HEIGHT, dragmode="pan", legend={"y": 1.0, "itemsizing": "constant"})
    axis = {"visible": False, "constrain": "domain"}
    chart.update_xaxes(**axis, range=[view[0], view[2]])
    chart.update_yaxes(**axis, range=[view[1], view[3]], scaleanchor="x", scaleratio=1, constraintoward="top")
    draw_land(chart, colours)
    worst = scale_end(found)
    for measured in (True, False):
        part = [cell for cell in found if cell.measured is measured]
        draw_links(chart, part, by_id, measured, colours)
        draw_demand(chart, part, found, measured, worst, colours)
    opened = {row.site_id for row in plan.rows}
    _draw_candidates(chart, [site for site in sites if site.id not in opened], colours)
    _draw_state(chart, plan, by_id, colours)
    _draw_sites(chart, plan.placements, by_id, view, colours)
    return chart


def scale_end(found: Sequence[Cell]) -> float:
    """Where the colours end: the latency that 95 % of demand stays below, so that one far island does
    not bleach the rest; a round number."""
    if not found:
        return 40.0
    order = sorted(found, key=lambda cell: cell.latency_ms)
    reached = np.cumsum([cell.share for cell in order])
    row = min(int(np.searchsorted(reached, 0.95 * float(reached[-1]))), len(order) - 1)
    return max(20.0, 20.0 * math.ceil(order[row].latency_ms / 20.0))


def view_of(found: Sequence[Cell], sites: Sequence[Site]) -> Box:
    """What to show: all demand and open sites with a margin, never closer than a continent's width."""
    lon = [cell.lon for cell in found] + [site.lon for site in sites]
    lat = [cell.lat for cell in found] + [site.lat for site in sites]
    x, y = natural_earth(lon, lat)
    left, right, bottom, top = float(x.min()), float(x.max()), float(y.min()), float(y.max())
    width = max((right - left) * 1.08, 0.55)
    height = max((top - bottom) * 1.16, 0.3)
    if width > 3.2:
        # Nearly all the way round: the whole world, without the empty south.
        left_edge, low = natural_earth(-180.0, -54.0)
        high = natural_earth(0.0, 76.0)[1]
        edge = float(left_edge) * 1.06
        return edge, float(low), -edge, float(high)
    # The shape of the frame, so that the map fills it.
    width, height = max(width, height * ASPECT), max(height, width / ASPECT)
    mid_x, mid_y = (left + right) / 2, (bottom + top) / 2
    return mid_x - width / 2, mid_y - height / 2, mid_x + width / 2, mid_y + height / 2


def draw_land(chart: go.Figure, colours: Palette) -> None:
    land = outline()
    quiet = {"hoverinfo": "skip", "showlegend": False, "mode": "lines"}
    chart.add_scatter(
        x=land.land_x,
        y=land.land_y,
        fill="toself",
        fillcolor=colours.land,
        line={"width": 0},
        **quiet,
    )
    chart.add_scatter(x=land.border_x, y=land.border_y, line={"width": 0.7, "color": colours.border}, **quiet)


def draw_links(
    chart: go.Figure, part: Sequence[Cell], sites: Mapping[str, Site], measured: bool, colours: Palette
) -> None:
    ways = []
    for cell in part:
        site = sites[cell.site_id]
        if math.hypot(cell.lon - site.lon, cell.lat - site.lat) > 0.5:
            ways.append(np.column_stack(great_circle(cell.lon, cell.lat, site.lon, site.lat)))
    x, y = polyline(ways)
    chart.add_scatter(
        x=x.astype(np.float32),
        y=y.astype(np.float32),
        mode="lines",
        line={
            "width": 1.0,
            "color": colours.accent if measured else colours.muted,
            "dash": "solid" if measured else "2px,3px",
        },
        opacity=0.42,
        hoverinfo="skip",
        legendgroup="measured" if measured else "modelled",
        showlegend=False,
    )


def draw_demand(
    chart: go.Figure,
    part: Sequence[Cell],
    everything: Sequence[Cell],
    measured: bool,
    worst: float,
    colours: Palette,
) -> None:
    x, y = natural_earth([cell.lon for cell in part], [cell.lat for cell in part])
    largest = max((cell.share for cell in everything), default=1.0) or 1.0
    size = [max(5.0, BUBBLE_PX * math.sqrt(cell.share / largest)) for cell in part]
    latency = [cell.latency_ms for cell in part]
    word = "measured" if measured else "modelled"
    portion = sum(cell.share for cell in part)
    ticks = [worst * k / 4 for k in range(5)]
    chart.add_scatter(
        x=x,
        y=y,
        mode="markers",
        name=f"Demand, latency {word} ({share(portion, 0)})",
        legendgroup=word,
        marker={
            "symbol": "circle" if measured else "circle-open",
            "size": size,
            "color": latency,
            "colorscale": colours.colorscale,
            "cmin": 0.0,
            "cmax": worst,
            "opacity": 0.9,
            "line": {"width": 0.8 if measured else 1.8, "color": colours.background if measured else None},
            "colorbar": {
                "title": {"text": "Latency, ms", "side": "top", "font": {"size": 12, "color": colours.muted}},
                "tickfont": {"size": 11, "color": colours.muted},
                "orientation": "h",
                "x": 0.0,
                "xanchor": "left",
                "y": 0.0,
                "yanchor": "bottom",
                "len": 180,
                "lenmode": "pixels",
                "thickness": 8,
                "outlinewidth": 0,
                "tickvals": ticks,
                "ticktext": [f"{tick:.0f}" for tick in ticks[:-1]] + [f"{worst:.0f}+"],
            },
            "showscale": measured or not any(cell.measured for cell in everything),
        },
        text=[
            f"<b>{escape(cell.largest)}</b>"
            + (f" and {counted(cell.clients - 1, 'more place')}" if cell.clients > 1 else "")
            + f"<br>{share(cell.share, 2)} of demand, served by {escape(cell.site_id)}"
            + f"<br>{ms(cell.latency_ms)}, {word}"
            for cell in part
        ],
        hovertemplate="%{text}<extra></extra>",
    )


def _draw_candidates(chart: go.Figure, closed: Sequence[Site], colours: Palette) -> None:
    x, y = natural_earth([site.lon for site in closed], [site.lat for site in closed])
    chart.add_scatter(
        x=x,
        y=y,
        mode="markers",
        name="Candidate, not opened",
        marker={
            "symbol": "x-thin",
            "size": 6,
            "line": {"width": 1.3, "color": colours.muted},
            "opacity": 0.8,
        },
        text=[
            f"<b>{escape(site.id)}</b><br>{escape(site.name)}<br>{KIND_NAMES[site.kind]}, not opened"
            for site in closed
        ],
        hovertemplate="%{text}<extra></extra>",
    )


def _draw_state(chart: go.Figure, plan: Plan, sites: Mapping[str, Site], colours: Palette) -> None:
    """A ring around the home of the stateful tier, a cross in one around what stands by."""
    found, names = [], site_names(sites.values())
    if plan.home is not None and plan.home.region in sites:
        words = f"home of the stateful tier<br>{ms(plan.home.mean_ms)} of the mean on the way there"
        found.append(("Home Region", plan.home.region, words, "circle-open"))
    if plan.standby is not None and plan.recovery is not None:
        way = plan.recovery
        words = f"stands by: {way.strategy}<br>back after {way.rto_s:,.0f} s, ${way.usd:,.0f} a month"
        found.append(("Standby", plan.standby.site_id, words, "circle-x-open"))
    for name, site_id, words, symbol in found:
        x, y = natural_earth([sites[site_id].lon], [sites[site_id].lat])
        chart.add_scatter(
            x=x,
            y=y,
            # An open site has its name already.
            mode="markers" if site_id in plan.open else "markers+text",
            name=f"{name}: {escape(names[site_id])}",
            marker={
                "symbol": symbol,
                "size": 24 if name == "Home Region" else 18,
                "color": colours.text,
                "line": {"width": 2},
            },
            text=[f"<b>{escape(site_id)}</b><br>{words}"],
            texttemplate=f"<b>{escape(names[site_id])}</b>",
            textposition="bottom center",
            textfont={"size": 12, "color": colours.text, "shadow": halo(colours)},
            hovertemplate="%{text}<extra></extra>",
            cliponaxis=False,
        )


def _draw_sites(
    chart: go.Figure,
    placements: Sequence[Placement],
    sites: Mapping[str, Site],
    view: Box,
    colours: Palette,
) -> None:
    ranked = sorted(placements, key=lambda placement: -placement.demand_share)
    where = [sites[placement.site_id] for placement in ranked]
    if not where:
        return
    x, y = natural_earth([site.lon for site in where], [site.lat for site in where])
    names = site_names(sites.values())
    spots = label_spots(where, names, view)
    for kind, symbol in SYMBOLS.items():
        rows = [row for row, placement in enumerate(ranked) if placement.kind == kind]
        if not rows:
            continue
        chart.add_scatter(
            x=x[rows],
            y=y[rows],
            mode="markers+text",
            name=f"{KIND_NAMES[kind]}, open ({len(rows)})",
            marker={
                "symbol": symbol,
                "size": 13 if kind == "region" else 12,
                "color": [
                    colours.warm if ranked[row].role == "serving" else colours.background for row in rows
                ],
                "line": {
                    "width": 1.6,
                    # A site that serves nobody, a backup or a parent of zones, is hollow.
                    "color": [
                        colours.background if ranked[row].role == "serving" else colours.warm for row in rows
                    ],
                },
            },
            textposition=[spots[row] or "top center" for row in rows],
            texttemplate=[f"<b>{escape(names[where[row].id])}</b>" if spots[row] else "" for row in rows],
            textfont={"size": 12, "color": colours.text, "shadow": halo(colours)},
            text=[_site_words(ranked[row], where[row]) for row in rows],
            hovertemplate="%{text}<extra></extra>",
            cliponaxis=False,
        )


def label_spots(sites: Sequence[Site], names: Mapping[str, str], view: Box) -> list[str | None]:
    """Where the name of each of ``sites`` stands, the most important first; None where there is no room."""
    x, y = natural_earth([site.lon for site in sites], [site.lat for site in sites])
    per_px = max((view[2] - view[0]) / WIDTH_PX, (view[3] - view[1]) / HEIGHT)
    points = [(float(a) / per_px, float(b) / per_px) for a, b in zip(x, y, strict=True)]
    left, bottom, right, top = (edge / per_px for edge in view)
    return place_labels(points, [names[site.id] for site in sites], (left, bottom, right, top))


def halo(colours: Palette) -> str:
    """A rim in the ground's colour, so that a name stays legible over whatever it covers."""
    return ", ".join([f"0 0 3px {colours.background}"] * 6)


def _site_words(placement: Placement, site: Site) -> str:
    lines = [
        f"<b>{escape(site.id)}</b> {escape(site.name)}",
        f"{KIND_NAMES[site.kind]} of {escape(site.provider)}",
    ]
    if placement.role == "parent":
        lines[1] += ", open only as parent of its zones"
    elif placement.role == "backup":
        lines[1] += ", open only to take over in a failure"
    else:
        lines += [
            f"{share(placement.demand_share)} of demand, {counted(placement.clients, 'client')}",
            f"median {ms(placement.latency_p50_ms)}, p95 {ms(placement.latency_p95_ms)}",
        ]
    lines.append(f"{counted(placement.instances, 'instance')}, ${placement.cost_usd_month:,.0f} a month")
    return "<br>".join(lines)
