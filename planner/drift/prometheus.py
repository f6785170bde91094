"""A check as Prometheus metrics, for node_exporter's textfile collector. Pure.

A collector reads the file at any moment, so it has to be put in its place whole
(:func:`planner.export.write_texts`). What is not known has no sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from planner.drift.verdict import Check

Sample = tuple[str, dict[str, str], float | None]

METRICS: Final = {
    "edgeplan_check_right": "Whether the plan is still right: 1, or 0 where something has to be done.",
    "edgeplan_check_reason": "1 for each reason that makes the plan no longer right.",
    "edgeplan_check_timestamp_seconds": "When the check was made, in seconds since 1970.",
    "edgeplan_check_last_measurement_timestamp_seconds": "The newest sample looked at, seconds since 1970.",
    "edgeplan_check_rounds": "Rounds measured in the window, of all pairs together.",
    "edgeplan_check_pairs": "Pairs of vantage and site measured in the window, by whether they were judged.",
    "edgeplan_check_pairs_changed": "Pairs of vantage and site found changed since the plan was made.",
    "edgeplan_check_sites_changed": "Sites found changed, all of their vantages together.",
    "edgeplan_check_slo_seconds": "The latency promised.",
    "edgeplan_check_coverage_ratio": "Share of demand within the SLO at its site, by kind of figure.",
    "edgeplan_check_fresh_demand_ratio": "Share of demand whose latency was measured in the window.",
    "edgeplan_check_regret_ratio": "How much better the best plan of today is than the one that runs.",
    "edgeplan_check_cost_usd_per_month": "What the plan and the best plan of today cost a month.",
    "edgeplan_check_price_changes": "Items of the plan's bill that moved.",
    "edgeplan_check_candidates_better": "Candidates that became faster for somebody than their site.",
    "edgeplan_check_site_up": "Whether a site of the plan is a candidate and is reached: 1, or 0.",
}
"""Every metric, all of them gauges, and what it means."""


def metrics_text(check: Check, checked_s: float) -> str:
    """The whole file. ``checked_s``: the time of the check, in seconds since 1970."""
    found: dict[str, list[str]] = {name: [] for name in METRICS}
    for name, labels, value in _samples(check, checked_s):
        if value is not None and math.isfinite(value):
            pairs = ",".join(
                f'{key}="{_escaped(text)}"' for key, text in {"plan": check.plan, **labels}.items()
            )
            found[name].append(f"{name}{{{pairs}}} {value:.10g}\n")
    return "".join(
        f"# HELP {name} {METRICS[name]}\n# TYPE {name} gauge\n{''.join(lines)}"
        for name, lines in found.items()
        if lines
    )


def _samples(check: Check, checked_s: float) -> Iterator[Sample]:
    have, resolved = check.attained, check.resolved
    yield "edgeplan_check_right", {}, float(check.right)
    for reason in check.reasons:
        yield "edgeplan_check_reason", {"reason": reason}, 1.0
    yield "edgeplan_check_timestamp_seconds", {}, checked_s
    yield "edgeplan_check_last_measurement_timestamp_seconds", {}, check.until.timestamp()
    yield "edgeplan_check_rounds", {}, float(check.rounds)
    yield "edgeplan_check_pairs", {"judged": "yes"}, float(check.judged)
    yield "edgeplan_check_pairs", {"judged": "no"}, float(check.pairs - check.judged)
    yield "edgeplan_check_pairs_changed", {}, float(len(check.changes))
    yield "edgeplan_check_sites_changed", {}, float(len(check.site_changes))
    if have.slo_ms is not None:
        yield "edgeplan_check_slo_seconds", {}, have.slo_ms / 1e3
        for kind in ("promised", "planned", "lower", "estimate", "upper"):
            yield "edgeplan_check_coverage_ratio", {"figure": kind}, getattr(have, kind)
    yield "edgeplan_check_fresh_demand_ratio", {}, have.fresh
    yield "edgeplan_check_price_changes", {}, float(len(check.prices))
    yield "edgeplan_check_candidates_better", {}, float(len(check.better))
    for site in check.open:
        up = site not in check.gone and site not in check.unreachable
        yield "edgeplan_check_site_up", {"site": site}, float(up)
    if resolved is None:
        return
    yield "edgeplan_check_regret_ratio", {}, resolved.regret
    for which, plan in (("running", resolved.standing), ("best", resolved.best)):
        if plan is not None and plan.kpi is not None:
            yield "edgeplan_check_cost_usd_per_month", {"which": which}, plan.kpi.cost_usd_month


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
