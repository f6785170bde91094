"""*Why*: what each rule costs, what each site is worth, and what would be nearly as good."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from planner.decide import Explanation
from planner.pages import frame, work
from planner.pages.frame import Setting
from planner.pages.recovery_box import recovery_box
from planner.pages.words import OBJECTIVE_NAMES, count, listed, ms, plain, share, usd
from planner.plan import Plan
from planner.solver.explain import RulePrice
from planner.terminal import worth

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
    explained = work.explained_of(setting.study, setting.stores)
    plan = explained.plan
    if plan.kpi is None:
        frame.show_conflict(plan, work.rule_words(setting.study, setting.inputs))
        return
    _in_short(explained)
    _rules(explained)
    recovery_box(plan)
    _sites(explained, setting)
    _alternatives(explained)


def _money(plan: Plan, value: float | None) -> str:
    """A change of the objective in its own unit."""
    if value is None:
        return "not known in time"
    return usd(value) if plan.minimize == "cost" else ms(value)


def _in_short(explained: Explanation) -> None:
    plan = explained.plan
    priced = sorted(
        (price for price in explained.rule_prices if price.saves), key=lambda price: -(price.saves or 0.0)
    )
    lines = [f"**Goal.** {OBJECTIVE_NAMES[plan.minimize]}: {_goal(plan)}."]
    if not priced:
        lines.append("**No rule costs anything by itself.** The goal alone decides.")
    for price in priced[:DEAREST]:
        each = " a month" if plan.minimize == "cost" else " of it"
        lines.append(f"**{_money(plan, price.saves)}**{each} goes to: {plain(price.words)}.")
    needed = [value.site for value in explained.site_values if value.is_open and value.impossible]
    if needed:
        lines.append(f"**Cannot be spared:** {plain(listed(needed))}.")
    near = [
        (value.discount, value.site)
        for value in explained.site_values
        if value.discount is not None and value.discount > 0
    ]
    if near:
        discount, site = min(near)
        lines.append(f"**Nearest to opening:** {plain(site)}, if it were {share(discount)} cheaper.")
    st.markdown("\n\n".join(lines))


def _goal(plan: Plan) -> str:
    assert plan.kpi is not None
    if plan.minimize == "cost":
        return f"{plain(usd(plan.kpi.cost_usd_month))} a month"
    return ms(plan.kpi.mean_ms if plan.minimize == "mean_latency" else plan.kpi.max_ms)


def _rules(explained: Explanation) -> None:
    plan = explained.plan
    st.subheader("What each rule costs", anchor=False)
    st.dataframe(
        pd.DataFrame(
            {
                "Rule": price.rule,
                "What it asks": price.words,
                "Dropping it saves": _money(plan, price.saves),
                "A step less": price.step or "it holds or it does not",
                "A step saves": "" if price.step is None else _money(plan, price.step_saves),
            }
            for price in sorted(explained.rule_prices, key=_dearest_first)
        ),
        hide_index=True,
        width="stretch",
        height="content",
    )
    for price in explained.rule_prices:
        if price.held_by:
            st.caption(
                f"{plain(price.rule)} asks what {plain(listed(price.held_by))} also "
                f"hold{'s' if len(price.held_by) == 1 else ''}: by itself it seems cheaper than it is. "
                f"Dropping all of them saves {plain(_money(plan, price.together))}."
            )
    if any(not price.proven for price in explained.rule_prices):
        st.caption("Some of these plans were not proven optimal in time: their prices are about right.")


def _dearest_first(price: RulePrice) -> tuple[float, str]:
    return (-(price.saves or 0.0), price.rule)


def _sites(explained: Explanation, setting: Setting) -> None:
    plan = explained.plan
    st.subheader("What each site is worth", anchor=False)
    decided = {placement.site_id: placement.decided_by for placement in plan.placements}
    names = setting.sites()
    st.dataframe(
        pd.DataFrame(
            {
                "Site": value.site,
                "Name": names[value.site].name,
                "Is": "open" if value.is_open else "closed",
                "Decided by": decided.get(value.site, ", ".join(value.forbidden)),
                "Settled otherwise": "" if value.dearer is None else f"+{_money(plan, value.dearer)}",
                "Which means": worth(value, plan.minimize)[1],
            }
            for value in sorted(explained.site_values, key=lambda value: (not value.is_open, value.site))
        ),
        hide_index=True,
        width="stretch",
        height=420,
    )


def _alternatives(explained: Explanation) -> None:
    plan = explained.plan
    st.subheader("Nearly as good", anchor=False)
    if not explained.alternatives:
        st.markdown("No plan within 1 % of this one opens or closes two sites differently.")
        return
    opened = set(plan.open)
    st.markdown(f"{count(len(explained.alternatives), 'plan')} within 1 %, with other sites:")
    st.dataframe(
        pd.DataFrame(
            {
                "Opens": ", ".join(sorted(set(other.open) - opened)),
                "Closes": ", ".join(sorted(opened - set(other.open))),
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
