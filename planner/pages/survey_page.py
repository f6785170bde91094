"""*Next measurements*: the pairs whose latency could change the plan, and agents that measure them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from planner.pages import frame, work
from planner.pages.frame import Setting
from planner.pages.job import Job
from planner.pages.site_names import called
from planner.pages.theme import PLOTLY_CONFIG, Palette, figure
from planner.pages.trust import badges
from planner.pages.words import listed, plain, share
from planner.survey import DRAWS, Survey, Wanted, survey
from planner.survey_agents import configurations, known_targets, racks_of, without_address
from planner.survey_words import worth_words
from planner.wording import counted

_WANTED = "edgeplan.survey"
LIMIT_S = 120.0
"""For all draws; what is not drawn by then is left out."""
TOP = 20
MOST_BARS = 16


def render() -> None:
    """Draw the page."""
    setting = frame.open_frame()
    frame.heading(
        "Next measurements",
        "Which pairs to measure next: those that a plausible best plan rests on and that nobody "
        "knows well enough.",
    )
    decided = frame.plan_of(setting)
    say_again = badges(decided.plan)
    if decided.plan.kpi is None:
        st.info("These rules leave no plan, so no measurement can change it. The Plan page says why.")
        work.follow((decided, say_again))
        return
    key = work.key_of("survey", setting.study, setting.stores)
    found = work.shelf().look(key)
    if isinstance(found, Survey):
        _show(found, setting)
        work.follow((decided, say_again))
        return
    st.markdown(
        f"The latencies are drawn {DRAWS} times as they may be, from their bounds; each time the study "
        "is decided as if that were the truth. What this plan then regrets is laid to the pairs that the "
        "better plan turns on: their part of it is what measuring them is expected to gain."
    )
    running = st.session_state.get(_WANTED) == key
    with st.container(horizontal=True):
        words = "Find what to measure next"
        st.button(words, type="primary", on_click=_want, args=(key,), disabled=running, key="start-survey")
        st.button("Stop", on_click=_stop, args=(key,), disabled=not running, key="stop-survey")
    if not running:
        work.follow((decided, say_again))
        return
    _surveyed(key, setting, decided)
    st.rerun()


def _want(key: str) -> None:
    st.session_state[_WANTED] = key


def _stop(key: str) -> None:
    st.session_state.pop(_WANTED, None)
    work.leave(key)


def _surveyed(key: str, setting: Setting, decided: work.Decided) -> None:
    """Wait for the survey, with a bar of progress."""
    plan = work.proven(decided)
    study, inputs = setting.study, setting.inputs
    job = work.job_of(
        key,
        lambda say, tell: survey(study, inputs, plan, time_limit_s=LIMIT_S, progress=say),
    )
    place = st.empty()
    if isinstance(job, Job):
        work.awaited(job, "Surveying", place)


def _show(found: Survey, setting: Setting) -> None:
    searched, worth = found.draws - found.exact, worth_words(found)
    st.markdown(
        f"In **{share(found.changed, 0)}** of {counted(found.draws, 'draw')} of the latencies the best plan "
        f"opens other sites than this one ({found.exact} decided exactly, {searched} by local search"
        + (f"; in {found.short} none was found that keeps every rule" if found.short else "")
        + f"). {plain(worth[0].upper() + worth[1:])}."
    )
    names = setting.names()
    left, right = st.columns([3, 2], gap="medium")
    with left.container(border=True, height="stretch"):
        st.subheader("What plausible plans open", anchor=False)
        st.plotly_chart(
            opened_chart(
                dict(zip(called(names, found.opened), found.opened.values(), strict=True)),
                called(names, found.plan.open),
                setting.colours,
            ),
            key="survey-opened",
            theme=None,
            config=dict(PLOTLY_CONFIG),
        )
    pairs, targets, racks = found.pairs[:TOP], known_targets(setting.study), racks_of(setting.study)
    with right.container(border=True, height="stretch"):
        st.subheader("Agents that measure them", anchor=False)
        _agents(configurations(pairs, targets, racks), without_address(pairs, targets, racks))
    if not pairs:
        st.success(
            "Every pair that a plausible plan rests on is known well enough: there is nothing to measure.",
            icon=":material/check_circle:",
        )
        return
    st.markdown(
        f"**The {counted(len(pairs), 'pair')} most worth measuring**"
        + (f", of {len(found.pairs)}" if len(found.pairs) > len(pairs) else "")
    )
    _table(pairs, setting)


def _agents(written: Mapping[str, str], unknown: Sequence[str]) -> None:
    if written:
        st.markdown(
            f"{counted(len(written), 'place')} to measure from, an `edgeprobe` configuration for each: one "
            "agent there speaks for its neighbours too."
        )
        st.download_button(
            "All configurations (ZIP)",
            zipped(written),
            file_name="probes.zip",
            mime="application/zip",
            key="download-probes.zip",
            on_click="ignore",
            type="primary",
        )
        name = st.selectbox("One of them", list(written), key="survey-agent")
        st.code(written[name], language="toml", height=220)
        st.download_button(
            name,
            written[name],
            file_name=name,
            mime="application/toml",
            key="download-probes.toml",
            on_click="ignore",
        )
        st.caption("`edgeprobe units CONFIG --for cron` prints what runs it there again and again.")
    if unknown:
        st.markdown(f"No address is known to probe: {plain(listed(tuple(unknown)))}.")
    if not written and not unknown:
        st.markdown("None is needed.")


def zipped(files: Mapping[str, str]) -> bytes:
    """The files in one archive, the same bytes for the same files."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return held.getvalue()


