"""*Latency*: what was measured between whom, how the model fills the rest, and what demand gets."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from planner.latency.estimate import COVERAGE
from planner.latency.pairs import PairModel
from planner.pages import frame, work
from planner.pages.frame import Setting
from planner.pages.latency_charts import distribution, heatmap, intervals, pair_grid
from planner.pages.model_chart import model_chart
from planner.pages.pair_box import pair_box
from planner.pages.provenance_box import provenance_box
from planner.pages.theme import PLOTLY_CONFIG
from planner.pages.trust import badges
from planner.pages.words import share
from planner.plan import Plan
from planner.wording import counted


def render() -> None:
    """Draw the page."""
    setting = frame.open_frame()
    frame.heading(
        "Latency",
        f"The {setting.study.latency.statistic} of the round trip: what was measured, what is modelled, and "
        "what the plan gives to whom.",
    )
    decided = frame.plan_of(setting)
    plan = decided.plan
    say_again = badges(plan)
    if plan.kpi is not None:
        _of_demand(plan, setting)
        provenance_box(plan, setting)
    else:
        st.info("These rules leave no plan, so there is no latency to show for one. The Plan page says why.")
    _model(setting)
    _pairs(plan, setting)
    pair_box(setting)
    work.follow((decided, say_again))


def _of_demand(plan: Plan, setting: Setting) -> None:
    left, right = st.columns(2, gap="medium")
    with left.container(border=True, height="stretch"):
        st.subheader("What demand gets", anchor=False)
        st.caption("Share of demand served at or below each latency; the parts are each taken as a whole.")
        st.plotly_chart(
            distribution(plan, setting.study.latency.slo_ms, setting.colours),
            key="latency-cdf",
            theme=None,
            config=dict(PLOTLY_CONFIG),
        )
    names = {
        client.id: f"{client.name or client.id}, {client.country}" for client in setting.inputs.demand.clients
    }
    with right.container(border=True, height="stretch"):
        st.subheader("How sure, for the largest", anchor=False)
        st.caption("Each client's latency to its site, and the interval it may lie in.")
        st.plotly_chart(
            intervals(plan, names, setting.colours),
            key="latency-intervals",
            theme=None,
            config=dict(PLOTLY_CONFIG),
        )


def _model(setting: Setting) -> None:
    check = work.model_of(setting.study, setting.stores)
    positions = {site.id: (site.lat, site.lon) for site in setting.inputs.sites}
    several = len(check.models.of) > 1
    with st.container(border=True):
        st.subheader("Measured against modelled", anchor=False)
        for provider, model in check.models.of.items():
            whose = f"**{provider}**: " if several else ""
            st.caption(whose + model_words(model))
            st.plotly_chart(
                model_chart(model.distance, check.statistics.get(provider, ()), positions, setting.colours),
                key=f"latency-model-{provider}" if several else "latency-model",
                theme=None,
                config=dict(PLOTLY_CONFIG),
            )


def model_words(model: PairModel) -> str:
    """How good the model is, in a sentence or three."""
    if model.foreign:
        return (
            "Too little is measured to these sites to know their network by: what others' pairs teach stands "
            "in, with wide intervals. " + model_words(replace(model, foreign=False))
        )
    curve = model.distance.held_out
    if curve is None:
        return (
            "Too little is measured to fit a curve, so one fitted to the shipped table of inter-Region "
            "latency stands in. Treat modelled figures as rough."
        )
    fitted = f"Fitted to {counted(model.pairs, 'pair')}. "
    access = " These pairs run between data centres: a home or mobile connection adds its own delay."
    if model.new_place is None or model.new_pair is None:
        return (
            fitted + f"On {counted(curve.pairs, 'pair')} it had not seen, half of its errors are below "
            f"{share(curve.median_relative_error, 0)} of the measured value, and its {share(COVERAGE, 0)} "
            f"interval held {share(curve.coverage, 0)} of them." + access
        )
    place, pair = model.new_place, model.new_pair
    alone, held = share(curve.median_relative_error, 0), share(place.coverage, 0)
    return (
        fitted + "A modelled pair also follows what was measured around it. Of places it knew nothing of, "
        f"half of its errors are below {share(place.median_relative_error, 0)} of the measured value "
        f"({alone} from distance alone), and its {share(COVERAGE, 0)} interval held {held}; "
        f"of single pairs between places it knew, below {share(pair.median_relative_error, 1)}, and "
        f"{share(pair.coverage, 0)}." + access
    )


def _pairs(plan: Plan, setting: Setting) -> None:
    grid = pair_grid(setting.inputs)
    with st.container(border=True):
        st.subheader("Site by vantage, measured", anchor=False)
        if not grid.sites:
            st.caption("Nothing is measured to any of these candidates: every pair is modelled.")
            return
        unheard = len(setting.inputs.sites) - len(grid.sites)
        st.caption(
            "Rows are candidate sites, columns the vantages that speak for some client, both from west to "
            "east; ■ marks sites the plan opens. Empty: nobody measured it."
            + (f" {counted(unheard, 'candidate')} without any measurement not shown." if unheard else "")
        )
        st.plotly_chart(
            heatmap(grid, plan.open, setting.colours),
            key="latency-heatmap",
            theme=None,
            config=dict(PLOTLY_CONFIG),
        )
