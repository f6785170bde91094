"""The root's multipliers, checked by a reader with exact fractions who knows nothing of the kernels."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from planner.solver.facility import looked_at, margin_of
from planner.solver.uncapacitated.branch_and_bound import solve
from planner.solver.uncapacitated.instance import prepare
from planner.solver.uncapacitated.limits import Limits
from tests.properties.location_instances import Drawn, enumerate_open_sets

DRAWN = 600


def draw(seed):
    """Noisy, tied, scaled and gap-ridden instances, everybody allowed to go somewhere."""
    random = np.random.default_rng([seed, 8])
    n, m = int(random.integers(2, 9)), int(random.integers(2, 14))
    plane = np.linalg.norm(random.random((m, 1, 2)) - random.random((1, n, 2)), axis=2)
    kinds = (
        plane * (1 + 0.4 * random.random((m, n))),
        random.integers(0, 3, (m, n)).astype(float),
        plane * 10.0 ** random.integers(-6, 7),
        np.where(random.random((m, n)) < 0.3, 0.0, 1.0),
    )
    cost = kinds[seed % 4]
    return random.random(n) * float(random.choice([0.2, 1.0, 3.0])) * max(cost.mean(), 1e-9), cost


def certified(opening, cost, u):
    """Σ_i v_i + Σ_j min(0, f_j − Σ_i max(0, v_i − c_ij)) with v = cheapest pair + u, in fractions."""
    bound, reduced = Fraction(0), [Fraction(f) for f in opening]
    for i, row in enumerate(cost):
        value = Fraction(float(row.min())) + u[i]
        bound += value
        for j, c in enumerate(row):
            reduced[j] -= max(Fraction(0), value - Fraction(float(c)))
    return bound + sum(min(Fraction(0), r) for r in reduced)


def test_multipliers_certify_what_is_claimed():
    closed_at_root = tight = 0
    for seed in range(DRAWN):
        opening, cost = draw(seed)
        _, base, _, _ = looked_at(opening, cost)
        instance = prepare(opening, cost, base, np.inf, whole=False)
        outcome = solve(instance, Limits.of(len(opening), 0, len(opening)), margin=margin_of(instance, 0.0))
        optimum = enumerate_open_sets(Drawn(opening, cost, None, None)).value
        bound = certified(opening, cost, [Fraction(int(v)) / Fraction(instance.scale) for v in outcome.u])
        assert float(bound) <= optimum * (1 + 1e-12)
        assert instance.lower_bound(outcome.bound) <= optimum * (1 + 1e-12)
        if outcome.nodes == 0:
            closed_at_root += 1
            tight += float(bound) >= optimum * (1 - 1e-9)
    # The others were closed by fixing sites against the incumbent, which multipliers alone do not show.
    assert closed_at_root > DRAWN // 2
    assert tight > closed_at_root // 3, (tight, closed_at_root)
