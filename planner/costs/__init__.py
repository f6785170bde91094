"""What a placement costs: one file per item, listed here once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from planner.costs import (
    compute,
    cross_zone,
    direct_connect,
    egress,
    outpost,
    recovery,
    routing,
    transfer,
)
from planner.costs.terms import CostTerms, Lines, total
from planner.inputs import Inputs
from planner.study import Study

COST_ITEMS: Final[dict[str, Callable[[Study, Inputs], CostTerms]]] = {
    "compute": compute.terms,
    "egress": egress.terms,
    "direct_connect": direct_connect.terms,
    "cross_zone": cross_zone.terms,
    "transfer": transfer.terms,
    "outpost": outpost.terms,
    "routing": routing.terms,
    "recovery": recovery.terms,
}

__all__ = ["COST_ITEMS", "CostTerms", "Lines", "cost_terms", "total"]


def cost_terms(study: Study, inputs: Inputs) -> tuple[CostTerms, ...]:
    """Every item's terms, in the registry's order."""
    return tuple(terms(study, inputs) for terms in COST_ITEMS.values())
