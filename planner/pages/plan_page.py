"""*Plan*: where to run, for whom, how fast, what it costs, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import streamlit as st

from planner.deployment import DEPLOYMENT_FILES, deployment_files
from planner.export import assignments_csv, placements_csv, promise_ms
from planner.pages import frame, session, work
from planner.pages.charts import cost_by_item
from planner.pages.frame import Setting
from planner.pages.recovery_box import recovery_box
from planner.pages.tables import countries_table, sites_table
from planner.pages.theme import PLOTLY_CONFIG
from planner.pages.trust import badges, trust_box
from planner.pages.words import OBJECTIVE_NAMES, item_name, ms, plain, share, usd
from planner.pages.work import Decided
from planner.pages.worldmap import world_map
from planner.plan import Kpi, Placement, Plan, RoutingPlan
from planner.plan_document import plan_json
from planner.routing import NAMES
from planner.study import Study
from planner.terminal import duty_words
from planner.wording import counted

TALLEST_TABLE = 16
DEPLOYMENT_LABELS = dict(
    zip(DEPLOYMENT_FILES, ("Terraform (JSON)", "DNS records (JSON)", "Accelerator (JSON)"), strict=True)
)


def render() -> None:
    """Draw the page."""
    setting = frame.open_frame()
    frame.heading(setting.study.title or setting.study.name, setting.study.summary)
    decided, setting = _shown(setting)
    plan = decided.plan
    if plan.kpi is None:
        frame.show_conflict(plan, work.rule_words(setting.study, setting.inputs))
        return
    say_again = badges(plan)
    _figures(plan, plan.kpi, setting.study)
    with st.container(border=True):
        st.plotly_chart(
            world_map(
                plan,
                setting.clients(),
                setting.inputs.sites,
                setting.colours,
                homes=[home.site for home in setting.inputs.homes],
            ),
            key="plan-map",
            theme=None,
            config=dict(PLOTLY_CONFIG),
        )
    left, right = st.columns([3, 2], gap="medium")
    with left.container(border=True, height="stretch"):
        st.subheader("Cost by item, a month", anchor=False)
        st.plotly_chart(
            cost_by_item(plan, setting.colours), key="plan-cost", theme=None, config=dict(PLOTLY_CONFIG)
        )
    with right.container(border=True, height="stretch"):
        _reasons(plan, setting)
    if plan.routing is not None:
        with st.container(border=True):
            _routing(plan, plan.routing, setting.study.latency.slo_ms)
    if plan.home is not None or plan.recovery is not None:
        with st.container(border=True):
            recovery_box(plan)
    _tables(plan, setting)
    _downloads(plan, setting)
    trust_box(plan, setting)
    work.follow((decided, say_again))


def _shown(setting: Setting) -> tuple[Decided, Setting]:
    """The study's own plan, or the point of the front that was loaded, with the study it answers."""
    at = session.choices().point
    if at is None:
        return frame.plan_of(setting), setting
    front = work.front_of(setting.study, setting.stores).plans
    if at >= len(front):
        session.load_point(None)
        session.write_url(setting.base)
        return frame.plan_of(setting), setting
    plan = front[at]
    coverage = setting.study.latency.coverage
    words, button = st.columns([5, 1], vertical_alignment="center")
    words.info(
        f"**Point {at + 1} of {len(front)} on the front**: the cheapest plan that serves "
        f"{share(coverage, 1)} of demand within {ms(promise_ms(plan, coverage))}. "
        "The study's own latency and budget are not applied.",
        icon=":material/location_on:",
    )
    if button.button("Back to the study", width="stretch"):
        session.load_point(None)
        st.rerun()
    latency = replace(setting.study.latency, slo_ms=promise_ms(plan, coverage))
    study = replace(setting.study, latency=latency, budget_usd_per_month=None, minimize="cost")
    return Decided(plan), replace(setting, study=study)


def _figures(plan: Plan, kpi: Kpi, study: Study) -> None:
    row = st.container(horizontal=True, gap="small")
    budget = study.budget_usd_per_month
    roles = Counter(placement.role for placement in plan.placements)
    kinds = f"{roles['serving']} serving" + "".join(
        f", {roles[role]} as {role}" for role in ("backup", "parent") if roles[role]
    )
    if plan.standby is not None:
        kinds += ", 1 Region stands by"
    promise = (
        "no SLO in this study"
        if study.latency.slo_ms is None
        else f"within {ms(study.latency.slo_ms)}; {share(study.latency.coverage)} asked"
    )
    certain = (
        ()
        if plan.certainty is None or plan.certainty.probability is None
        else (
            (
                "Promise holds",
                share(plan.certainty.probability, 0),
                "probability, from the bounds of every latency",
            ),
        )
    )
    figures = (
        ("Cost a month", usd(kpi.cost_usd_month), f"of {usd(budget)} budget" if budget else "no budget set"),
        ("Sites open", str(len(plan.placements)), kinds),
        ("Demand in time", share(kpi.coverage), promise),
        *certain,
        ("Mean latency", ms(kpi.mean_ms), f"p95 {ms(kpi.p95_ms)}, worst {ms(kpi.max_ms)}"),
        ("Measured", share(kpi.measured_share), f"of demand; {share(1 - kpi.measured_share)} modelled"),
    )
    for label, value, more in figures:
        with row.container(border=True, width="stretch", height="stretch"):
            st.metric(label, value)
            st.caption(plain(more))


