"""What a placement must obey: one file per rule, each opening with its inequality, listed here once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from planner.rules import (
    budget,
    capacity,
    changes,
    coverage,
    groups,
    hard_maximum,
    one_size,
    parent,
    program,
    recovery,
    residency,
    routing,
    service_link,
    services,
    site_limits,
    survive,
    tags,
    utilisation,
)
from planner.rules.effect import Cover, Effect, Facts, Failover, Row

RULES: Final[dict[str, Callable[[Facts], tuple[Effect, ...]]]] = {
    "services": services.effects,
    "max_ms": hard_maximum.effects,
    "coverage": coverage.effects,
    "residency": residency.effects,
    "program": program.effects,
    "capacity": capacity.effects,
    "one_size": one_size.effects,
    "utilisation": utilisation.effects,
    "parent": parent.effects,
    "service_link": service_link.effects,
    "budget": budget.effects,
    "limits": site_limits.effects,
    "changes": changes.effects,
    "survive": survive.effects,
    "group": groups.effects,
    "tags": tags.effects,
    "routing": routing.effects,
    "recovery": recovery.effects,
}

__all__ = ["RULES", "Cover", "Effect", "Facts", "Failover", "Row", "rule_effects"]


def rule_effects(facts: Facts) -> tuple[Effect, ...]:
    """Every rule the study asks for, in the registry's order."""
    return tuple(effect for effects in RULES.values() for effect in effects(facts))
