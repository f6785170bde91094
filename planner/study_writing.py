"""A study written back as the TOML it would be read from."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

from planner.study_access import Access
from planner.study_values import RULE_KINDS, OutpostSpec, Resilience, Rule, Selector, Study
from probes.duration import in_words


def study_toml(study: Study) -> str:
    """The study as TOML, every default written out; :func:`parse_study` reads the same study back.

    A file is named relative to the study's own directory where it stands under it.
    """
    document = study_document(study)
    lines = [f"{key} = {_toml(value)}" for key, value in document.items() if isinstance(value, str)]
    for name, table in document.items():
        if isinstance(table, dict):
            lines += ["", f"[{name}]", *_body(name, table)]
    for name in ("price_change", "rule"):
        for entry in document.get(name, ()):
            lines += ["", f"[[{name}]]", *_body(name, entry)]
    return "\n".join(lines) + "\n"


def _body(name: str, table: dict[str, Any]) -> list[str]:
    """The lines of one table, and after them its arrays of tables."""
    arrays = {key: value for key, value in table.items() if _is_array_of_tables(value)}
    lines = [f"{_key(key)} = {_toml(value)}" for key, value in table.items() if key not in arrays]
    for key, entries in arrays.items():
        for entry in entries:
            lines += ["", f"[[{name}.{key}]]", *_body(f"{name}.{key}", entry)]
    return lines


def _is_array_of_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _key(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else _toml(key)


def study_document(study: Study) -> dict[str, Any]:
    """The study as the TOML document it would be read from; what is not set does not appear."""
    demand, candidates, latency, workload = study.demand, study.candidates, study.latency, study.workload
    if demand.csv is None:
        who: dict[str, Any] = {"cities": {"countries": list(demand.countries), "top": demand.top}}
    else:
        who = {"csv": _file(study, demand.csv)}
    document: dict[str, Any] = {
        "name": study.name,
        "title": study.title or None,
        "summary": study.summary or None,
        "prices": None if study.prices is None else _file(study, study.prices),
        "demand": who | {"peak_rps": demand.peak_rps, "requests_per_month": demand.requests_per_month},
        "candidates": {
            "provider": list(candidates.providers),
            "kinds": list(candidates.kinds),
            "include": list(candidates.include),
            "exclude": list(candidates.exclude),
            "local_zone_premium": study.local_zone_premium,
            "tags": dict(candidates.tags) or None,
            "outpost": [_outpost_document(post) for post in candidates.outposts] or None,
            "announced": [_said(dataclasses.asdict(zone)) for zone in candidates.announced] or None,
        },
        "workload": dataclasses.asdict(workload)
        | {"instance": workload.instance if isinstance(workload.instance, str) else dict(workload.instance)}
        | {"committed_share": None if workload.commitment is None else workload.committed_share},
        "latency": dataclasses.asdict(latency)
        | {"coverage": None if latency.slo_ms is None else latency.coverage},
        "objective": {"minimize": study.minimize},
        "budget": {"usd_per_month": study.budget_usd_per_month},
        "limits": dataclasses.asdict(study.limits),
        "current": {"open": study.current_open or None},
        "network": dataclasses.asdict(study.network) if study.network.direct_connect else None,
        "resilience": None if study.resilience == Resilience() else _resilience_document(study.resilience),
        "routing": None if study.routing is None else dataclasses.asdict(study.routing),
        "access": None if study.access == Access() else _access_document(study.access),
        "price_change": [dataclasses.asdict(change) for change in study.price_changes] or None,
        "rule": [_rule_document(rule) for rule in study.rules] or None,
    }
    given: dict[str, Any] = _without_none(document)
    return {key: value for key, value in given.items() if value != {}}


def _file(study: Study, file: Path) -> str:
    home = None if study.path is None else study.path.parent
    return str(file.relative_to(home) if home is not None and file.is_relative_to(home) else file)


def _outpost_document(post: OutpostSpec) -> dict[str, Any]:
    terms = dataclasses.asdict(post.terms)
    by_size = ("capacity_rps", "upfront_usd", "monthly_usd")
    sizes = [{"name": name} | {key: getattr(size, key) for key in by_size} for name, size in post.sizes]
    where = {"id": post.id, "country": post.country, "lat": post.lat, "lon": post.lon, "parent": post.parent}
    return (
        where
        | {key: value for key, value in terms.items() if not (sizes and key in by_size)}
        | {"tags": list(post.tags) or None, "size": sizes or None}
    )


def _said(table: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty, and so not said."""
    return {key: value for key, value in table.items() if value not in ((), "")}


def _access_document(access: Access) -> dict[str, Any]:
    return dict(access.shares) | {
        "included": list(access.included) or None,
        "class": [{"name": name} | dict(shares) for name, shares in access.classes] or None,
        "line": [dataclasses.asdict(line) for line in access.lines] or None,
    }


def _resilience_document(resilience: Resilience) -> dict[str, Any]:
    """Spans of time in words: "5m"."""
    document = dataclasses.asdict(resilience)
    for key in ("rto", "rpo"):
        span_s = document.pop(f"{key}_s")
        document[key] = None if span_s is None else in_words(span_s)
    if resilience.rto_s is None and resilience.rpo_s is None:
        document["data_gb"] = document["change_gb_per_day"] = None
    return document


def _rule_document(rule: Rule) -> dict[str, Any]:
    """The rule's kind and whatever it says: empty lists, like None, are not said."""
    kind = next(name for name, of_kind in RULE_KINDS.items() if isinstance(rule, of_kind))
    values = {each.name: getattr(rule, each.name) for each in dataclasses.fields(rule)}
    written = {
        key: _selector_document(value) if isinstance(value, Selector) else value
        for key, value in values.items()
        if value != ()
    }
    return {"kind": kind} | written


def _selector_document(selector: Selector) -> dict[str, Any]:
    return {key: list(names) for key, names in dataclasses.asdict(selector).items() if names}


def _without_none(value: Any) -> Any:
    """``value`` with no None and no tuple anywhere: TOML has neither."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list | tuple) else value


def _toml(value: Any) -> str:
    """One TOML value on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but TOML also wants DEL escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return repr(value)
