"""Of *What if*: many scenarios at random, and how the plan as it stands does in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from planner.estate import Outcome, Scenario, outcome_of
from planner.estate.report import scenarios_csv, summary_of
from planner.pages import session
from planner.pages.choices import HAZARDS, MOST_SCENARIOS, MOST_SPREAD, SCENARIOS, SEED
from planner.pages.failure_part import demand_slider
from planner.pages.frame import Setting
from planner.pages.live_estate import live, worked_out
from planner.pages.site_names import called
from planner.pages.spread_charts import spread_chart
from planner.pages.theme import PLOTLY_CONFIG
from planner.pages.words import listed, share, usd
from planner.plan import Plan
from planner.wording import counted

WORST = 12


def render_part(setting: Setting, plan: Plan) -> None:
    """Draw it for ``plan``."""
    _controls()
    chosen = session.choices()
    outcomes = worked_out(setting, plan, chosen.hazards, chosen.scenarios, chosen.seed)
    _figures(summary_of(outcomes, ()))
    latency = setting.study.latency
    promised = None if latency.slo_ms is None else latency.coverage
    in_time, cost, p95 = st.columns(3, gap="medium")
    _spread(
        in_time, "Demand in time", "share", outcomes, [each.coverage for each in outcomes], promised, setting
    )
    costs = [each.cost_usd_month for each in outcomes]
    peace = outcome_of(live(setting, plan), Scenario("as planned"))
    _spread(cost, "Cost a month", "usd", outcomes, costs, peace.cost_usd_month, setting)
    _spread(p95, "p95 latency", "ms", outcomes, [each.p95_ms for each in outcomes], peace.p95_ms, setting)
    _worst(outcomes, setting.names())
    st.download_button(
        "Scenarios (CSV)",
        scenarios_csv(outcomes, ()),
        file_name="scenarios.csv",
        mime="text/csv",
        key="download-scenarios.csv",
        on_click="ignore",
    )


MARKS = {
    "share": "Dashed: what is promised.",
    "usd": "Dashed: as planned. A whole month like this, with the instances it takes.",
    "ms": "Dashed: as planned. Of those who are served.",
}


def _spread(
    place: DeltaGenerator,
    title: str,
    form: str,
    outcomes: Sequence[Outcome],
    values: Sequence[float | None],
    mark: float | None,
    setting: Setting,
) -> None:
    failed = [bool(each.scenario.down) for each in outcomes]
    with place.container(border=True, height="stretch"):
        st.subheader(title, anchor=False)
        st.caption("The study promises no latency." if mark is None else MARKS[form])
        st.plotly_chart(
            spread_chart(values, failed, mark, form, setting.colours),
            key=f"spread-{form}",
            theme=None,
            config=dict(PLOTLY_CONFIG),
        )


def _controls() -> None:
    chosen = session.choices()
    with st.container(border=True):
        st.markdown(
            "**How likely things are is for you to say.** These are judgements and no measurements: in each "
            "scenario every open site, metro and Region is lost with its own probability, independently."
        )
        cells = st.columns(4, gap="medium")
        for cell, (name, label, value) in zip(
            cells,
            (
                ("lose_site", "A site is lost, %", chosen.lose_site),
                ("lose_metro", "A metro is lost, %", chosen.lose_metro),
                ("lose_region", "A Region with its zones is lost, %", chosen.lose_region),
            ),
            strict=False,
        ):
            cell.number_input(
                label,
                0.0,
                100.0,
                round(100.0 * value, 4),
                0.5,
                format="%g",
                key=session.widget_key(name),
                on_change=_moved,
                args=(name,),
            )
        cells[3].number_input(
            "Demand strays, %",
            0.0,
            100.0 * MOST_SPREAD,
            round(100.0 * chosen.spread, 4),
            5.0,
            format="%g",
            key=session.widget_key("spread"),
            on_change=_moved,
            args=("spread",),
            help="The standard deviation of the logarithm of its factor; 15 % is a factor of 0.86 to 1.16 "
            "two times in three",
        )
        cells = st.columns(4, gap="medium", vertical_alignment="bottom")
        demand_slider(cells[0])
        cells[1].number_input(
            "Scenarios",
            1,
            MOST_SCENARIOS,
            chosen.scenarios,
            100,
            key=session.widget_key("scenarios"),
            on_change=_moved,
            args=("scenarios",),
        )
        cells[2].number_input(
            "Seed of the random numbers",
            1,
            999_999,
            chosen.seed,
            key=session.widget_key("seed"),
            on_change=_moved,
            args=("seed",),
        )
        with cells[3]:
            st.toggle(
                "Latencies stray too",
                chosen.stray,
                key=session.widget_key("stray"),
                on_change=_moved,
                args=("stray",),
            )
            if st.button("Undo", width="stretch"):
                session.choose(
                    replace(
                        chosen,
                        demand=1.0,
                        scenarios=SCENARIOS,
                        seed=SEED,
                        lose_site=HAZARDS.site,
                        lose_metro=HAZARDS.metro,
                        lose_region=HAZARDS.region,
                        spread=HAZARDS.demand_spread,
                        stray=HAZARDS.latency,
                    ),
                    redraw=True,
                )
                st.rerun()


def _moved(name: str) -> None:
    value: Any = st.session_state[session.widget_key(name)]
    if name in ("lose_site", "lose_metro", "lose_region", "spread"):
        value = value / 100.0
    session.choose(replace(session.choices(), **{name: value}))


def _figures(summary: dict[str, Any]) -> None:
    failed, hurt = summary["with_failures"], summary["kept_in_failures"]
    in_failures = f"In so many of the {counted(failed, 'scenario')} in which something fails"
    figures = (
        ("Promise holds", share(summary["kept"]), "In so many of the scenarios"),
        ("… in failures", "–" if hurt is None else share(hurt), in_failures),
        ("In time, worst 5 %", share(summary["coverage"][0]), "Less of demand is in 1 scenario of 20"),
        ("Cost, dearest 5 %", usd(summary["cost_usd_month"][2]), "It is more in 1 scenario of 20"),
        ("Unserved", share(summary["somebody_unserved"]), "Scenarios in which somebody has no site left"),
        ("Above what runs", share(summary["above_capacity"]), "Scenarios in which a site would have to grow"),
        (
            "Turned away",
            share(summary["somebody_turned_away"]),
            "Scenarios in which a rack, or a site that a rule caps, turns somebody away",
        ),
        (
            "Where forbidden",
            share(summary["somebody_where_forbidden"]),
            "Scenarios in which routing sends somebody where a rule forbids it",
        ),
    )
    for row in (figures[:4], figures[4:]):
        for cell, (label, value, words) in zip(st.columns(4), row, strict=False):
            cell.metric(label, value, help=words, border=True, height="stretch")


def worst_table(outcomes: Sequence[Outcome], names: Mapping[str, str]) -> pd.DataFrame:
    """The scenarios that serve least demand in time, and then the slowest; shares in percent."""
    ranked = sorted(outcomes, key=lambda each: (each.coverage, -each.unserved, -(each.p95_ms or 0.0)))
    return pd.DataFrame(
        {
            "Scenario": int(each.scenario.name),
            "Lost": listed(called(names, each.scenario.down)),
            "Demand": each.scenario.demand_factor,
            "In time": 100.0 * each.coverage,
            "Elsewhere": 100.0 * each.moved,
            "By nobody": 100.0 * each.unserved,
            "Above what runs": 100.0 * each.over,
            "Turned away": 100.0 * each.no_room,
            "p95": each.p95_ms,
            "Cost a month": round(each.cost_usd_month),
            "Takes": "–" if each.rto_s is None else f"{each.rto_s:,.0f} s",
        }
        for each in ranked[:WORST]
    )


def _worst(outcomes: Sequence[Outcome], names: Mapping[str, str]) -> None:
    st.markdown(f"**The worst of {counted(len(outcomes), 'scenario')}**")
    percent = st.column_config.NumberColumn(format="%.1f %%")
    st.dataframe(
        worst_table(outcomes, names),
        hide_index=True,
        width="stretch",
        height="content",
        column_config={
            "Lost": st.column_config.TextColumn(width="medium"),
            "Demand": st.column_config.NumberColumn(format="× %.2f"),
            **dict.fromkeys(("In time", "Elsewhere", "By nobody", "Above what runs", "Turned away"), percent),
            "p95": st.column_config.NumberColumn(format="%.0f ms"),
            "Cost a month": st.column_config.NumberColumn(format="dollar", step=1),
        },
    )
    st.caption(
        "Each scenario hangs on the seed and its number alone: a hundred are the first hundred of two "
        "hundred, and `edgeplan whatif STUDY --scenarios N --seed K` gives the same. With `--redecide` it "
        "also decides anew for each, to tell what not having known costs."
    )
