"""*Why*: what each rule costs, what each site is worth, and what would be nearly as good."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from planner.decide import Explanation
from planner.pages import frame, work
from planner.pages.frame import Setting
from planner.pages.recovery_box import recovery_box
from planner.pages.rule_names import rule_name, without_words
from planner.pages.site_names import called
from planner.pages.words import OBJECTIVE_NAMES, listed, markdown_table, ms, plain, share, usd
from planner.plan import Plan
from planner.solver.explain import RulePrice
from planner.solver.site_prices import SiteValue, searched
from planner.terminal import worth
from planner.wording import counted

DEAREST = 3
"""So many rules are named in a sentence of their own."""


def render() -> None:
    """Draw the page."""
    setting = frame.open_frame()
    frame.heading(
        "Why",
        "Every figure here comes from deciding again: without a rule, with a step less of it, "
        "with a site closed or opened.",
    )
    asked = work.explained_of(setting.study, setting.stores)
    explained = asked.known
    plan = explained.plan
    if plan.kpi is None:
        frame.show_conflict(plan, work.rule_words(setting.study, setting.inputs))
        return
    _in_short(explained, setting, asked.job is None)
    _rules(explained, asked.job is None)
    recovery_box(plan)
    _sites(explained, setting)
    if asked.job is None:
        _alternatives(explained, setting)
    work.follow_why(asked)


def _money(plan: Plan, value: float | None) -> str:
    """A change of the objective in its own unit."""
    if value is None:
        return "not known in time"
    return usd(value) if plan.minimize == "cost" else ms(value)


def _in_short(explained: Explanation, setting: Setting, complete: bool) -> None:
    plan, names = explained.plan, setting.names()
    priced = sorted(
        (price for price in explained.rule_prices if price.saves), key=lambda price: -(price.saves or 0.0)
    )
    lines = [f"**Goal.** {OBJECTIVE_NAMES[plan.minimize]}: {_goal(plan)}."]
    if not priced and complete:
        lines.append("**No rule costs anything by itself.**")
    for price in priced[:DEAREST]:
        without = plain(without_words(price.rule, price.words, setting.study))
        lines.append(f"Without {without} the plan would {_better(plan, price.saves)}.")
    if len(priced) > 1:
        lines.append(
            "What rules save overlaps: dropping two of them saves neither the sum of the two nor, always, "
            "the greater."
        )
    needed = [value.site for value in explained.site_values if value.is_open and value.impossible]
    if needed:
        lines.append(f"**Cannot be spared:** {plain(listed(called(names, needed)))}.")
    near = [
        (value.discount, value.site)
        for value in explained.site_values
        if value.discount is not None and value.discount > 0
    ]
    if near:
        discount, site = min(near)
        lines.append(
            f"**Nearest to opening:** {plain(names.get(site, site))}, if it were {share(discount)} cheaper."
        )
    st.markdown("\n\n".join(lines))


def _better(plan: Plan, saves: float | None) -> str:
    amount = f"**{plain(_money(plan, saves))}**"
    return {
        "cost": f"cost {amount} a month less",
        "mean_latency": f"have a mean latency {amount} lower",
        "max_latency": f"have a worst latency {amount} lower",
    }[plan.minimize]


def _goal(plan: Plan) -> str:
    assert plan.kpi is not None
    if plan.minimize == "cost":
        return f"{plain(usd(plan.kpi.cost_usd_month))} a month"
    return ms(plan.kpi.mean_ms if plan.minimize == "mean_latency" else plan.kpi.max_ms)


def _rules(explained: Explanation, complete: bool) -> None:
    plan = explained.plan
    st.subheader("What each rule costs", anchor=False)
    prices = sorted(explained.rule_prices, key=_dearest_first)
    free = [price for price in prices if _saves_nothing(price)]
    costly = [price for price in prices if not _saves_nothing(price)]
    if costly:
        st.markdown(_table(plan, costly))
    elif complete:
        st.markdown("No rule costs anything by itself.")
    else:
        st.markdown("Not known yet.")
    if free:
        alone = (
            "rule that by itself costs nothing" if len(free) == 1 else "rules that by themselves cost nothing"
        )
        with st.expander(f"{len(free)} {alone}"):
            st.markdown(_table(plan, free))
    for price in explained.rule_prices:
        if price.held_by and price.together:
            others = [rule_name(rule) for rule in price.held_by]
            st.caption(
                f"{plain(rule_name(price.rule))} asks what {plain(listed(others))} also "
                f"hold{'s' if len(price.held_by) == 1 else ''}: by itself it seems cheaper than it is. "
                f"Dropping all of them saves {plain(_money(plan, price.together))}."
            )
    if any(not price.proven for price in explained.rule_prices):
        st.caption("Some of these plans were not proven optimal in time: their prices are about right.")


def _saves_nothing(price: RulePrice) -> bool:
    return price.saves == 0.0 and not price.step_saves


def _table(plan: Plan, prices: list[RulePrice]) -> str:
    """The rule's own name, as files and commands have it, comes last."""
    rows = [
        {
            "Rule": rule_name(price.rule),
            "What it asks": price.words,
            "Dropping it saves": _money(plan, price.saves),
            "A step less of it": "" if price.step is None else f"{price.step}: {_step_saves(plan, price)}",
            "Named": price.rule,
        }
        for price in prices
    ]
    return markdown_table(rows, right="Dropping it saves")


