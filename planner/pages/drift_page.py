"""*Drift*: is a plan that runs still right? Its promise beside what was measured since."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import streamlit as st

from planner.drift.evidence import PairChange, SiteChange
from planner.drift.report import when
from planner.drift.saved_plan import read_plan
from planner.drift.verdict import Check
from planner.measurements import StoreError
from planner.pages import frame, session, work
from planner.pages.drift_charts import timeline_chart
from planner.pages.theme import PLOTLY_CONFIG
from planner.pages.words import item_name, listed, ms, plain, share, usd
from planner.wording import counted
from probes.strict_toml import InputError

WINDOWS = {"24 hours": 1.0, "7 days": 7.0, "30 days": 30.0, "all since the plan": math.inf}
"""What counts as lately, in days."""

COMMANDS = """\
edgeprobe run probes.toml --every 5m                                    # on each vantage
edgeplan plan shop.toml --measurements measurements --out plans/shop    # the plan that runs
edgeplan check plans/shop --measurements measurements                   # what this page shows
7 * * * *  edgeplan check plans/shop --measurements measurements --out-prometheus edgeplan.prom   # cron"""


def render() -> None:
    """Draw the page."""
    frame.open_study_only()
    frame.heading(
        "Drift",
        "Is a plan that runs still right? Its promise beside what was measured since, today's prices and "
        "today's best plan.",
    )
    directory, days = _asked()
    if not directory or not session.stores():
        _empty()
        return
    try:
        saved = read_plan(Path(directory))
        check = work.checked_of(saved, session.stores(), days)
    except (InputError, StoreError) as fault:
        frame.complain("This plan cannot be checked", fault)
        return
    _verdict(check)
    _figures(check)
    _timeline(check)
    left, right = st.columns(2, gap="medium")
    with left.container(border=True, height="stretch"):
        _changes(check)
    with right.container(border=True, height="stretch"):
        _better(check)
    left, right = st.columns(2, gap="medium")
    with left.container(border=True, height="stretch"):
        _best(check)
    with right.container(border=True, height="stretch"):
        _prices(check)
    for note in check.notes:
        st.caption(plain(f"{note[:1].upper()}{note[1:]}."))


def _asked() -> tuple[str, float]:
    first, second = st.columns([3, 1], gap="medium")
    directory = first.text_input(
        "Directory of the plan",
        value=session.plan_directory(),
        placeholder="plans/shop",
        help="What `edgeplan plan --out` wrote.",
        key="edgeplan.drift.directory",
    )
    session.set_plan_directory(directory or "")
    window = second.selectbox("Measured lately means", list(WINDOWS), key="edgeplan.drift.window")
    return session.plan_directory(), WINDOWS[window or "24 hours"]


def _empty() -> None:
    st.info(
        "Name the directory of a plan above, and in the sidebar the store of the agents that measure since. "
        "Nothing is shown without them: drift is about a plan that somebody runs.",
        icon=":material/timeline:",
    )
    st.markdown("**How to come by both**")
    st.code(COMMANDS, language="bash")


def _verdict(check: Check) -> None:
    if check.right:
        st.success(f"**Still right.** {plain(check.advice)}", icon=":material/check_circle:")
        return
    reasons = "\n".join(f"- {plain(words[:1].upper() + words[1:])}." for words in check.reasons.values())
    st.error(f"**No longer right.** {plain(check.advice)}\n\n{reasons}", icon=":material/error:")


def _figures(check: Check) -> None:
    have, resolved = check.attained, check.resolved
    standing = None if resolved is None else resolved.standing
    cost = None if standing is None or standing.kpi is None else standing.kpi.cost_usd_month
    regret = None if resolved is None else resolved.regret
    figures = (
        (
            "Demand in time" if have.slo_ms is None else f"Demand within {ms(have.slo_ms)}",
            "–" if have.slo_ms is None else share(have.estimate),
            "the study promises no latency"
            if have.slo_ms is None
            else f"between {share(have.lower)} and {share(have.upper)}; promised {share(have.promised)}",
        ),
        (
            "Demand measured lately",
            share(have.fresh),
            f"{counted(check.rounds, 'round')} of {counted(check.pairs, 'pair')}",
        ),
        (
            "Cost a month, today's prices",
            usd(cost),
            "not to be told"
            if cost is None
            else f"{usd(cost - check.planned_usd, signed=True)} since planned",
        ),
        (
            "Regret",
            "–" if regret is None else share(max(regret, 0.0), 2),
            "today the plan breaks a rule" if regret is None else "against today's best plan",
        ),
    )
    for column, (label, value, more) in zip(st.columns(len(figures)), figures, strict=True):
        with column.container(border=True, height="stretch"):
            st.metric(label, value)
            st.caption(plain(more))


