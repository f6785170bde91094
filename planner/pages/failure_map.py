"""A failure on the map: what is down, who serves whom instead, and who is served by nobody."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape

import numpy as np
import plotly.graph_objects as go

from planner.catalog import Site
from planner.demand import Client
from planner.estate import Estate, Outcome
from planner.estate.outcome import lost, sent
from planner.inputs import Inputs
from planner.latency.matrix import PROVENANCES
from planner.pages.aggregate import cells
from planner.pages.projection import great_circle, natural_earth
from planner.pages.site_names import site_names
from planner.pages.theme import Palette, figure
from planner.pages.words import KIND_NAMES, share
from planner.pages.worldmap import (
    HEIGHT,
    SYMBOLS,
    Box,
    draw_demand,
    draw_land,
    draw_links,
    halo,
    label_spots,
    scale_end,
    view_of,
)
from planner.plan import Assignment, Plan
from planner.wording import counted

WIDEST_PX = 7.0


def served_after(plan: Plan, estate: Estate, inputs: Inputs, outcome: Outcome) -> tuple[Assignment, ...]:
    """The plan's rows while what is down is down; a client that nobody serves has none. Latencies are the
    estimates, whatever the scenario drew."""
    down, column = lost(estate, outcome.scenario), estate.column
    site = sent(estate, down, estate.assignment, estate.view)
    found = []
    for i, row in enumerate(plan.assignments):
        j = int(site[i])
        if j < 0:
            continue
        latency = float(estate.latency_ms[i, j])
        found.append(
            replace(
                row,
                site_id=estate.site_ids[j],
                latency_ms=latency,
                latency_lower_ms=latency,
                latency_upper_ms=latency,
                provenance=PROVENANCES[inputs.matrix.provenance[i, column[j]]],
                within_slo=estate.slo_ms is None or latency <= estate.slo_ms,
            )
        )
    return tuple(found)


def failure_map(
    plan: Plan,
    estate: Estate,
    inputs: Inputs,
    outcome: Outcome,
    clients: Mapping[str, Client],
    colours: Palette,
) -> go.Figure:
    """The map of ``plan`` in ``outcome``; moves between sites are drawn broad, by their share."""
    by_id = {site.id: site for site in inputs.sites}
    open_sites = [by_id[site_id] for site_id in estate.site_ids]
    rows = served_after(plan, estate, inputs, outcome)
    found = cells(rows, clients)
    # The same piece of the world whatever fails.
    view = view_of(cells(plan.assignments, clients), open_sites)
    chart = figure(colours, height=HEIGHT, dragmode="pan", legend={"y": 1.0, "itemsizing": "constant"})
    names = site_names(inputs.sites)
    axis = {"visible": False, "constrain": "domain"}
    chart.update_xaxes(**axis, range=[view[0], view[2]])
    chart.update_yaxes(**axis, range=[view[1], view[3]], scaleanchor="x", scaleratio=1, constraintoward="top")
    draw_land(chart, colours)
    for measured in (True, False):
        part = [cell for cell in found if cell.measured is measured]
        draw_links(chart, part, by_id, measured, colours)
        draw_demand(chart, part, found, measured, scale_end(found), colours)
    _draw_unserved(chart, plan, {row.client_id for row in rows}, clients, colours)
    _draw_moves(chart, outcome, by_id, names, colours)
    _draw_open(chart, outcome, open_sites, names, view, colours)
    return chart


def _draw_moves(
    chart: go.Figure,
    outcome: Outcome,
    sites: Mapping[str, Site],
    names: Mapping[str, str],
    colours: Palette,
) -> None:
    largest = max((move.share for move in outcome.moves), default=1.0) or 1.0
    for at, move in enumerate(each for each in outcome.moves if each.to is not None):
        start, end = sites[move.site_id], sites[move.to or ""]
        x, y = natural_earth(*great_circle(start.lon, start.lat, end.lon, end.lat))
        chart.add_scatter(
            x=x,
            y=y,
            mode="lines",
            name="Demand that moves",
            legendgroup="moves",
            showlegend=at == 0,
            line={"width": max(1.5, WIDEST_PX * math.sqrt(move.share / largest)), "color": colours.warm},
            opacity=0.75,
            text=[f"{escape(names[start.id])} to {escape(names[end.id])}<br>{share(move.share)} of demand"]
            * len(x),
            hovertemplate="%{text}<extra></extra>",
        )


def _draw_unserved(
    chart: go.Figure, plan: Plan, served: set[str], clients: Mapping[str, Client], colours: Palette
) -> None:
    alone = [row for row in plan.assignments if row.client_id not in served]
    if not alone:
        return
    total = sum(row.weight for row in plan.assignments) or 1.0
    x, y = natural_earth(
        [clients[row.client_id].lon for row in alone], [clients[row.client_id].lat for row in alone]
    )
    chart.add_scatter(
        x=x,
        y=y,
        mode="markers",
        name=f"Served by nobody ({counted(len(alone), 'client')})",
        marker={"symbol": "x", "size": 8, "color": colours.text, "line": {"width": 0}},
        text=[
            f"<b>{escape(clients[row.client_id].name or row.client_id)}</b>"
            f"<br>{share(row.weight / total, 2)} of demand, served by nobody"
            for row in alone
        ],
        hovertemplate="%{text}<extra></extra>",
    )


def _draw_open(
    chart: go.Figure,
    outcome: Outcome,
    sites: Sequence[Site],
    names: Mapping[str, str],
    view: Box,
    colours: Palette,
) -> None:
    up = {load.site_id: load for load in outcome.sites}
    # What is down is named before what is up, where there is no room for all.
    ranked = sorted(sites, key=lambda site: (site.id in up, -up[site.id].rps if site.id in up else 0.0))
    spots = dict(zip((site.id for site in ranked), label_spots(ranked, names, view), strict=True))
    for name, members, fill in (
        ("Up", [site for site in sites if site.id in up and not up[site.id].over_rps], colours.warm),
        (
            "Up, above what runs now",
            [site for site in sites if site.id in up and up[site.id].over_rps],
            colours.background,
        ),
        ("Down", [site for site in sites if site.id not in up], colours.text),
    ):
        if not members:
            continue
        x, y = natural_earth([site.lon for site in members], [site.lat for site in members])
        down = name == "Down"
        chart.add_scatter(
            x=np.asarray(x),
            y=np.asarray(y),
            mode="markers+text",
            name=f"{name} ({len(members)})",
            marker={
                "symbol": ["x-thin" if down else SYMBOLS[site.kind] for site in members],
                "size": 16 if down else 13,
                "color": fill,
                "line": {
                    "width": 4 if down else 2,
                    "color": colours.text
                    if down
                    else colours.background
                    if fill == colours.warm
                    else colours.warm,
                },
            },
            texttemplate=[f"<b>{escape(names[site.id])}</b>" if spots[site.id] else "" for site in members],
            textposition=[spots[site.id] or "top center" for site in members],
            textfont={"size": 12, "color": colours.text, "shadow": halo(colours)},
            text=[
                f"<b>{escape(names[site.id])}</b> {escape(site.name)}<br>{KIND_NAMES[site.kind]}, "
                + (
                    "down"
                    if down
                    else f"{up[site.id].rps:,.0f} rps of {up[site.id].capacity_rps:,.0f} that run now carry"
                )
                for site in members
            ],
            hovertemplate="%{text}<extra></extra>",
            cliponaxis=False,
        )
