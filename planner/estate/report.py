"""What became of an estate, as text, as JSON and as CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from planner.estate.outcome import Outcome
from planner.estate.redecide import Best
from planner.export import csv_text
from planner.plan_document import finite
from planner.tabulate import table
from planner.terminal import ms, share, usd
from planner.wording import counted

SCENARIO_COLUMNS: Final = (
    *(
        "scenario",
        "down",
        "demand_factor",
        "kept",
        "coverage",
        "moved",
        "unserved",
        "over",
        "no_room",
        "forbidden",
        "mean_ms",
        "p95_ms",
    ),
    *("rto_s", "cost_usd_month", "best_usd_month", "best_coverage", "best_termination", "best_open"),
)
QUANTILES: Final = (0.05, 0.50, 0.95)


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """One outcome; what is not finite is None."""
    document = asdict(outcome)
    for name in ("mean_ms", "p95_ms", "rto_s"):
        document[name] = finite(document[name])
    for site in document["sites"]:
        site["capacity_rps"] = finite(site["capacity_rps"])
    return document


def outcome_text(outcome: Outcome) -> str:
    """Who moves where, what it is like there, and for how long."""
    lines = [
        f"{outcome.scenario.name}, demand x{outcome.scenario.demand_factor:g}, the plan as it stands:",
        "",
        f"  moved     {share(outcome.moved)} of demand served elsewhere, {share(outcome.unserved)} nowhere",
        f"  latency   {_latency(outcome)}{_promise(outcome)}",
        f"  capacity  {share(outcome.over)} of demand is above what runs now{_no_room(outcome)}",
        f"  cost      {usd(outcome.cost_usd_month)} a month with the instances it takes",
        f"  recovery  {outcome.rto_words or 'nothing to wait for that the plan knows of'}",
    ]
    if outcome.forbidden:
        told = f"{share(outcome.forbidden)} of demand is sent where a rule forbids it: routing knows no law"
        lines.append(f"  rules     {told}")
    if outcome.moves:
        moves = [(each.site_id, each.to or "nowhere", share(each.share)) for each in outcome.moves]
        lines += ["", table(("from", "to", "demand"), moves, flush_right=(2,))]
    rows = [
        (
            *(each.site_id, f"{each.rps:,.0f}", f"{each.capacity_rps:,.0f}"),
            *(f"{each.over_rps:,.0f}" if each.over_rps else "", str(each.planned), str(each.instances)),
        )
        for each in outcome.sites
    ]
    heads = ("site up", "rps", "carries now", "too much", "instances now", "then")
    return "\n".join([*lines, "", table(heads, rows, flush_right=range(1, 6))])


def _no_room(outcome: Outcome) -> str:
    if not outcome.no_room:
        return ""
    return f"; {share(outcome.no_room)} is turned away where nothing can grow"


def _promise(outcome: Outcome) -> str:
    if not outcome.promised:
        return ""
    return f"; {share(outcome.coverage)} in time: the promise {'holds' if outcome.kept else 'is broken'}"


def _latency(outcome: Outcome) -> str:
    if outcome.mean_ms is None or outcome.p95_ms is None:
        return "nobody is served"
    mean, p95 = (ms(each) if np.isfinite(each) else "lost" for each in (outcome.mean_ms, outcome.p95_ms))
    return f"mean {mean}, p95 {p95}"


def best_text(best: Best) -> str:
    """What the study decided anew would be."""
    if best.cost_usd_month is None:
        why = "no plan keeps the rules then" if best.termination == "infeasible" else "none was found in time"
        return f"decided anew: {why}"
    return (
        f"decided anew: {usd(best.cost_usd_month)} a month, {share(best.coverage or 0.0)} in time, open:"
        f" {', '.join(best.open)}"
    )


def summary_of(outcomes: Sequence[Outcome], bests: Sequence[Best]) -> dict[str, Any]:
    """Of many scenarios: quantiles 5, 50 and 95 %, how often the promise holds, and the regret."""
    failed = [outcome for outcome in outcomes if outcome.scenario.down]
    summary: dict[str, Any] = {
        "scenarios": len(outcomes),
        "with_failures": len(failed),
        "promised": any(outcome.promised for outcome in outcomes),
        "kept": float(np.mean([outcome.kept for outcome in outcomes])),
        "kept_in_failures": float(np.mean([outcome.kept for outcome in failed])) if failed else None,
        "somebody_unserved": float(np.mean([outcome.unserved > 0 for outcome in outcomes])),
        "above_capacity": float(np.mean([outcome.over > 0 for outcome in outcomes])),
        "somebody_turned_away": float(np.mean([outcome.no_room > 0 for outcome in outcomes])),
        "somebody_where_forbidden": float(np.mean([outcome.forbidden > 0 for outcome in outcomes])),
    }
    for name in ("coverage", "unserved", "over", "no_room", "mean_ms", "p95_ms", "cost_usd_month"):
        values = [value for outcome in outcomes if (value := getattr(outcome, name)) is not None]
        summary[name] = (
            [finite(value) for value in np.quantile(values, QUANTILES, method="inverted_cdf")]
            if values
            else None
        )
    if bests:
        kept = [
            (outcome.cost_usd_month, best.cost_usd_month)
            for outcome, best in zip(outcomes, bests, strict=True)
            if outcome.kept and best.cost_usd_month
        ]
        regret = [cost / least - 1.0 for cost, least in kept]
        summary |= {
            "regret": [finite(value) for value in np.quantile(regret, QUANTILES)] if regret else None,
            "broken_though_possible": sum(
                not outcome.kept and best.cost_usd_month is not None
                for outcome, best in zip(outcomes, bests, strict=True)
            ),
            "impossible": sum(best.termination == "infeasible" for best in bests),
            "open": dict(Counter(site for best in bests for site in best.open).most_common()),
        }
    return summary


def sweep_text(summary: dict[str, Any]) -> str:
    """The summary for a person."""

    def spread(name: str, words: str, form: Any) -> tuple[str, ...]:
        values = summary[name]
        # A latency that is not finite is that of requests that were lost (``finite``).
        told = ("",) * 3 if values is None else ("lost" if each is None else form(each) for each in values)
        return (words, *told)

    hurt = summary["kept_in_failures"]
    lines = [
        f"{counted(summary['scenarios'], 'scenario')}, {summary['with_failures']} with a failure:",
        "",
        f"  {'the promise holds' if summary['promised'] else 'everybody is served'}"
        f" in {share(summary['kept'])}"
        + ("" if hurt is None else f" ({share(hurt)} of failures)")
        + f"; somebody is unserved in {share(summary['somebody_unserved'])}, a site is above what runs now in"
        f" {share(summary['above_capacity'])} and turns somebody away in"
        f" {share(summary['somebody_turned_away'])}"
        + (
            f"; somebody is sent where a rule forbids it in {share(summary['somebody_where_forbidden'])}"
            if summary["somebody_where_forbidden"]
            else ""
        ),
        "",
        table(
            ("", "5%", "50%", "95%"),
            [
                spread("coverage", "demand in time", share),
                spread("unserved", "unserved", share),
                spread("over", "above what runs", share),
                spread("no_room", "turned away", share),
                spread("mean_ms", "mean latency", ms),
                spread("p95_ms", "p95 latency", ms),
                spread("cost_usd_month", "cost a month", usd),
            ],
            flush_right=range(1, 4),
        ),
    ]  # fmt: skip
    if "regret" in summary:
        regret = summary["regret"]
        lines += [
            "",
            "  against the plan decided anew for each:",
            "    both keep the promise in none, so there is no cost to compare"
            if regret is None
            else f"    where the promise holds, it costs {regret[1]:.1%} more in the middle, {regret[2]:.1%}"
            " or more 1 time in 20",
            f"    broken though another plan holds it: {summary['broken_though_possible']}",
            f"    no plan at all holds: {summary['impossible']}",
            *(f"    {site} is open in {times}" for site, times in list(summary["open"].items())[:12]),
        ]
    return "\n".join(lines)


def scenarios_csv(outcomes: Sequence[Outcome], bests: Sequence[Best]) -> str:
    """A row for each scenario."""
    nothing = Best(None, None, (), "")
    rows = (
        (
            *(each.scenario.name, " ".join(each.scenario.down), each.scenario.demand_factor, each.kept),
            *(each.coverage, each.moved, each.unserved, each.over, each.no_room, each.forbidden),
            *(each.mean_ms, each.p95_ms, each.rto_s, each.cost_usd_month, best.cost_usd_month, best.coverage),
            *(best.termination, " ".join(best.open)),
        )
        for each, best in zip(outcomes, bests or [nothing] * len(outcomes), strict=True)
    )
    return csv_text(SCENARIO_COLUMNS, rows)
