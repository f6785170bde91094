"""*What if*: the study with something changed, or the plan as it stands while something happens to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import pandas as pd
import streamlit as st

from planner.measurements import StoreError
from planner.pages import failure_part, frame, scenarios_part, session, work
from planner.pages.charts import cost_difference
from planner.pages.choices import Choices
from planner.pages.frame import Setting
from planner.pages.sidebar import slo_end
from planner.pages.site_names import called
from planner.pages.theme import PLOTLY_CONFIG
from planner.pages.trust import badges, bound_words
from planner.pages.words import item_words, listed, ms, plain, points, share, usd
from planner.pages.work import Decided
from planner.plan import Kpi, Plan
from planner.study import Study
from planner.study_supposed import PRICE_ITEMS
from planner.whatif import Difference, difference, price_row, vary, zone_row
from probes.strict_toml import InputError

PARTS: Final[Mapping[str, tuple[str, str]]] = {
    "anew": (
        "Decided anew",
        "Change something, decide again, and compare: what the best plan would be then.",
    ),
    "stands": (
        "The plan as it stands",
        "Something fails, or demand swells, before anybody decides anew: who moves where, and what it is "
        "like there.",
    ),
    "many": (
        "Many scenarios",
        "Failures, demand and latencies at random, hundreds of times: how often the plan keeps its promise.",
    ),
}
"""Each part's name, and what it is about."""


def render() -> None:
    """Draw the page."""
    setting = frame.open_frame()
    frame.heading("What if", "The base plan, from the sidebar, stays as it is.")
    own = frame.plan_of(setting)
    base = own.plan
    say_base = _of_the_base(own)
    _parts()
    part = session.choices().part
    if part == "anew":
        _anew(setting, own, say_base)
        return
    if base.kpi is None:
        st.info("The base plan does not exist, so nothing can happen to it. The Plan page says why.")
    else:
        render = failure_part.render_part if part == "stands" else scenarios_part.render_part
        render(setting, base)
    work.follow((own, say_base))


def _parts() -> None:
    st.segmented_control(
        "What to look at",
        list(PARTS),
        default=session.choices().part,
        format_func=lambda part: PARTS[part][0],
        key=session.widget_key("part"),
        on_change=_part_chosen,
        label_visibility="collapsed",
        required=True,
    )
    st.caption(PARTS[session.choices().part][1])


def _part_chosen() -> None:
    # A fresh start for the widgets: those that parts share show what the other left.
    session.choose(
        replace(session.choices(), part=st.session_state[session.widget_key("part")] or "anew"), redraw=True
    )


def _anew(setting: Setting, own: Decided, say_base: Callable[[Plan], None]) -> None:
    base = own.plan
    _controls(setting, base)
    session.write_url(setting.base)
    if base.kpi is None:
        st.info("The base plan does not exist, so there is nothing to compare with. The Plan page says why.")
    chosen = session.choices()
    if not changed(chosen):
        st.info("Nothing is changed yet. Move a slider above, or leave out a site.", icon=":material/tune:")
        work.follow((own, say_base))
        return
    try:
        study = varied(setting.study, chosen)
        varied_plan = work.plan_of(study, setting.stores, base, "Deciding the other plan")
        inputs = work.inputs_of(study, setting.stores)
    except (InputError, StoreError) as fault:
        frame.complain("This change cannot be planned", fault)
        return
    other = varied_plan.plan
    if other.kpi is None:
        frame.show_conflict(other, work.rule_words(study, inputs))
        work.follow((own, say_base))
        return
    say_again = badges(other)
    if base.kpi is not None:
        _show(base, base.kpi, other, other.kpi, setting, study)
    work.follow((own, say_base), (varied_plan, say_again))


def _of_the_base(own: Decided) -> Callable[[Plan], None]:
    """Say how far the base plan is from proven, while it is not; returns what says it again."""
    place = st.empty()

    def say(plan: Plan) -> None:
        if plan.gap is not None and plan.termination == "feasible":
            place.caption(f"The base plan is within {bound_words(plan.gap)} of the best possible; proving …")

    say(own.plan)
    return say


def changed(chosen: Choices) -> bool:
    """Whether anything on this page differs from the base."""
    asked = (chosen.if_slo, chosen.if_coverage, chosen.if_budget)
    named = chosen.without or chosen.prices or chosen.announce
    return bool(named) or chosen.demand != 1.0 or any(value is not None for value in asked)


