"""Problems that are the textbook's p-median, where some client counts nothing and reaches not every site."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from planner.problem import build_problem
from planner.solver.placement import solve_placement
from planner.solver.pure import numbers_of_sites
from tests.properties.small_instances import draw


def test_a_client_of_no_weight_and_a_site_out_of_its_reach_are_no_number():
    seen = 0
    for seed in range(200):
        instance = draw(seed)
        problem = build_problem(instance.study, instance.inputs)
        free = problem.without(set(problem.rules)).aiming_at("mean_latency")
        share, latency = free.sizing.share, free.latency_ms
        weightless = (share == 0)[:, None] & ~np.isfinite(latency)
        if not weightless.any() or not free.allowed.any(axis=1).all():
            continue
        assert numbers_of_sites(free) == (0, len(free.site_ids))
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            found = solve_placement(free)
        # With every site there is, each client has its nearest.
        nearest = np.where(free.allowed, latency, np.inf).min(axis=1)
        assert found.objective == pytest.approx(float(share @ nearest), rel=2e-4, abs=1e-9), seed
        seen += 1
    assert seen >= 3
