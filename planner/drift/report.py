"""A check as a document for programs and as text for a person."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from planner.drift.evidence import PairChange, SiteChange
from planner.drift.timeline import Moment, Timeline
from planner.drift.verdict import Check, Resolved
from planner.plan_document import finite, plan_document
from planner.tabulate import table
from planner.terminal import ms, share, usd
from planner.wording import counted

SHOWN: Final = 12
"""Rows of a table at the terminal; the rest is counted, and stands in the document."""


def check_document(check: Check) -> dict[str, Any]:
    """Everything, for JSON. What is not finite is None; times are UTC."""
    have = check.attained
    return {
        "plan": check.plan,
        "right": check.right,
        "reasons": dict(check.reasons),
        "advice": check.advice,
        "made": None if check.made is None else check.made.isoformat(),
        "since": check.since.isoformat(),
        "until": check.until.isoformat(),
        "rounds": check.rounds,
        "pairs": check.pairs,
        "judged": check.judged,
        "coverage": {
            "slo_ms": have.slo_ms,
            "promised": have.promised,
            "planned": have.planned,
            "lower": have.lower,
            "estimate": have.estimate,
            "upper": have.upper,
            "at_most": have.at_most,
            "measured": have.fresh,
        },
        "changes": [
            {
                "vantage": change.vantage,
                "site": change.site,
                "since": said(change.since),
                "by": change.by,
                "before_ms": finite(change.before_ms),
                "after_ms": finite(change.after_ms),
                "shows_in": change.shows_in,
                "p_value": change.p_value,
            }
            for change in check.changes
        ],
        "sites": [
            {
                "site": each.site,
                "vantages": each.vantages,
                "since": said(each.since),
                "by": each.by,
                "slower": each.up,
                "p_value": each.p_value,
            }
            for each in check.site_changes
        ],
        "better": [
            {
                "site": each.site,
                "share": each.share,
                "saves_ms": finite(each.saves_ms),
                "clients": list(each.clients),
            }
            for each in check.better
        ],
        "prices": [asdict(each) for each in check.prices],
        "regret": None if check.resolved is None else _resolved_document(check.resolved),
        "threshold": check.threshold,
        "gone": dict(check.gone),
        "unreachable": dict(check.unreachable),
        "timeline": None if check.timeline is None else _timeline_document(check.timeline),
        "notes": list(check.notes),
    }


def _resolved_document(resolved: Resolved) -> dict[str, Any]:
    standing = resolved.standing
    kpi = None if standing is None else standing.kpi
    return {
        "regret": resolved.regret,
        "unproven": resolved.unproven,
        "objective": finite(resolved.objective),
        "broken": list(resolved.broken),
        "cost_usd_month": None if kpi is None else kpi.cost_usd_month,
        "coverage": None if kpi is None else kpi.coverage,
        "opened": list(resolved.opened),
        "closed": list(resolved.closed),
        "best": plan_document(resolved.best),
    }


def _timeline_document(timeline: Timeline) -> dict[str, Any]:
    return {
        "hours": timeline.hours,
        "planned_ms": finite(timeline.planned_ms),
        "demand": timeline.demand,
        "moments": [_moment_document(moment) for moment in timeline.moments],
    }


def _moment_document(moment: Moment) -> dict[str, Any]:
    return {
        "at": said(moment.at),
        "reached_ms": finite(moment.reached_ms),
        "lower_ms": finite(moment.lower_ms),
        "upper_ms": finite(moment.upper_ms),
        "within": moment.within,
        "demand": moment.demand,
    }


def said(at: np.datetime64) -> str:
    """A moment in UTC, to the second."""
    return f"{at.astype('datetime64[s]')}Z"


def when(change: PairChange | SiteChange) -> str:
    """Since when it is as it is now; "by" before it where it may have been so before."""
    return f"by {said(change.since)}" if change.by else said(change.since)


def check_text(check: Check) -> str:
    """What was found, and what to do."""
    have, reasons = check.attained, check.reasons
    head = "still right" if check.right else f"no longer right ({', '.join(reasons)})"
    made = "" if check.made is None else f"made {check.made:%Y-%m-%d %H:%M}Z; "
    lines = [
        f"{check.plan}: {head}",
        "",
        f"  measured  {made}{counted(check.rounds, 'round')} of {counted(check.pairs, 'pair')} since"
        f" {check.since:%Y-%m-%d %H:%M}Z, {check.judged} of them comparable with the plan's",
    ]
    if have.slo_ms is not None:
        lines.append(
            f"  coverage  {share(have.estimate)} of demand within {have.slo_ms:g} ms now"
            f" ({share(have.lower)} to {share(have.upper)}); {share(have.promised)} promised,"
            f" {share(have.planned)} planned"
        )
    lines.append(f"  evidence  {share(have.fresh)} of demand measured lately, the rest as planned")
    lines += _best(check)
    lines += [f"  why       {words}" for words in reasons.values()]
    lines += _table(
        "changed pairs",
        ("vantage", "site", "since", "from ms", "to ms", "shows in", "p"),
        [
            (
                *(change.vantage, change.site, when(change)),
                *(_figure(change.before_ms), _figure(change.after_ms)),
                *(change.shows_in, f"{change.p_value:.0e}"),
            )
            for change in check.changes
        ],
        (3, 4, 6),
    )
    lines += _table(
        "changed sites, all of their vantages together",
        ("site", "vantages", "since", "is", "p"),
        [
            (
                *(each.site, str(each.vantages), when(each)),
                *("slower" if each.up else "faster", f"{each.p_value:.0e}"),
            )
            for each in check.site_changes
        ],
        (1, 4),
    )
    lines += _table(
        "faster now than the site they are at",
        ("candidate", "for share of demand", "saves ms"),
        [(each.site, share(each.share), _figure(each.saves_ms)) for each in check.better],
        (1, 2),
    )
    lines += _table(
        "bills that moved, USD a month",
        ("site", "item", "planned", "now"),
        [(each.site, each.item, f"{each.was_usd:,.0f}", f"{each.is_usd:,.0f}") for each in check.prices],
        (2, 3),
    )
    if check.notes:
        lines += ["", "notes", *(f"  {note}" for note in check.notes)]
    return "\n".join([*lines, "", check.advice])


def _best(check: Check) -> Iterator[str]:
    resolved = check.resolved
    if resolved is None:
        return
    if resolved.standing is not None and resolved.standing.kpi is not None:
        yield f"  cost      {usd(resolved.standing.kpi.cost_usd_month)} a month at today's prices"
    best = resolved.best.kpi
    if best is None:
        proven = resolved.best.termination == "infeasible"
        yield "  best      " + (
            "no plan keeps the study's rules today" if proven else "none was found in time"
        )
        return
    moves = [f"opens {site}" for site in resolved.opened] + [f"closes {site}" for site in resolved.closed]
    apart = f": {', '.join(moves)}" if moves else ""
    regret = "" if resolved.regret is None else f", regret {100 * max(resolved.regret, 0.0):.2f} %"
    broken = f"; as it runs the plan breaks {', '.join(resolved.broken)}" if resolved.broken else ""
    yield (
        f"  best      {usd(best.cost_usd_month)} a month, {share(best.coverage)} within, mean"
        f" {ms(best.mean_ms)}{regret}{broken}{apart}"
    )


def _table(
    title: str, head: tuple[str, ...], rows: list[tuple[str, ...]], flush_right: tuple[int, ...]
) -> list[str]:
    if not rows:
        return []
    more = [f"  and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else []
    return ["", title, table(head, rows[:SHOWN], flush_right=flush_right), *more]


def _figure(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "lost"
