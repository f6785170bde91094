"""Rules by names that a reader knows, beside those of the study's file and the command line."""

from __future__ import annotations

from typing import Final

from planner.study import CapacityRule, Study

_NAMES: Final = {
    "services": "Services",
    "max_ms": "Longest latency",
    "coverage": "Latency promise",
    "residency": "Residency",
    "program": "Certification",
    "capacity": "Capacity",
    "one_size": "One size of rack",
    "min_utilisation": "Least utilisation",
    "max_utilisation": "Most utilisation",
    "parent": "Zones need their Region",
    "service_link": "Service link",
    "budget": "Budget",
    "min_sites": "Least number of sites",
    "max_sites": "Most sites",
    "max_changes": "Most changes",
    "survive": "Surviving a failure",
    "group": "Sites by group",
    "tags": "Tags",
    "routing": "Routing policy",
    "static_addresses": "Addresses that stay",
    "rto": "Recovery time",
    "rpo": "Recovery point",
    "home": "Home Region",
}


def rule_name(rule: str) -> str:
    """``Capacity of op-wroclaw-1.half``, ``Residency (rule 1)``; a rule not known here by its own name."""
    kind, _, inside = rule.partition("[")
    name, inside = _NAMES.get(kind, rule), inside.removesuffix("]")
    if kind not in _NAMES or not inside:
        return name
    return f"{name} (rule {inside})" if inside.isdigit() else f"{name} of {inside}"


def without_words(rule: str, words: str, study: Study) -> str:
    """What comes after "without": ``the limit of 2,600 rps at op-regensburg-2``."""
    kind, _, inside = rule.partition("[")
    inside = inside.removesuffix("]")
    if kind == "capacity" and not inside.isdigit():
        racks = {
            site_id: terms.capacity_rps
            for post in study.candidates.outposts
            for site_id, terms in post.terms_of.items()
        }
        if inside in racks:
            return f"the limit of {racks[inside]:,.10g} rps at {inside}"
    if kind == "capacity" and inside.isdigit() and int(inside) <= len(study.rules):
        asked = study.rules[int(inside) - 1]
        if isinstance(asked, CapacityRule) and asked.min_rps is None and asked.max_rps is not None:
            return f"the limit of {asked.max_rps:,.10g} rps at {', '.join(asked.sites)}"
    match kind:
        case "coverage":
            return f"the promise of {words}"
        case "max_ms":
            return f"the limit of {study.latency.max_ms:,.10g} ms for everybody"
        case "budget":
            return f"the budget of {words}"
        case "home":
            return f"naming the Region of the stateful tier ({words})"
        case "survive":
            return f"being ready for a failure ({words})"
    return (
        f"the rule that {words}" if kind in ("parent", "service_link", "services") else f"the rule “{words}”"
    )
