"""HiGHS as it is set up here: silent, and never back in its presolve once it searches."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from planner.solver.highs import loaded, search
from planner.solver.redundant.linear import QuietHighs


def knapsack():
    """Fifteen things of odd sizes: enough to branch on."""
    random = np.random.default_rng(1)
    size = random.integers(11, 97, 15).astype(float)
    row = csr_array(size[None, :])
    return loaded(
        -size, np.zeros(15), np.ones(15), row, np.array([-np.inf]), np.array([size.sum() / 2 + 0.5])
    )


def test_it_says_nothing(capfd):
    found = search(knapsack(), np.arange(15), gap=0.0, watch=lambda bound, x: False)
    assert found.ended == "optimal"
    assert capfd.readouterr() == ("", "")


def test_branch_and_bound_does_not_restart():
    """A restart presolves, and version 1.16 does not always come back from that, whatever its limits."""
    for highs in (knapsack(), QuietHighs()):
        assert highs.getOptionValue("mip_allow_restart")[1] is False