def _timeline(check: Check) -> None:
    line = check.timeline
    with st.container(border=True):
        st.subheader("The promise, and what was measured", anchor=False)
        if line is None:
            st.caption("No vantage speaks for a client of this plan, so there is nothing to draw.")
            return
        span = "hour" if line.hours == 1 else f"{line.hours} hours" if line.hours % 24 else "day"
        have = check.attained
        st.caption(
            f"By the {span}: the latency within which {share(check.asked)} of the measured demand was "
            f"served. {share(line.demand)} of all demand is measured. A cross: so much of it was not "
            "served at all; where a span has too few rounds for an upper bound, the band has none."
        )
        st.plotly_chart(
            timeline_chart(line, have.slo_ms, check.asked, check.changes, session.colours()),
            key="drift-timeline",
            theme=None,
            config=dict(PLOTLY_CONFIG),
        )


def _changes(check: Check) -> None:
    st.subheader("Pairs that changed", anchor=False)
    for site in check.site_changes:
        way = "slower" if site.up else "faster"
        moment = _minute(site) if site.by else f"since {_minute(site)}"
        st.markdown(
            f"**{plain(site.site)}** became {way} {moment} UTC, its {counted(site.vantages, 'vantage')} "
            "taken together."
        )
    if not check.changes:
        st.caption(f"None of the {counted(check.judged, 'pair')} that could be compared with the plan's.")
        return
    st.dataframe(
        pd.DataFrame(
            {
                "Vantage": each.vantage,
                "Site": each.site,
                "Since (UTC)": _minute(each),
                "From, ms": _figure(each.before_ms),
                "To, ms": _figure(each.after_ms),
                "p-value": f"{each.p_value:.0e}",
            }
            for each in check.changes
        ),
        hide_index=True,
        width="stretch",
    )


def _better(check: Check) -> None:
    st.subheader("Candidates that became faster", anchor=False)
    if not check.better:
        st.caption("No other candidate has become faster for anybody than the site they are at.")
        return
    st.dataframe(
        pd.DataFrame(
            {
                "Candidate": each.site,
                "For, of demand": share(each.share),
                "Saves": "its site is lost" if math.isinf(each.saves_ms) else ms(each.saves_ms),
                "Clients": listed(list(each.clients)),
            }
            for each in check.better
        ),
        hide_index=True,
        width="stretch",
    )


def _best(check: Check) -> None:
    st.subheader("Today's best plan", anchor=False)
    resolved = check.resolved
    if resolved is None or resolved.best.kpi is None:
        st.caption("No plan keeps the study's rules today.")
        return
    best = resolved.best.kpi
    moves = [
        *([f"**Open** {plain(listed(resolved.opened))}."] if resolved.opened else []),
        *([f"**Close** {plain(listed(resolved.closed))}."] if resolved.closed else []),
    ]
    st.markdown(" ".join(moves) or "The same sites.")
    if resolved.broken:
        st.markdown(f"As it runs, the plan breaks {plain(listed(resolved.broken))}.")
    st.caption(
        plain(f"{usd(best.cost_usd_month)} a month, {share(best.coverage)} in time, mean {ms(best.mean_ms)}.")
    )


def _prices(check: Check) -> None:
    st.subheader("Bills that moved", anchor=False)
    if not check.prices:
        st.caption("Every item of the plan's bill is what it was when it was made.")
        return
    st.dataframe(
        pd.DataFrame(
            {
                "Site": each.site,
                "Item": item_name(each.item),
                "Planned": usd(each.was_usd),
                "Now": usd(each.is_usd),
            }
            for each in check.prices
        ),
        hide_index=True,
        width="stretch",
    )


def _minute(change: PairChange | SiteChange) -> str:
    """Since when, to the minute, or by when."""
    return when(change).replace("T", " ")[:-4]


def _figure(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "lost"