def varied(study: Study, chosen: Choices) -> Study:
    """``study`` with this page's changes. Raises :class:`~planner.study.StudyError`."""
    sets = [
        (key, "" if key == "budget.usd_per_month" and value == 0 else f"{value:.10g}")
        for key, value in (
            ("latency.slo_ms", chosen.if_slo),
            ("latency.coverage", chosen.if_coverage),
            ("budget.usd_per_month", chosen.if_budget),
        )
        if value is not None
    ]
    return vary(
        study,
        sets=sets,
        without=chosen.without,
        announced=[zone_row(text) for text in chosen.announce],
        prices=[price_row(text) for text in chosen.prices],
        demand_factor=chosen.demand,
    )


def _controls(setting: Setting, base: Plan) -> None:
    chosen, latency = session.choices(), setting.study.latency
    with st.container(border=True):
        first, second, third, fourth = st.columns(4, gap="medium")
        if latency.slo_ms is not None:
            now = chosen.if_slo if chosen.if_slo is not None else latency.slo_ms
            first.slider(
                "Latency (SLO), ms",
                1,
                slo_end(latency.slo_ms, now),
                round(now),
                key=session.widget_key("if_slo"),
                on_change=_moved,
                args=("if_slo",),
            )
            second.slider(
                "Share of demand within it, %",
                10.0,
                100.0,
                round(100 * (chosen.if_coverage if chosen.if_coverage is not None else latency.coverage), 1),
                0.5,
                format="%g",
                key=session.widget_key("if_coverage"),
                on_change=_moved,
                args=("if_coverage",),
            )
        budget = chosen.if_budget if chosen.if_budget is not None else setting.study.budget_usd_per_month
        third.number_input(
            "Budget, $ a month",
            min_value=0.0,
            value=None,
            step=500.0,
            format="%.0f",
            placeholder="no limit",
            key=session.limit_key("if_budget", budget or None),
            on_change=_moved,
            args=("if_budget",),
        )
        failure_part.demand_slider(fourth)
        opened = {name for site in setting.inputs.sites if site.id in base.open for name in site.ids}
        racks = {site.rack for site in setting.inputs.sites}
        names = {name: site.provider for site in setting.inputs.sites for name in site.ids}
        ids = sorted(names, key=lambda one: (one not in opened, one))
        wide, narrow = st.columns([4, 1], vertical_alignment="bottom")
        wide.multiselect(
            "Leave out sites",
            ids,
            [site_id for site_id in chosen.without if site_id in ids],
            format_func=lambda one: (
                one
                + (f", {names[one]}" if setting.mixed() else "")
                + (" in every size" if one in racks else "")
                + (" (open)" if one in opened else "")
            ),
            placeholder="e.g. a Region you may not use",
            key=session.widget_key("without"),
            on_change=_moved,
            args=("without",),
        )
        if narrow.button("Undo all changes", disabled=not changed(chosen), width="stretch"):
            session.choose(
                replace(
                    chosen,
                    without=(),
                    demand=1.0,
                    if_slo=None,
                    if_coverage=None,
                    if_budget=None,
                    prices=(),
                    announce=(),
                ),
                redraw=True,
            )
            st.rerun()
        _suppose(chosen)


def _suppose(chosen: Choices) -> None:
    """What no catalog says yet: prices that change, zones that are announced."""
    left, right = st.columns(2, gap="medium")
    left.multiselect(
        "Prices that change",
        list(chosen.prices),
        list(chosen.prices),
        placeholder="e.g. egress_gb=1.3 or instance_hour@eu-*=0.9",
        help="Of these: " + ", ".join(f"`{item}`" for item in PRICE_ITEMS),
        accept_new_options=True,
        key=session.widget_key("prices"),
        on_change=_moved,
        args=("prices",),
    )
    right.multiselect(
        "Zones that are announced",
        list(chosen.announce),
        list(chosen.announce),
        placeholder="e.g. us-east-1-xyz-1a us-east-1 CO 4.71 -74.07",
        help="Its id, parent Region, country, latitude and longitude.",
        accept_new_options=True,
        key=session.widget_key("announce"),
        on_change=_moved,
        args=("announce",),
    )


def _moved(name: str) -> None:
    value = st.session_state[session.widget_key(name)]
    now = session.choices()
    match name:
        case "if_slo":
            now = replace(now, if_slo=float(value))
        case "if_coverage":
            now = replace(now, if_coverage=value / 100.0)
        case "if_budget":
            now = replace(now, if_budget=0.0 if value is None else float(value))
        case "without":
            now = replace(now, without=tuple(value))
        case "prices":
            now = replace(now, prices=_rows(value))
        case "announce":
            now = replace(now, announce=_rows(value))
    session.choose(now)


