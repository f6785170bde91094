"""What limits and masks settle by themselves: sites that no choice within them can open, or can do without.

Where pairs are forbidden, a choice of sites must cover every client, and that alone may use up most of a
budget, or of a number of sites. The Lagrangian of that covering problem (Beasley 1987: any prices on
clients give a bound on what a cover costs) fixes sites by their reduced costs against the limit itself.
Clients with the same sites are one here, so there are few.
"""

from __future__ import annotations

import numpy as np

from planner.solver.uncapacitated.fixing import fix_sites
from planner.solver.uncapacitated.instance import EMPTY, Flags, Ints, reached
from planner.solver.uncapacitated.lagrangian import FAR, subgradient

ROUNDS, STEPS, PATIENCE = 6, 40, 20

UNIT = 1 << 20
"""Prices are multiplied by this, so that whole multipliers are fine enough."""


def settle_by_covering(keys: Ints, bits: int, status: Flags, price: Ints, budget: int) -> bool:
    """Settle in ``status`` what covering everyone within Σ ``price`` ≤ ``budget`` settles; False: nothing
    fits.

    ``price`` (n,) in whole units, all of them below 2^40 in sum; a bound above ``budget`` is a proof.
    """
    n = len(price)
    patterns = np.unique(np.packbits(reached(keys, bits, n), axis=1), axis=0)
    pairs = np.unpackbits(patterns, axis=1, count=n).astype(bool)
    if pairs.all():
        return True
    m = len(pairs)
    covers = np.where(pairs, np.arange(n, dtype=np.int64), EMPTY)
    covers = np.sort(np.concatenate((covers, np.full((m, 1), EMPTY)), axis=1), axis=1)
    opening = price * UNIT
    target = (budget + 1) * UNIT
    u = np.full(m, int(opening.mean()), dtype=np.int64)
    direction, best_u, rho = np.zeros(m), u.copy(), np.empty(n, dtype=np.int64)
    chosen, none, bound, step = np.zeros(n, dtype=np.int8), np.zeros(n, dtype=np.int64), -FAR, 1.0
    for _ in range(ROUNDS):
        before = bound
        bound, step, worst, cheapest, _ = subgradient(
            covers, bits, opening, status, 0, n, none, -1, u, direction, step, PATIENCE, STEPS, target,
            target, bound, best_u, rho, chosen, np.zeros(n),
        )  # fmt: skip
        if bound >= target:
            return False
        if bound > before:
            fix_sites(rho, chosen, status, 0, n, worst, cheapest, bound, target)
    return True
