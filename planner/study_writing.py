"""A study written back as the TOML it would be read from."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from planner.study_values import ProgramRule, ResidencyRule, Selector, Study


def study_toml(study: Study) -> str:
    """The study as TOML, every default written out; :func:`parse_study` reads the same study back.

    A clients file is named relative to the study's own directory where it stands under it.
    """
    document = study_document(study)
    tables = {key: value for key, value in document.items() if isinstance(value, dict)}
    lines = [f"{key} = {_toml(value)}" for key, value in document.items() if isinstance(value, str)]
    for name, table in tables.items():
        lines += ["", f"[{name}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in table.items() if key != "outpost"]
        for outpost in table.get("outpost", ()):
            lines += [
                "",
                f"[[{name}.outpost]]",
                *(f"{key} = {_toml(value)}" for key, value in outpost.items()),
            ]
    for rule in document.get("rule", ()):
        lines += ["", "[[rule]]", *(f"{key} = {_toml(value)}" for key, value in rule.items())]
    return "\n".join(lines) + "\n"


def study_document(study: Study) -> dict[str, Any]:
    """The study as the TOML document it would be read from; what is not set does not appear."""
    demand, candidates, latency = study.demand, study.candidates, study.latency
    if demand.csv is None:
        who: dict[str, Any] = {"cities": {"countries": list(demand.countries), "top": demand.top}}
    else:
        home = None if study.path is None else study.path.parent
        inside = home is not None and demand.csv.is_relative_to(home)
        who = {"csv": str(demand.csv.relative_to(home) if home is not None and inside else demand.csv)}
    outposts = [
        {"id": post.id, "country": post.country, "lat": post.lat, "lon": post.lon, "parent": post.parent}
        | dataclasses.asdict(post.terms)
        for post in candidates.outposts
    ]
    document: dict[str, Any] = {
        "name": study.name,
        "title": study.title or None,
        "summary": study.summary or None,
        "demand": who | {"peak_rps": demand.peak_rps, "requests_per_month": demand.requests_per_month},
        "candidates": {
            "provider": list(candidates.providers),
            "kinds": list(candidates.kinds),
            "include": list(candidates.include),
            "exclude": list(candidates.exclude),
            "local_zone_premium": study.local_zone_premium,
            "outpost": outposts or None,
        },
        "workload": dataclasses.asdict(study.workload),
        "latency": dataclasses.asdict(latency)
        | {"coverage": None if latency.slo_ms is None else latency.coverage},
        "objective": {"minimize": study.minimize},
        "budget": {"usd_per_month": study.budget_usd_per_month},
        "limits": dataclasses.asdict(study.limits),
        "current": {"open": study.current_open or None},
        "rule": [_rule_document(rule) for rule in study.rules] or None,
    }
    given: dict[str, Any] = _without_none(document)
    return {key: value for key, value in given.items() if value != {}}


def _rule_document(rule: ResidencyRule | ProgramRule) -> dict[str, Any]:
    if isinstance(rule, ResidencyRule):
        return {
            "kind": "residency",
            "clients": _selector_document(rule.clients),
            "sites": _selector_document(rule.sites),
        }
    return {"kind": "program", "clients": _selector_document(rule.clients), "programs": list(rule.programs)}


def _selector_document(selector: Selector) -> dict[str, Any]:
    return {key: list(names) for key, names in dataclasses.asdict(selector).items() if names}


def _without_none(value: Any) -> Any:
    """``value`` with no None and no tuple anywhere: TOML has neither."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list | tuple) else value


def _toml(value: Any) -> str:
    """One TOML value on one line."""
    if isinstance(value, str):
        # JSON's escapes are TOML's, but TOML also wants DEL escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return repr(value)