def _reasons(plan: Plan, setting: Setting) -> None:
    st.subheader("Why this plan", anchor=False)
    words = work.rule_words(setting.study, setting.inputs)
    st.markdown(f"**Goal.** {OBJECTIVE_NAMES[plan.minimize]}.")
    if plan.binding:
        st.markdown("**Tight at this plan,** or what an open site is needed for:")
        st.markdown("\n".join(f"- {plain(words.get(rule, rule))}" for rule in plan.binding))
    else:
        st.markdown("**Tight at this plan:** no rule.")
    st.caption("What each rule costs is another matter: see *Why*.")
    if plan.duties:
        st.markdown("**Stays with you.** For a program to hold on your own premises:")
        st.markdown("\n".join(f"- {plain(words)}" for words in duty_words(plan)))
    top, names = plan.placements[:3], setting.names()
    st.markdown(
        f"**Who serves most.** {'; '.join(_serving(placement, names) for placement in top)}."
        + (f" {counted(len(plan.placements) - 3, 'more site')} below." if len(plan.placements) > 3 else "")
    )


def _serving(placement: Placement, names: Mapping[str, str]) -> str:
    return f"{plain(names[placement.site_id])} {share(placement.demand_share, 0)}"


def _tables(plan: Plan, setting: Setting) -> None:
    by_site, by_country = st.tabs(["Sites", "Countries"])
    percent = st.column_config.NumberColumn(format="%.1f %%")
    slow = st.column_config.NumberColumn(format="%.0f ms")
    money = st.column_config.NumberColumn(format="dollar", step=1)
    sites = sites_table(plan, setting.inputs.sites, setting.inputs.prices)
    costs = ["Monthly cost", *(item_name(item) for item in plan.cost_items)]
    unused = [name for name in costs[1:] if not sites[name].any()]
    # A column of whole dollars cuts the cents off; rounded, it agrees with the files and the command line.
    by_site.dataframe(
        sites.drop(columns=unused).round(dict.fromkeys(costs, 0)),
        hide_index=True,
        width="stretch",
        height="content" if len(sites) <= TALLEST_TABLE else 36 * TALLEST_TABLE,
        column_config={
            "Demand": st.column_config.ProgressColumn(format="%.1f %%", min_value=0.0, max_value=100.0),
            "Measured": st.column_config.NumberColumn(
                format="%.0f %%", help="Share of this site's demand whose latency was measured, not modelled"
            ),
            "Median": slow,
            "p95": slow,
            **dict.fromkeys(costs, money),
        },
    )
    by_country.dataframe(
        countries_table(plan, setting.names()),
        hide_index=True,
        width="stretch",
        height=420,
        column_config={
            "Demand": percent,
            "Mean": slow,
            "Slowest": slow,
            "Within SLO": percent,
            "Measured": percent,
        },
    )


def _routing(plan: Plan, routing: RoutingPlan, slo_ms: float | None) -> None:
    """How clients find their site, and what the plan is like as routed."""
    st.subheader("How people find their site", anchor=False)
    routed, (chosen, *others) = routing.as_routed, routing.why
    name = NAMES[routing.policy]
    head = "" if chosen.startswith(name) else f"{name}, {usd(routing.usd_month)} a month: "
    st.markdown(f"{plain(head + chosen)}.")
    for other in others:
        st.caption(plain(other))
    st.markdown(f"**When a site fails,** its people are elsewhere after {plain(routing.failover_words)}.")
    within = "" if slo_ms is None else f", {share(routed.coverage)} within {ms(slo_ms)}"
    assert plan.kpi is not None
    more = routed.cost_usd_month - plan.kpi.cost_usd_month
    st.markdown(
        f"**As routed,** not as assigned: mean {ms(routed.mean_ms)}, p95 {ms(routed.p95_ms)}{plain(within)}; "
        f"{share(routed.differs)} of demand is served by another site than assigned, and it costs "
        f"{plain(usd(routed.cost_usd_month))} a month ({plain(usd(more, signed=True))})."
    )
    said = "\n".join(f"- {plain(sentence)}" for sentence in plan.said_as_routed)
    if routed.breaks:
        st.warning(
            f"A resolver knows no plan and no law. As routed, this one\n\n{said}\n\n"
            "Keep people apart by a name or geolocation records of their own, or plan with room to spare.",
            icon=":material/gavel:",
        )
    elif said:
        st.markdown(said)


def _downloads(plan: Plan, setting: Setting) -> None:
    files = [
        ("Sites (CSV)", "placements.csv", partial(placements_csv, plan), "text/csv"),
        ("Clients (CSV)", "assignments.csv", partial(assignments_csv, plan), "text/csv"),
        ("Plan (JSON)", "plan.json", partial(plan_json, plan), "application/json"),
    ]
    files += [
        (DEPLOYMENT_LABELS[name], name, partial(str, text), "application/json")
        for name, text in deployment_files(plan, setting.study, setting.inputs).items()
    ]
    cells = st.columns([*[1] * len(files), max(6 - len(files), 1)])
    for cell, (label, name, write, kind) in zip(cells, files, strict=False):
        cell.download_button(
            label,
            write,  # written when asked for: thousands of rows would delay every slider
            file_name=name,
            mime=kind,
            key=f"download-{name}",
            on_click="ignore",
            width="stretch",
        )
