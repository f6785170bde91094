"""capacitated against every set of sites with explicit flows, and the edges of its contract."""

from __future__ import annotations

import numpy as np
import pytest

from planner.solver.redundant import capacitated
from tests.planner.solver.redundant.independent import check, draw, optimum

GAP = 1e-6


def solve(instance, **options):
    arguments, keywords = instance.arguments()
    return capacitated(*arguments, **{"gap": GAP, **keywords, **options})


@pytest.mark.parametrize("block", range(20))
def test_it_is_what_enumeration_finds(block):
    for seed in range(10 * block, 10 * block + 10):
        instance = draw(seed)
        best, found = optimum(instance), solve(instance)
        if np.isinf(best):
            assert found.termination == "infeasible", seed
            assert found.reason, seed
            assert len(found.open) == 0
            assert (found.assignment == -1).all()
        else:
            assert found.termination == "optimal", seed
            assert found.reason == ""
            check(instance, found)
            slack = 1e-5 * max(1.0, abs(best))
            assert abs(found.objective - best) <= slack, seed
            assert found.lower_bound <= best + 1e-9 * max(1.0, abs(best)), seed
            assert found.gap <= GAP + 1e-12
