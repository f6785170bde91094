"""A pair the reader picks, by its own samples: bounds, loss, jitter, levels and hours of the day."""

from __future__ import annotations

from typing import Final

import streamlit as st

from planner.latency.daily import daily_profile
from planner.latency.jitter import jitter
from planner.measurements import PairStatistic
from planner.pages import session, work
from planner.pages.frame import Setting
from planner.pages.pair_series import facts, hours_chart, series_of, worst_words
from planner.pages.theme import PLOTLY_CONFIG
from planner.pages.words import plain
from planner.study import Study

CLOCKS: Final = ("UTC", "by the sun at the vantage")


def pair_box(setting: Setting) -> None:
    """Draw the box; without samples of one's own it says so."""
    grounds = setting.inputs.matrix.grounds
    sampled = [each for each in (grounds.spoken.values() if grounds else ()) if each.detail is not None]
    with st.container(border=True):
        st.subheader("One pair, through the day", anchor=False)
        if not sampled:
            st.caption(
                "No samples of your own speak for any client here. Published figures are percentiles that "
                "others made, without the samples behind them. Let agents measure (edgeprobe run), and name "
                "their store in the sidebar."
            )
            return
        left, right = st.columns([3, 2], gap="medium")
        with left:
            picked = st.selectbox(
                "Vantage and site",
                sorted(sampled, key=lambda each: (each.vantage.id, each.site_id)),
                format_func=lambda each: f"{each.vantage.id} to {each.site_id}",
                key=session.widget_key("pair.picked"),
            )
        with right:
            clock = st.radio("Hours", CLOCKS, horizontal=True, key=session.widget_key("pair.clock"))
        _of_pair(setting, picked, clock)


def _of_pair(setting: Setting, picked: PairStatistic, clock: str) -> None:
    probed = _probed(setting.study, picked.site_id)
    series = series_of(work.rounds_of(setting.stores, probed), picked.vantage.id, probed)
    if series is None:  # the store has changed since the inputs were read
        st.caption("The store no longer holds this pair.")
        return
    variation = jitter(series.rtt_ms, series.round, picked.quantile)
    st.markdown("\n".join(f"- **{label}**: {plain(words)}" for label, words in facts(picked, variation)))
    lon = picked.vantage.lon if clock == CLOCKS[1] else 0.0
    profile = daily_profile(series.started_at, series.rtt_ms, series.round, picked.quantile, lon=lon)
    st.caption(plain(worst_words(profile, clock)))
    st.plotly_chart(
        hours_chart(profile, clock, setting.colours),
        key="latency-hours",
        theme=None,
        config=dict(PLOTLY_CONFIG),
    )


def _probed(study: Study, site_id: str) -> str:
    """The id agents know: of a rack that comes in sizes, its own."""
    return next((post.id for post in study.candidates.outposts if site_id in post.site_ids), site_id)
