"""How far a plan may be trusted, said on the page: proof, audit, provenance, prices, sources."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from planner.catalog import SitePrices
from planner.inputs import Inputs
from planner.pages.frame import Setting
from planner.pages.outline import outline
from planner.pages.words import RULES_OF_TERMINATION, ms, plain, share
from planner.plan import Certainty, Plan
from planner.solver.placement import PROVEN_GAP
from planner.wording import counted


def badges(plan: Plan) -> Callable[[Plan], None]:
    """The three facts a reader needs before any number: proven, audited, measured.

    Returns what says them again, of the same plan with a better bound.
    """
    place = st.empty()
    place.markdown(badge_words(plan))
    for violation in plan.audit:
        st.error(f"**Audit.** {plain(violation)}")
    return lambda better: _said_again(place, better)


def _said_again(place: DeltaGenerator, plan: Plan) -> None:
    place.markdown(badge_words(plan))


def badge_words(plan: Plan) -> str:
    """Proven, or how far from it; audited; measured."""
    marks = []
    if plan.gap is not None and plan.termination == "feasible":
        marks.append(f":orange-badge[within {bound_words(plan.gap)} of the best possible; proving …]")
    elif plan.gap is not None:
        proven = plan.termination == "optimal"
        words = "proven optimal" if proven else RULES_OF_TERMINATION[plan.termination]
        marks.append(f":{'green' if proven else 'orange'}-badge[{words}, gap {gap_words(plan.gap)}]")
    if plan.audit:
        marks.append(f":red-badge[audit: {counted(len(plan.audit), 'violation')}]")
    elif plan.kpi is not None:
        marks.append(":green-badge[audit: sound]")
    if plan.kpi is not None:
        measured = plan.kpi.measured_share
        marks.append(f":blue-badge[{share(measured, 0)} of demand on measured latency]")
        marks.append(f":gray-badge[{share(1 - measured, 0)} modelled]")
    return " ".join(marks)


def bound_words(gap: float) -> str:
    """``0.4 %``, rounded up: a plan is never further from the best than this says."""
    step = 0.01 if gap < 0.001 else 0.1 if gap < 0.1 else 1.0
    return f"{math.ceil(100 * gap / step - 1e-9) * step:.{max(0, round(-math.log10(step)))}f} %"


def gap_words(gap: float) -> str:
    """``0.0005 %``; zero is zero."""
    return "0 %" if gap <= 1e-9 else f"{100 * gap:.2g} %" if gap >= 1e-6 else "under 0.0001 %"


def trust_box(plan: Plan, setting: Setting) -> None:
    """The expander *How far to trust this*."""
    with st.expander("How far to trust this"):
        left, right = st.columns(2, gap="large")
        with left:
            _proof(plan)
            _latency(plan, setting)
        with right:
            _prices(plan, setting.inputs)
            _sources(setting.inputs)
        for note in plan.notes:
            st.markdown(f"- {plain(note)}")
        _set_aside(plan.set_aside)
        st.markdown("**Every input, by its SHA-256**")
        st.dataframe(
            pd.DataFrame({"Input": list(plan.inputs), "SHA-256": list(plan.inputs.values())}),
            hide_index=True,
            width="stretch",
            height=240,
        )


def _proof(plan: Plan) -> None:
    st.markdown("**Proof**")
    if plan.gap is not None and plan.lower_bound is not None and plan.objective is not None:
        least, reached = (
            plain(f"${value:,.2f}" if plan.minimize == "cost" else f"{value:,.2f} ms")
            for value in (plan.lower_bound, plan.objective)
        )
        st.markdown(
            f"No plan under these rules {'costs less' if plan.minimize == 'cost' else 'is better'} than "
            f"{least}{' a month' if plan.minimize == 'cost' else ''}; this one reaches {reached}. "
            f"The unproven gap is {gap_words(plan.gap)} (a plan counts as optimal up to "
            f"{gap_words(PROVEN_GAP)}). Decided in {plan.seconds:.1f} s."
        )
    st.markdown(
        "The **audit** recomputed every cost, latency and rule from the plan alone, with code that shares "
        "nothing "
        + ("with the solver, and found nothing wrong." if not plan.audit else "with the solver. It objects.")
    )


def _latency(plan: Plan, setting: Setting) -> None:
    latency = setting.study.latency
    measured = plan.kpi.measured_share if plan.kpi is not None else 0.0
    which = "estimate" if latency.bound == "estimate" else "upper confidence bound"
    st.markdown("**Latency**")
    st.markdown(
        f"{share(measured)} of the demand is served over a pair that was measured from within "
        f"{latency.metro_km:g} km of it, or from its own country within {latency.vantage_km:g} km. The rest "
        f"is modelled and could be wrong where routes are odd. The plan uses the {which} of "
        f"the {latency.statistic}. The page *Latency* shows how the model does on pairs it had not seen."
    )
    if plan.certainty is not None and plan.certainty.coverage is not None:
        st.markdown(_certainty(plan.certainty, latency.bound))


def _certainty(certainty: Certainty, bound: str) -> str:
    """How likely the promise is kept, where the doubt is, and what would settle it."""
    assert certainty.probability is not None
    assert certainty.coverage is not None
    (low, high), (mean_low, mean_high) = certainty.coverage, certainty.mean_ms
    hangs = [f"{plain(site)} ({share(doubt)} of demand)" for site, doubt in certainty.hangs_on]
    cure = " Planning with the upper bound (*Study*) asks for more." if bound == "estimate" else ""
    return (
        f"The promise holds with a probability of **{share(certainty.probability, 0)}**: of "
        f"{certainty.draws} draws of all latencies from their bounds, neighbours erring together, 9 in 10 "
        f"serve {share(low)} to {share(high)} of demand in time, at a mean of {ms(mean_low)} to "
        f"{ms(mean_high)}." + (f" Most of the doubt is about {', '.join(hangs)}." if hangs else "") + cure
    )


def _prices(plan: Plan, inputs: Inputs) -> None:
    st.markdown("**Prices**")
    opened = set(plan.open)
    of_open = [
        price for site, price in zip(inputs.sites, inputs.prices, strict=True) if site.id in opened
    ] or list(inputs.prices)
    rows = [value for price in of_open for value in _each(price)]
    guessed = sum(value.estimated for value in rows)
    dates = sorted({value.as_of for value in rows})
    sources = sorted({value.source for value in rows})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}" if dates else "unknown"
    st.markdown(
        f"Prices of {plain(when)} ({plain(', '.join(sources))}), without taxes, support, or discounts beyond "
        f"the study's commitment. {counted(guessed, 'price is', 'prices are')} estimated out of {len(rows)} "
        "at the sites shown: the sites table says where. Egress is charged tier by tier, each site's month "
        "by itself."
    )


def _each(price: SitePrices) -> list:  # type: ignore[type-arg]
    return list(price.listed)


def _sources(inputs: Inputs) -> None:
    st.markdown("**Sources**")
    st.markdown(f"Demand: {plain(inputs.demand.source)}. Land: {plain(outline().source)}.")


def _set_aside(reasons: Mapping[str, str]) -> None:
    if reasons:
        st.markdown(f"**Set aside: {counted(len(reasons), 'candidate')}**")
        st.dataframe(
            pd.DataFrame({"Site": list(reasons), "Why": list(reasons.values())}),
            hide_index=True,
            width="stretch",
        )
