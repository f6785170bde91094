"""The plan's charts other than the map: pure functions from plans to figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import plotly.graph_objects as go

from planner.export import promise_ms
from planner.pages.theme import ITEM_ORDER, Palette, figure, item_colours
from planner.pages.words import item_name, ms, share, short_usd, usd
from planner.plan import Placement, Plan
from planner.wording import counted


def item_names(plans: Sequence[Plan]) -> list[str]:
    """Cost items that cost something in any of ``plans``, in the order they are drawn."""
    present = {item for plan in plans for item, value in plan.cost_items.items() if value > 0}
    return [item for item in ITEM_ORDER if item in present]


def cost_by_item(plan: Plan, colours: Palette) -> go.Figure:
    """A bar per open site, and for what stands by, dearest on top, stacked by item; the whole at its end."""
    ranked = sorted(plan.rows, key=lambda placement: placement.cost_usd_month)
    hues = item_colours(colours)
    chart = figure(colours, height=90 + 26 * max(3, len(ranked)), barmode="stack", bargap=0.35)
    names = [_bar_name(placement) for placement in ranked]
    total = sum(plan.cost_items.values()) or 1.0
    for item in item_names([plan]):
        chart.add_bar(
            y=names,
            x=[placement.cost_items.get(item, 0.0) for placement in ranked],
            orientation="h",
            name=f"{item_name(item)} {short_usd(plan.cost_items[item])} "
            f"({share(plan.cost_items[item] / total, 0)})",
            marker={"color": hues[item], "line": {"width": 1, "color": colours.background}},
            text=[usd(placement.cost_items.get(item, 0.0)) for placement in ranked],
            textposition="none",
            hovertemplate=f"<b>%{{y}}</b><br>{escape(item_name(item))}: %{{text}} a month<extra></extra>",
        )
    for placement in ranked:
        chart.add_annotation(
            x=placement.cost_usd_month,
            y=_bar_name(placement),
            text=short_usd(placement.cost_usd_month),
            xanchor="left",
            xshift=5,
            showarrow=False,
            font={"size": 12, "color": colours.muted},
        )
    largest = max((placement.cost_usd_month for placement in ranked), default=1.0)
    chart.update_xaxes(range=[0, largest * 1.12], tickprefix="$", tickformat="~s", nticks=6)
    chart.update_yaxes(showgrid=False, tickfont={"color": colours.text, "size": 12.5})
    return chart


def _bar_name(placement: Placement) -> str:
    """A Region that stands by may be open besides."""
    return placement.site_id + (", standby" if placement.role == "standby" else "")


def frontier_chart(
    plans: Sequence[Plan], coverage: float, chosen: int | None, current: Plan, colours: Palette
) -> go.Figure:
    """Promised latency against monthly cost, a point per plan; clicking a point yields its number.

    The promise is what ``coverage`` of demand is served within. ``chosen`` is the point that is loaded. A
    hollow marker is a plan whose optimality was not proven. Points get dearer and
    faster: a promise between two of them takes the faster, so the line goes up first and then to the left.
    """
    chart = figure(colours, height=470, hovermode="closest", dragmode=False)
    points = [
        (at, promise_ms(plan, coverage), plan.kpi.cost_usd_month, plan)
        for at, plan in enumerate(plans)
        if plan.kpi is not None
    ]
    chart.add_scatter(
        x=[promise for _, promise, _, _ in points],
        y=[cost for _, _, cost, _ in points],
        mode="lines+markers",
        name="Cheapest plan for each latency",
        line={"color": colours.accent, "width": 1.6, "shape": "vh"},
        marker={
            "size": 12,
            "color": [
                colours.accent if plan.termination == "optimal" else colours.background
                for _, _, _, plan in points
            ],
            "line": {"width": 2, "color": colours.accent},
        },
        customdata=[at for at, _, _, _ in points],
        text=[_point_words(f"Point {at + 1}", plan, coverage) for at, _, _, plan in points],
        hovertemplate="%{text}<extra></extra>",
        unselected={"marker": {"opacity": 1}},
    )
    if current.kpi is not None:
        chart.add_scatter(
            x=[promise_ms(current, coverage)],
            y=[current.kpi.cost_usd_month],
            mode="markers",
            name="The study's own plan",
            marker={"symbol": "star", "size": 17, "color": colours.series[1], "line": {"width": 0}},
            text=[_point_words("The study's own plan", current, coverage)],
            hovertemplate="%{text}<extra></extra>",
            unselected={"marker": {"opacity": 1}},
        )
    loaded = [point for point in points if point[0] == chosen]
    for at, promise, cost, _ in loaded:
        chart.add_scatter(
            x=[promise],
            y=[cost],
            mode="markers",
            name=f"Loaded: point {at + 1}",
            marker={"symbol": "circle-open", "size": 23, "line": {"width": 3}, "color": colours.warm},
            hoverinfo="skip",
            unselected={"marker": {"opacity": 1}},
        )
    chart.update_xaxes(
        title_text=f"Latency within which {share(coverage)} of demand is served", ticksuffix=" ms"
    )
    chart.update_yaxes(title_text="Cost a month", tickprefix="$", tickformat="~s")
    return chart


def _point_words(head: str, plan: Plan, coverage: float) -> str:
    kpi = plan.kpi
    if kpi is None:
        return ""
    return (
        f"<b>{head}</b><br>{usd(kpi.cost_usd_month)} a month"
        f"<br>{share(coverage)} of demand within {ms(promise_ms(plan, coverage))}, mean {ms(kpi.mean_ms)}"
        f"<br>{counted(len(plan.open), 'site')}, {share(kpi.measured_share, 0)} of demand measured"
    )


def cost_difference(base: Plan, other: Plan, colours: Palette) -> go.Figure:
    """Two bars, the plan as it stands and as it would be, stacked by cost item."""
    chart = figure(colours, height=190, barmode="stack", bargap=0.4)
    plans: Mapping[str, Plan] = {"What if": other, "Base plan": base}
    hues = item_colours(colours)
    for item in item_names([base, other]):
        chart.add_bar(
            y=list(plans),
            x=[plan.cost_items.get(item, 0.0) for plan in plans.values()],
            orientation="h",
            name=item_name(item),
            marker={"color": hues[item], "line": {"width": 1, "color": colours.background}},
            text=[usd(plan.cost_items.get(item, 0.0)) for plan in plans.values()],
            textposition="none",
            hovertemplate=f"<b>%{{y}}</b><br>{escape(item_name(item))}: %{{text}} a month<extra></extra>",
        )
    sums = {name: sum(plan.cost_items.values()) for name, plan in plans.items()}
    for name, total in sums.items():
        chart.add_annotation(
            x=total, y=name, text=short_usd(total), xanchor="left", xshift=5, showarrow=False
        )
    chart.update_xaxes(range=[0, 1.12 * max(*sums.values(), 1.0)], tickprefix="$", tickformat="~s", nticks=6)
    chart.update_yaxes(showgrid=False, tickfont={"color": colours.text, "size": 13})
    return chart
