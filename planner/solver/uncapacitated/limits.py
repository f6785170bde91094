"""What a choice of sites must keep: how many may be open, and what they may cost together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.solver.uncapacitated.instance import Flags, Floats, Ints


@dataclass(frozen=True, slots=True)
class Limits:
    """What a choice of sites must keep: ``low`` to ``high`` of them, Σ ``price`` ≤ ``budget`` (< 0: none).

    The relaxation counts the budget in whole units, prices rounded down and the budget up.
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
        budget = float(budget)  # kernels are compiled once, for this type
        if price is None:
            return Limits(low, high, np.zeros(n), -1.0, np.zeros(n, dtype=np.int64), -1)
        whole = bool((price == np.floor(price)).all()) and budget < 2.0**24
        scale = 1.0 if whole else 2.0**24 / budget if budget > 0 else 1.0
        floor = np.floor(np.minimum(price, 2 * budget + 1) * scale * (1 - 1e-15)).astype(np.int64)
        units = floor if not whole else np.minimum(price, 2 * budget + 1).astype(np.int64)
        return Limits(low, high, price, budget, units, int(np.ceil(budget * scale * (1 + 1e-15))))

    def kept_by(self, is_open: Flags) -> bool:
        """Whether a choice of sites keeps them; the budget to one part in 10^12."""
        count = int(is_open.sum())
        spent = float(self.price[is_open > 0].sum())
        return self.low <= count <= self.high and (self.budget < 0 or spent <= self.budget * (1 + 1e-12))
