"""The plan shown, as the live estate it is: kept with what became of it in scenarios."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import streamlit as st

from planner.estate import Estate, Hazards, Outcome, Scenario, drawn, estate_of, outcome_of
from planner.pages import work
from planner.pages.frame import Setting
from planner.plan import Plan

STEP = 20
"""So many scenarios are worked out before the reader hears of it."""


def estate_key(setting: Setting, plan: Plan) -> str:
    """Under what the estate of ``plan`` is kept: a plan that is not proven yet may be followed by another."""
    rows = (
        [(each.site_id, each.backup_site_id) for each in plan.assignments],
        [(each.site_id, each.instances) for each in plan.rows],
        plan.home,
        plan.routing,
    )
    told = hashlib.sha256(repr(rows).encode()).hexdigest()
    return work.key_of(f"estate {told}", setting.study, setting.stores)


def live(setting: Setting, plan: Plan) -> Estate:
    """The estate of ``plan``, which has a placement."""
    return work.shelf().get(estate_key(setting, plan), lambda: estate_of(setting.study, setting.inputs, plan))


def worked_out(setting: Setting, plan: Plan, hazards: Hazards, count: int, seed: int) -> tuple[Outcome, ...]:
    """What becomes of the estate in ``count`` scenarios, here and now, with a bar of progress."""
    estate = live(setting, plan)
    key = f"{estate_key(setting, plan)} {hazards} {count} {seed}"
    place = st.empty()
    outcomes = work.shelf().get(key, lambda: _outcomes(estate, drawn(estate, hazards, count, seed)))
    place.empty()
    return outcomes


def _outcomes(estate: Estate, scenarios: Sequence[Scenario]) -> tuple[Outcome, ...]:
    place, found = st.empty(), list[Outcome]()
    for start in range(0, len(scenarios), STEP):
        # Here Streamlit ends this run, should the reader have moved on.
        place.progress(start / len(scenarios), text=f"Working out scenarios: {start} of {len(scenarios)}")
        found += [outcome_of(estate, scenario) for scenario in scenarios[start : start + STEP]]
    place.empty()
    return tuple(found)