def wanted_table(pairs: Sequence[Wanted], names: Mapping[str, str]) -> pd.DataFrame:
    """A row for each pair, the most worth measuring first; shares in percent. ``names`` of clients by id."""
    return pd.DataFrame(
        {
            "From": f"{names.get(each.place, each.place)}, {each.country}",
            "To": each.site_id,
            "Estimate": each.estimate_ms,
            "Lower": each.lower_ms,
            "Upper": each.upper_ms,
            "Known by": each.vantage or each.provenance,
            "In time": None if each.in_time is None else 100.0 * each.in_time,
            "Demand": 100.0 * each.share,
            "Served so": 100.0 * each.used,
            "Now": each.used_now,
            "Gain": each.gain,
        }
        for each in pairs
    )


def _table(pairs: Sequence[Wanted], setting: Setting) -> None:
    clients = setting.inputs.demand.clients
    table = wanted_table(pairs, {client.id: client.name or client.id for client in clients})
    table["To"] = called(setting.names(), table["To"])
    slow = st.column_config.NumberColumn(format="%.1f ms")
    st.dataframe(
        table if table["In time"].notna().any() else table.drop(columns="In time"),
        hide_index=True,
        width="stretch",
        height="content",
        column_config={
            "Estimate": slow,
            "Lower": slow,
            "Upper": slow,
            "In time": st.column_config.NumberColumn(
                format="%.0f %%", help="How likely the pair is within the SLO, by its bounds"
            ),
            "Demand": st.column_config.NumberColumn(
                format="%.1f %%", help="The share of all demand at this place and its neighbours"
            ),
            "Served so": st.column_config.NumberColumn(
                format="%.0f %%", help="How much of that demand plausible plans serve from this site"
            ),
            "Now": st.column_config.CheckboxColumn(help="Whether this plan serves some of it so"),
            "Gain": st.column_config.NumberColumn(
                format="$%.0f" if setting.study.minimize == "cost" else "%.3f ms",
                help="This pair's part of what knowing every latency is expected to be worth"
                + (", a month" if setting.study.minimize == "cost" else ""),
            ),
        },
    )


def opened_chart(opened: Mapping[str, float], now: Sequence[str], colours: Palette) -> go.Figure:
    """A bar for each site: how often a plausible plan opens it, those of this plan told apart."""
    ranked = list(opened.items())[:MOST_BARS][::-1]
    chart = figure(colours, height=100 + 22 * max(3, len(ranked)), dragmode=False, bargap=0.35)
    for name, here, hue in (
        ("Open in this plan", True, colours.accent),
        ("Not open", False, colours.series[1]),
    ):
        rows = [(site, part) for site, part in ranked if (site in now) is here]
        chart.add_bar(
            y=[site for site, _ in rows],
            x=[part for _, part in rows],
            orientation="h",
            name=name,
            marker={"color": hue, "line": {"width": 0}},
            text=[share(part, 0) for _, part in rows],
            textposition="none",
            hovertemplate="<b>%{y}</b><br>open in %{text} of the plans<extra></extra>",
        )
    chart.update_xaxes(range=[0, 1.02], tickformat=".0%", title_text="Of the plans")
    chart.update_yaxes(
        showgrid=False,
        categoryorder="array",
        categoryarray=[site for site, _ in ranked],
        tickfont={"color": colours.text, "size": 12.5},
    )
    return chart
