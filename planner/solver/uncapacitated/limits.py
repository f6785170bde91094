"""What a choice of sites must keep: how many may be open, and what they may cost together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.solver.uncapacitated.instance import Flags, Floats, Ints

ROUNDING = 1e-12
"""By this part a budget may be exceeded: sums of prices are sums of floats."""

UNITS = 1 << 24
"""A budget in whole units, where prices are not whole themselves."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a choice of sites must keep: ``low`` to ``high`` of them, Σ ``price`` ≤ ``budget`` (< 0: none).

    The relaxation counts the budget in whole units, prices rounded down.
    """

    low: int
    high: int
    price: Floats
    budget: float
    price_units: Ints
    budget_units: int

    @staticmethod
    def of(n: int, low: int, high: int, price: Floats | None = None, budget: float = -1.0) -> Limits:
        """Limits on ``n`` sites."""
        nothing = np.zeros(n, dtype=np.int64)
        if price is None:
            return Limits(low, high, np.zeros(n), -1.0, nothing, -1)
        most = min(float(budget), float(price.sum())) * (1 + ROUNDING)
        if (price == np.floor(price)).all() and most < UNITS:
            # Dearer than the budget is dearer than the budget, however much.
            return Limits(low, high, price, most, np.minimum(price, 2 * most + 1).astype(np.int64), int(most))
        if most <= 0:
            return Limits(low, high, price, most, (price > 0).astype(np.int64), 0)
        units = np.floor(np.minimum(price / most, 2.0) * UNITS * (1 - ROUNDING)).astype(np.int64)
        return Limits(low, high, price, most, units, UNITS)

    def kept_by(self, is_open: Flags) -> bool:
        """Whether a choice of sites keeps them."""
        count = int(is_open.sum())
        spent = float(self.price[is_open > 0].sum())
        return self.low <= count <= self.high and (self.budget < 0 or spent <= self.budget)
