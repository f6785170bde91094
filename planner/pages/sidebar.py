"""The sidebar: which study, what is promised, what it may cost, whose measurements."""

from __future__ import annotations

import math
from dataclasses import replace

import streamlit as st

from planner.pages import session
from planner.pages.choices import SLO_RANGE_MS, Choices
from planner.pages.words import OBJECTIVE_NAMES
from planner.study import Study


def study_picker() -> None:
    """The list of studies; choosing another starts from its own values."""
    names = session.study_names()
    chosen = session.choices().study
    if chosen not in names:
        names[chosen] = f"{chosen} (gone)"
    st.sidebar.selectbox(
        "Study",
        list(names),
        index=list(names).index(chosen),
        format_func=names.__getitem__,
        key=session.widget_key("study"),
        on_change=_study_changed,
    )


def sliders(base: Study, shown: Study) -> None:
    """The study's numbers, to be moved; ``base`` as written, ``shown`` with the choices applied."""
    side = st.sidebar
    own = base.latency
    side.markdown("**What is promised**")
    if shown.latency.slo_ms is None:
        side.caption("This study promises no latency. Set one on the Study page, under *What is promised*.")
    else:
        end = slo_end(own.slo_ms, shown.latency.slo_ms)
        side.slider(
            "Latency (SLO), ms",
            min_value=1,
            max_value=end,
            value=round(shown.latency.slo_ms),
            key=session.widget_key("slo"),
            on_change=_changed,
            args=("slo",),
            help=f"{own.statistic} of the round trip to the serving site",
        )
        side.slider(
            "Share of demand within it, %",
            min_value=10.0,
            max_value=100.0,
            step=0.5,
            value=round(100 * shown.latency.coverage, 1),
            format="%g",
            key=session.widget_key("coverage"),
            on_change=_changed,
            args=("coverage",),
        )
    side.markdown("**Goal and limits**")
    side.selectbox(
        "Objective",
        list(OBJECTIVE_NAMES),
        index=list(OBJECTIVE_NAMES).index(shown.minimize),
        format_func=OBJECTIVE_NAMES.__getitem__,
        key=session.widget_key("objective"),
        on_change=_changed,
        args=("objective",),
    )
    left, right = side.columns(2)
    left.number_input(
        "Sites at most",
        min_value=base.limits.min_sites,
        max_value=999,
        value=None,
        placeholder="no limit",
        key=session.limit_key("max_sites", shown.limits.max_sites),
        on_change=_changed,
        args=("max_sites",),
    )
    right.number_input(
        "Budget, $ a month",
        min_value=0.0,
        value=None,
        step=500.0,
        format="%.0f",
        placeholder="no limit",
        key=session.limit_key("budget", shown.budget_usd_per_month),
        on_change=_changed,
        args=("budget",),
    )
    changed = session.choices() != Choices(study=session.choices().study)
    if side.button("Back to the study as written", disabled=not changed, width="stretch"):
        session.choose(Choices(study=session.choices().study), redraw=True)
        st.rerun()


def slo_end(own_ms: float | None, shown_ms: float) -> int:
    """Where the SLO slider ends: well above the study's own value, never below what is set."""
    ample = 50.0 * math.ceil(4.0 * (own_ms or 25.0) / 50.0)
    return int(max(min(ample, SLO_RANGE_MS[1]), math.ceil(shown_ms)))


def store_box() -> None:
    """Where the reader's own agents put their measurements."""
    st.sidebar.markdown("**Own measurements**")
    st.sidebar.text_input(
        "Store of your agents",
        value=(session.stores() or ("",))[0],
        placeholder="a directory, or s3://bucket/prefix",
        key=session.widget_key("store"),
        on_change=_store_changed,
        help="What `edgeprobe run` wrote. It goes before the published measurements.",
    )


def _study_changed() -> None:
    picked: str = st.session_state[session.widget_key("study")]
    session.choose(Choices(study=picked), redraw=True)


def _store_changed() -> None:
    session.set_store(st.session_state[session.widget_key("store")] or "")


def _changed(name: str) -> None:
    """One number was moved. The loaded point of the front answered an older question, so it goes."""
    value = st.session_state[session.widget_key(name)]
    now = replace(session.choices(), point=None)
    match name:
        case "slo":
            now = replace(now, slo=float(value))
        case "coverage":
            now = replace(now, coverage=value / 100.0)
        case "objective":
            now = replace(now, objective=value)
        case "max_sites":
            now = replace(now, max_sites=0 if value is None else int(value))
        case "budget":
            now = replace(now, budget=0.0 if value is None else float(value))
    session.choose(now)