def _step_saves(plan: Plan, price: RulePrice) -> str:
    return (
        "saves nothing"
        if price.step_saves == 0.0
        else f"saves {_money(plan, price.step_saves)}"
        if (price.step_saves is not None)
        else "not known in time"
    )


def _dearest_first(price: RulePrice) -> tuple[float, str]:
    return (-(price.saves or 0.0), price.rule)


def _sites(explained: Explanation, setting: Setting) -> None:
    plan = explained.plan
    st.subheader("What each site is worth", anchor=False)
    if not explained.site_values:
        st.markdown("Not asked yet: the rules come first.")
        return
    decided = {placement.site_id: placement.decided_by for placement in plan.placements}
    names = setting.sites()
    rows = [
        {
            "Site": value.site,
            "Name": names[value.site].name,
            **({"Provider": names[value.site].provider} if setting.mixed() else {}),
            "Decided by": ", ".join(map(rule_name, decided.get(value.site, "").split(", "))),
            "Settled otherwise": _otherwise(plan, value),
            "Which means": worth(value, plan.minimize)[1],
        }
        for value in sorted(explained.site_values, key=lambda value: value.site)
    ]
    opened = set(plan.open)
    st.markdown(markdown_table([row for row in rows if row["Site"] in opened], right="Settled otherwise"))
    closed = pd.DataFrame([row for row in rows if row["Site"] not in opened])
    if len(closed):
        st.markdown(f"{counted(len(closed), 'site')} closed:")
        st.dataframe(
            closed.drop(columns="Decided by"),
            hide_index=True,
            width="stretch",
            height=36 * min(len(closed) + 1, 12),
            column_config={
                "Site": st.column_config.TextColumn(width=190),
                "Name": st.column_config.TextColumn(width=220),
                "Settled otherwise": st.column_config.TextColumn(width=140),
            },
        )


def _otherwise(plan: Plan, value: SiteValue) -> str:
    if value.impossible or value.forbidden:
        return ""
    return ("" if value.dearer is None else "+") + _money(plan, value.dearer)


def _alternatives(explained: Explanation, setting: Setting) -> None:
    plan = explained.plan
    st.subheader("Nearly as good", anchor=False)
    if not explained.alternatives:
        st.markdown(
            "No plan within 1 % of this one opens or closes two sites differently."
            if searched(explained.site_values)
            else "None was found in time; not every site was looked at."
        )
        return
    opened, names = set(plan.open), setting.names()
    st.markdown(f"{counted(len(explained.alternatives), 'plan')} within 1 %, with other sites:")
    st.dataframe(
        pd.DataFrame(
            {
                "Opens": ", ".join(called(names, sorted(set(other.open) - opened))),
                "Closes": ", ".join(called(names, sorted(opened - set(other.open)))),
                "Cost a month": usd(other.kpi.cost_usd_month),
                "Mean latency": ms(other.kpi.mean_ms),
                "Demand in time": share(other.kpi.coverage),
            }
            for other in explained.alternatives
            if other.kpi is not None
        ),
        hide_index=True,
        width="stretch",
        height="content",
    )