def _rows(texts: Sequence[str]) -> tuple[str, ...]:
    """As they go into a link, whose lists have commas between."""
    return tuple(dict.fromkeys(" ".join(text.replace(",", " ").split()) for text in texts if text.strip()))


def _show(base: Plan, before: Kpi, other: Plan, after: Kpi, setting: Setting, study: Study) -> None:
    delta = difference(base, other)
    _figures(before, after, base, other)
    left, right = st.columns([3, 2], gap="medium")
    with left.container(border=True, height="stretch"):
        st.subheader("Cost by item, a month", anchor=False)
        st.plotly_chart(
            cost_difference(base, other, setting.colours),
            key="what-if-cost",
            theme=None,
            config=dict(PLOTLY_CONFIG),
        )
    with right.container(border=True, height="stretch"):
        st.subheader("What moves", anchor=False)
        names = setting.names(base, other)
        st.markdown(f"**Opened.** {plain(listed(called(names, delta.opened)))}")
        st.markdown(f"**Closed.** {plain(listed(called(names, delta.closed)))}")
        st.markdown(f"**Demand served from elsewhere.** {share(delta.moved_share)}")
        for zone in study.candidates.announced:
            st.markdown(
                f"**Announced.** {plain(zone.id)} {'opens' if zone.id in other.open else 'stays closed'}"
            )
        for note in other.notes:
            if note not in base.notes and (note.startswith("supposed") or " is announced" in note):
                st.caption(plain(note))
    st.dataframe(
        difference_table(base, before, other, after, delta),
        hide_index=True,
        width="stretch",
        height="content",
    )


def _figures(before: Kpi, after: Kpi, base: Plan, other: Plan) -> None:
    cost, mean = after.cost_usd_month - before.cost_usd_month, after.mean_ms - before.mean_ms
    p95, sites = after.p95_ms - before.p95_ms, len(other.open) - len(base.open)
    coverage = after.coverage - before.coverage
    # The last column: what counts as better, more (1), less (-1) or neither (0).
    figures = (
        ("Cost a month", usd(after.cost_usd_month), usd(cost, signed=True), cost, -1),
        ("Sites open", str(len(other.open)), f"{sites:+d}", sites, 0),
        ("Demand in time", share(after.coverage), points(coverage), coverage, 1),
        ("Mean latency", ms(after.mean_ms), ms(mean, signed=True), mean, -1),
        ("p95 latency", ms(after.p95_ms), ms(p95, signed=True), p95, -1),
    )
    for cell, (label, value, words, change, good) in zip(st.columns(len(figures)), figures, strict=True):
        same = not any(digit in words for digit in "123456789")
        better = change * good
        cell.metric(
            label,
            value,
            "unchanged" if same else words,
            # Blue and orange are told apart by every reader; red and green are not.
            delta_color="gray" if same or not better else "blue" if better > 0 else "orange",
            delta_arrow="off" if same else "up" if change > 0 else "down",
            border=True,
        )


def difference_table(base: Plan, before: Kpi, other: Plan, after: Kpi, delta: Difference) -> pd.DataFrame:
    """Base, what if and difference, a row per figure, as text with units."""
    rows = [
        (
            "Cost a month",
            usd(before.cost_usd_month),
            usd(after.cost_usd_month),
            usd(delta.cost_usd_month, signed=True),
        ),
        *(
            (
                f"  of which {item_words(item)}",
                usd(base.cost_items.get(item, 0.0)),
                usd(other.cost_items.get(item, 0.0)),
                usd(change, signed=True),
            )
            for item, change in delta.cost_items_usd_month.items()
            if base.cost_items.get(item) or other.cost_items.get(item)
        ),
        ("Mean latency", ms(before.mean_ms), ms(after.mean_ms), ms(delta.mean_ms, signed=True)),
        ("Median latency", ms(before.p50_ms), ms(after.p50_ms), ms(delta.p50_ms, signed=True)),
        ("p95 latency", ms(before.p95_ms), ms(after.p95_ms), ms(delta.p95_ms, signed=True)),
        ("Worst latency", ms(before.max_ms), ms(after.max_ms), ms(delta.max_ms, signed=True)),
        (
            "Demand in time",
            share(before.coverage),
            share(after.coverage),
            points(after.coverage - before.coverage),
        ),
        (
            "Demand measured",
            share(before.measured_share),
            share(after.measured_share),
            points(after.measured_share - before.measured_share),
        ),
    ]
    return pd.DataFrame(rows, columns=["", "Base plan", "What if", "Difference"])
