"""Of *What if*: something fails or demand swells, the plan stands as it is, and this becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from planner.catalog import Site
from planner.estate import Estate, Outcome, Scenario, failing, outcome_of
from planner.pages import session
from planner.pages.choices import DEMAND_RANGE
from planner.pages.failure_map import failure_map
from planner.pages.frame import Setting
from planner.pages.live_estate import live
from planner.pages.theme import PLOTLY_CONFIG
from planner.pages.words import ms, plain, points, share, usd
from planner.plan import Plan

DEMAND_STEPS = (0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)


def render_part(setting: Setting, plan: Plan) -> None:
    """Draw it for ``plan``."""
    estate = live(setting, plan)
    _controls(setting, estate)
    chosen = session.choices()
    gone = [name for name in chosen.fail if name not in estate.domains]
    if gone:
        st.caption(f"Not part of this plan, so they cannot fail: {plain(', '.join(gone))}.")
    down = [name for name in chosen.fail if name in estate.domains]
    outcome = outcome_of(estate, failing(estate, down, chosen.demand))
    before = outcome_of(estate, Scenario("as planned"))
    _verdict(outcome, estate)
    _figures(outcome, before)
    with st.container(border=True):
        st.subheader("Who serves whom then", anchor=False)
        st.plotly_chart(
            failure_map(plan, estate, setting.inputs, outcome, setting.clients(), setting.colours),
            key="failure-map",
            theme=None,
            config={**PLOTLY_CONFIG, "scrollZoom": True},
        )
    left, right = st.columns([1, 2], gap="medium")
    with left.container(border=True, height="stretch"):
        st.subheader("Who moves where", anchor=False)
        if outcome.moves:
            st.dataframe(
                moves_table(outcome, setting.names()),
                hide_index=True,
                width="stretch",
                height="content",
                column_config={"Demand": st.column_config.NumberColumn(format="%.2f %%")},
            )
        else:
            st.markdown("Nobody.")
    with right.container(border=True, height="stretch"):
        st.subheader("What each site carries", anchor=False)
        st.dataframe(
            loads_table(outcome, setting.names()),
            hide_index=True,
            width="stretch",
            height="content",
            column_config={
                "Load": st.column_config.NumberColumn(format="%.0f rps"),
                "Carries now": st.column_config.NumberColumn(format="%.0f rps"),
                "Used": st.column_config.ProgressColumn(
                    format="%.0f %%", min_value=0.0, max_value=100.0, width="small"
                ),
            },
        )
    st.caption(
        "Nobody decides anew here: the sites stay. "
        + (
            "Everybody is where the routing policy sends them, in peace as well; it knows no backups. "
            if estate.routed
            else "A client whose site is down goes to its backup if that is up, or else to the nearest of "
            "the sites left that the law allows. "
        )
        + "A Region goes with its zones and not with its racks; a metro without racks. Racks, and sites that "
        "a rule caps, do not grow: what finds no room there is turned away and not in time. Cost is that of "
        "a whole month like this, nothing given back for what is down."
    )


def _controls(setting: Setting, estate: Estate) -> None:
    chosen, sites, names = session.choices(), setting.sites(), setting.names()
    with st.container(border=True):
        wide, middle, narrow = st.columns([3, 2, 1], gap="medium", vertical_alignment="bottom")
        wide.multiselect(
            "What fails, together",
            list(estate.domains),
            [name for name in chosen.fail if name in estate.domains],
            format_func=lambda name: domain_words(name, estate, sites, names),
            placeholder="an open site, a metro, a Region with its zones",
            key=session.widget_key("fail"),
            on_change=_moved,
            args=("fail",),
        )
        demand_slider(middle)
        if narrow.button("Undo", disabled=not chosen.fail and chosen.demand == 1.0, width="stretch"):
            session.choose(replace(chosen, fail=(), demand=1.0), redraw=True)
            st.rerun()


def demand_slider(place: DeltaGenerator) -> None:
    """How much demand there is, the same in every part of *What if*."""
    chosen = session.choices()
    steps = sorted({*DEMAND_STEPS, min(max(chosen.demand, DEMAND_RANGE[0]), DEMAND_RANGE[1])})
    place.select_slider(
        "Demand",
        steps,
        chosen.demand if chosen.demand in steps else 1.0,
        format_func=lambda factor: f"× {factor:g}",
        key=session.widget_key("demand"),
        on_change=_moved,
        args=("demand",),
    )


def _moved(name: str) -> None:
    value, now = st.session_state[session.widget_key(name)], session.choices()
    session.choose(replace(now, fail=tuple(value)) if name == "fail" else replace(now, demand=float(value)))


def domain_words(name: str, estate: Estate, sites: Mapping[str, Site], names: Mapping[str, str]) -> str:
    """What fails, in words: a site with its place, a metro or Region with how many of the open sites."""
    kind, _, rest = name.rpartition(":")
    if kind not in ("metro", "region"):
        where = sites[name].name
        return names[name] if where == name else f"{names[name]}, {where}"
    count = int(estate.domains[name].sum())
    members = f"{count} open" if count else "home of the stateful tier"
    return f"{'metro' if kind == 'metro' else 'Region'} {rest} ({members})"


def _verdict(outcome: Outcome, estate: Estate) -> None:
    promise = (
        "Everyone is served"
        if estate.slo_ms is None
        else f"{share(estate.coverage)} of demand within {ms(estate.slo_ms)}"
    )
    reached = f"{share(outcome.coverage)} of demand is served in time"
    time = f" **Time it takes:** {plain(outcome.rto_words)}." if outcome.rto_words else ""
    if outcome.scenario.down and not outcome.rto_words:
        time = " **Time it takes:** nothing in the plan says, as it plans neither routing nor recovery."
    if outcome.no_room:
        reached += f", and {share(outcome.no_room)} is turned away where nothing can grow"
    if outcome.forbidden:
        st.warning(
            f"**{share(outcome.forbidden)} of demand is sent where a rule forbids it.** Routing knows no "
            "plan and no law; the Plan page says how each rule fares as routed.",
            icon=":material/gavel:",
        )
    if outcome.kept and outcome.over > outcome.no_room:
        st.warning(
            f"**The promise holds once sites have grown** ({promise}): {reached}. "
            f"{share(outcome.over - outcome.no_room)} of demand is above what runs now.{time}",
            icon=":material/warning:",
        )
    elif outcome.kept:
        st.success(f"**The promise holds** ({promise}): {reached}.{time}", icon=":material/check_circle:")
    else:
        st.warning(f"**The promise is broken** ({promise}): {reached}.{time}", icon=":material/warning:")


def _figures(after: Outcome, before: Outcome) -> None:
    def change(now: float | None, then: float | None) -> float:
        return 0.0 if now is None or then is None else now - then

    cost = change(after.cost_usd_month, before.cost_usd_month)
    p95, mean = change(after.p95_ms, before.p95_ms), change(after.mean_ms, before.mean_ms)
    coverage = after.coverage - before.coverage
    # The last column: what counts as better, more (1) or less (-1).
    figures = (
        ("Demand in time", share(after.coverage), points(coverage), coverage, 1),
        ("p95 latency", ms(after.p95_ms), ms(p95, signed=True), p95, -1),
        ("Mean latency", ms(after.mean_ms), ms(mean, signed=True), mean, -1),
        ("Cost a month", usd(after.cost_usd_month), usd(cost, signed=True), cost, -1),
    )
    for cell, (label, value, words, delta, good) in zip(st.columns(len(figures)), figures, strict=True):
        same, better = not any(digit in words for digit in "123456789"), delta * good > 0
        cell.metric(
            label,
            value,
            "unchanged" if same else words,
            delta_color="gray" if same else "blue" if better else "orange",
            delta_arrow="off" if same else "up" if delta > 0 else "down",
            border=True,
            height="stretch",
        )
    shares = (
        ("Moved", after.moved, "Of demand, served elsewhere than with nothing down"),
        ("Unserved", after.unserved, "Of demand, for whom no site is left"),
        ("Above what runs", after.over, "Of demand, for whom sites would have to grow first"),
        ("Turned away", after.no_room, "Of demand, at racks and sites under a cap, which do not grow"),
    )
    for cell, (label, part, words) in zip(st.columns(len(shares)), shares, strict=True):
        cell.metric(label, share(part), help=words, border=True, height="stretch")


def moves_table(outcome: Outcome, names: Mapping[str, str]) -> pd.DataFrame:
    """A row for each way that demand takes, the largest first; shares in percent."""
    return pd.DataFrame(
        {
            "From": names[move.site_id],
            "To": "nobody" if move.to is None else names[move.to],
            "Demand": 100.0 * move.share,
        }
        for move in outcome.moves
    )


def loads_table(outcome: Outcome, names: Mapping[str, str]) -> pd.DataFrame:
    """A row for each site that is up, what is above its capacity first, then the fullest; an arrow where the
    load takes other instances than run now. What no site exceeds has no column."""

    def used(rps: float, capacity: float) -> float:
        return 100.0 * rps / capacity if capacity > 0 else 0.0

    ranked: Sequence = sorted(  # type: ignore[type-arg]
        outcome.sites,
        key=lambda each: (-each.over_rps, -used(each.rps, each.capacity_rps), each.site_id),
    )
    table = pd.DataFrame(
        {
            "Site": names[each.site_id],
            "Load": each.rps,
            "Carries now": each.capacity_rps,
            "Used": used(each.rps, each.capacity_rps),
            "Above it": f"{each.over_rps:,.0f} rps" if each.over_rps else "",
            "Turned away": f"{each.no_room_rps:,.0f} rps" if each.no_room_rps else "",
            "Instances": f"{each.planned}"
            + (f" → {each.instances}" if each.instances != each.planned else ""),
        }
        for each in ranked
    )
    empty = [name for name in ("Above it", "Turned away") if name in table and not table[name].any()]
    return table.drop(columns=empty)
