"""*Tradeoffs*: the exact front of latency against cost; clicking a point loads that plan."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from planner.export import frontier_csv, promise_ms
from planner.pages import frame, plan_page, session, work
from planner.pages.charts import frontier_chart
from planner.pages.frame import Setting
from planner.pages.theme import PLOTLY_CONFIG
from planner.pages.words import ms, share, usd
from planner.plan import Plan
from planner.wording import counted


def render() -> None:
    """Draw the page."""
    setting = frame.open_frame()
    coverage = setting.study.latency.coverage
    frame.heading(
        "Tradeoffs",
        f"What each millisecond costs. Every point is the cheapest plan that serves {share(coverage)} of "
        "demand within its latency; the study's own SLO and budget are left out, "
        "since they are what is traded here.",
    )
    own = work.proven(frame.plan_of(setting))
    traced = work.front_of(setting.study, setting.stores)
    front = traced.plans
    if not front:
        st.warning(f"No point was found: {traced.words}. The Plan page says more.")
        return
    if not traced.complete:
        st.info(f"The front is not complete: {traced.words}.")
    chosen = session.choices().point
    chosen = chosen if chosen is not None and chosen < len(front) else None
    proven = sum(plan.termination == "optimal" for plan in front)
    st.markdown(
        f":green-badge[{proven} of {counted(len(front), 'point')} proven] "
        f":{'green' if not any(plan.audit for plan in front) else 'red'}-badge[audit: "
        f"{'sound' if not any(plan.audit for plan in front) else 'violations'}] "
        ":gray-badge[click a point to load its plan]"
    )
    # A chart that has loaded a point starts afresh, so that the same point can be clicked again.
    key = f"front.{chosen}"
    with st.container(border=True):
        st.plotly_chart(
            frontier_chart(front, coverage, chosen, own, setting.colours),
            key=key,
            theme=None,
            config=dict(PLOTLY_CONFIG),
            on_select=partial(_clicked, key),
            selection_mode="points",
        )
    if chosen is None:
        st.caption("No point is loaded: the Plan page shows the study's own plan (the star).")
    else:
        _loaded(front, chosen, coverage)
    _table(front, setting, complete=traced.complete)


def _clicked(key: str) -> None:
    """Load the point that was clicked. The star and the ring carry no number."""
    event: Any = st.session_state.get(key)
    for point in event["selection"]["points"] if event else ():
        number = point.get("customdata")
        number = number[0] if isinstance(number, list) else number
        if number is not None:
            session.load_point(int(number))
            return


def _loaded(front: tuple[Plan, ...], at: int, coverage: float) -> None:
    plan = front[at]
    if plan.kpi is None:
        return
    with st.container(border=True):
        st.markdown(f"**Point {at + 1} of {len(front)} is loaded on the Plan page**")
        cells = st.columns([1, 1, 1, 1, 1.2], vertical_alignment="center")
        for cell, (label, value) in zip(
            cells,
            (
                ("Cost a month", usd(plan.kpi.cost_usd_month)),
                (f"{share(coverage)} within", ms(promise_ms(plan, coverage))),
                ("Mean latency", ms(plan.kpi.mean_ms)),
                ("Sites", str(len(plan.open))),
            ),
            strict=False,
        ):
            cell.metric(label, value)
        if cells[4].button("Open on the Plan page", type="primary", width="stretch"):
            st.switch_page(st.Page(plan_page.render, title="Plan", url_path="plan", default=True))
        if cells[4].button("Unload", width="stretch"):
            session.load_point(None)
            st.rerun()


def providers_words(plan: Plan) -> str:
    """``aws 3, gcp 1``: whose the open sites are, and how many."""
    counts = Counter(placement.provider for placement in plan.placements)
    return ", ".join(f"{provider} {count}" for provider, count in sorted(counts.items()))


def _table(front: tuple[Plan, ...], setting: Setting, *, complete: bool) -> None:
    coverage = setting.study.latency.coverage
    rows = [
        {
            "Point": at,
            "Cost a month": round(plan.kpi.cost_usd_month),
            f"{share(coverage)} within": promise_ms(plan, coverage),
            "Mean": plan.kpi.mean_ms,
            "Worst": plan.kpi.max_ms,
            "Measured": 100 * plan.kpi.measured_share,
            "Unproven gap": 100 * (plan.gap or 0.0),
            "Sites": len(plan.open),
            **({"Of": providers_words(plan)} if setting.mixed() else {}),
            "Open": ", ".join(plan.open),
        }
        for at, plan in enumerate(front, start=1)
        if plan.kpi is not None
    ]
    slow = st.column_config.NumberColumn(format="%.1f ms")
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        height="content",
        column_config={
            "Cost a month": st.column_config.NumberColumn(format="dollar", step=1),
            f"{share(coverage)} within": slow,
            "Mean": slow,
            "Worst": slow,
            "Measured": st.column_config.NumberColumn(format="%.0f %%"),
            "Unproven gap": st.column_config.NumberColumn(format="%.4f %%"),
        },
    )
    st.download_button(
        "Front (CSV)",
        frontier_csv(front, coverage, complete=complete),
        file_name="frontier.csv",
        mime="text/csv",
        key="download-frontier.csv",
        on_click="ignore",
    )
