"""A plan as a JSON document: ``plan.json``, and what every command prints with ``--json``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from planner.measurements import Source
from planner.plan import Certainty, Plan, RoutingPlan


def plan_json(plan: Plan, origin: Mapping[str, Any] | None = None) -> str:
    """The whole decision but its rows: proof, key figures, cost by item, what binds, input hashes; and its
    ``origin`` (:mod:`planner.origin`)."""
    document = plan_document(plan) | dict(origin or {})
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def plan_document(plan: Plan) -> dict[str, Any]:
    """What :func:`plan_json` writes, as a dict. What is not finite is None: JSON has no infinity."""
    kpi, conflict = plan.kpi, plan.conflict
    names = ("mean_ms", "p50_ms", "p95_ms", "max_ms", "coverage", "cost_usd_month", "measured_share")
    return {
        "study": plan.study,
        "inputs": dict(plan.inputs),
        "stores": [_source_document(source) for source in plan.sources],
        "minimize": plan.minimize,
        "termination": plan.termination,
        "objective": finite(plan.objective),
        "lower_bound": finite(plan.lower_bound),
        "gap": finite(plan.gap),
        "seconds": finite(plan.seconds),
        "open": list(plan.open),
        "kpi": None if kpi is None else {name: finite(getattr(kpi, name)) for name in names},
        "cost_items": {item: finite(usd) for item, usd in plan.cost_items.items()},
        "prices": None
        if plan.priced is None
        else {"as_of": plan.priced.as_of, "estimated": list(plan.priced.estimated)},
        "certainty": None if plan.certainty is None else _certainty_document(plan.certainty),
        "routing": None if plan.routing is None else _routing_document(plan.routing),
        "binding": list(plan.binding),
        "audit": list(plan.audit),
        "conflict": None
        if conflict is None
        else {
            "rules": list(conflict.rules),
            "reason": conflict.reason,
            "remedies": dict(conflict.remedies),
        },
        "home": None
        if plan.home is None
        else {
            "region": plan.home.region,
            "country": plan.home.country,
            "mean_ms": finite(plan.home.mean_ms),
        },
        "recovery": None
        if plan.recovery is None
        else {
            **{name: value for name, value in asdict(plan.recovery).items() if name != "among"},
            "rto_s": plan.recovery.rto_s,
            "usd_month": plan.recovery.usd,
            "words": plan.recovery.words,
            "ways": [asdict(way) for way in plan.recovery_ways],
        },
        "set_aside": dict(plan.set_aside),
        "notes": list(plan.notes),
        "duties": dict(plan.duties),
    }


def _source_document(source: Source) -> dict[str, Any]:
    """Which version of a store it was, and ``again``: the URL by which just this can be read another time."""
    settled = source.batches is not None and source.objects == 0
    return {
        "url": source.url,
        "version": source.batches,
        "inbox_objects": source.objects,
        "again": f"{source.root}@{source.batches}" if settled else None,
    }


def _certainty_document(certainty: Certainty) -> dict[str, Any]:
    """Ranges as [5 %, 95 %]."""
    ranges = {name: getattr(certainty, name) for name in ("coverage", "mean_ms", "p95_ms")}
    return {
        "draws": certainty.draws,
        "probability": certainty.probability,
        "probability_bounds": None
        if certainty.probability is None
        else [certainty.probability_lower, certainty.probability_upper],
        **{name: None if ends is None else list(map(finite, ends)) for name, ends in ranges.items()},
        "hangs_on": dict(certainty.hangs_on),
    }


def _routing_document(routing: RoutingPlan) -> dict[str, Any]:
    routed = routing.as_routed
    names = ("mean_ms", "p50_ms", "p95_ms", "max_ms", "coverage", "differs", "forbidden", "cost_usd_month")
    return {
        "policy": routing.policy,
        "failover_s": routing.failover_s,
        "failover_words": routing.failover_words,
        "usd_month": routing.usd_month,
        "why": list(routing.why),
        "as_routed": {name: finite(getattr(routed, name)) for name in names}
        | {
            "shares": dict(routed.shares),
            "sites": [asdict(site) for site in routed.sites],
            "breaks": [asdict(breach) for breach in routed.breaks],
        },
    }


def finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
