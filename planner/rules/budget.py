"""Total cost ≤ usd_per_month."""

from __future__ import annotations

import numpy as np

from planner.rules.effect import Effect, Facts, Row


def effects(facts: Facts) -> tuple[Effect, ...]:
    """The row is scaled by the budget, so that the solver's absolute tolerance is a relative one here."""
    budget, cost = facts.study.budget_usd_per_month, facts.cost
    if budget is None:
        return ()
    row = Row(
        -np.inf, 1.0, cost.fixed / budget, cost.per_instance / budget, cost.per_share / budget, 1 / budget
    )
    return (Effect("budget", f"at most ${budget:,.0f} a month", rows=(row,)),)
