"""Rows of N-1 hold at every placement that survives, and cut off points that do not."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from planner.problem import build_problem
from planner.sizing import OVERLOAD
from planner.solver.counting import envelope, least_instances
from planner.solver.decision import broken_rules, tally
from planner.solver.formulation import slo_row
from planner.solver.gathering import gathered, point_of
from planner.solver.handover import Cut
from tests.properties.small_instances import draw


def placements(problem, random, tries=30):
    """Placements that keep every rule but those on money, drawn at random."""
    for _ in range(tries):
        is_open = problem.may_open & (random.random(len(problem.site_ids)) < 0.8)
        pairs = problem.allowed & is_open & problem.failover.backed(is_open)
        if not pairs.any(axis=1).all():
            continue
        assignment = np.array([random.choice(np.nonzero(row)[0]) for row in pairs])
        may = problem.failover.backups & is_open & ~problem.failover.together[assignment]
        backup = np.array([random.choice(np.nonzero(row)[0]) for row in may])
        if not broken_rules(problem, is_open, assignment, backup):
            yield is_open, assignment, backup


@pytest.mark.parametrize("exact", [False, True])
def test_every_row_holds_at_every_placement_that_survives(exact):
    held = rows = 0
    for seed in range(120):
        instance = draw(seed, "survive")
        problem = build_problem(replace(instance.study, minimize="cost"), instance.inputs)
        problem = problem.without({"budget"})
        if not problem.allowed.any(axis=1).all():
            continue
        random = np.random.default_rng(seed)
        found = list(placements(problem, random))
        if not found:
            continue
        lean = gathered(problem, slo_row(problem), exact=exact)
        domains = problem.failover.domains
        cuts = [
            Cut(k, problem.may_open & ~domains[k] & (random.random(len(problem.site_ids)) < 0.7))
            for k in range(len(domains))
            for _ in range(4)
        ]
        anywhere = random.random(lean.model.width)
        written = [lean.handover.rows(cuts), *lean.handover.violated(anywhere)]
        _, _, _, _, model, low, high = lean.model.arrays()
        for is_open, assignment, backup in found:
            held += 1
            counted = tally(problem, is_open, assignment, backup)
            x = point_of(problem, lean, is_open, assignment, counted.instances)
            assert (model @ x >= low - 1e-6).all(), seed
            assert (model @ x <= high + 1e-6).all(), seed
            for matrix, least, _ in written:
                rows += len(least)
                assert (matrix @ x >= least - 1e-6).all(), seed
    assert held > 300
    assert rows > 3000


def test_a_point_that_leaves_no_room_is_cut_off():
    cut_off = 0
    for seed in range(60):
        instance = draw(seed, "survive")
        problem = build_problem(replace(instance.study, minimize="cost"), instance.inputs)
        problem = problem.without({"budget"})
        if not problem.allowed.any(axis=1).all():
            continue
        found = list(placements(problem, np.random.default_rng(seed)))
        if not found:
            continue
        is_open, assignment, _ = found[0]
        lean = gathered(problem, slo_row(problem), exact=True)
        alone = tally(problem, is_open, assignment)  # enough for everyday only
        need = tally(problem, *found[0])
        share = np.bincount(assignment, weights=problem.sizing.share, minlength=len(is_open))
        lost = problem.failover.domains @ share
        held = np.where(problem.cloud, (alone.instances + OVERLOAD) * problem.sizing.rps_per_instance, 0.0)
        held[~is_open] = 0.0
        left = held.sum() - problem.failover.domains @ held - (1 - lost) * problem.sizing.peak_rps
        short = (left < lost * problem.sizing.peak_rps - 1e-6).any() and problem.cloud[is_open].all()
        if short and (need.instances > alone.instances).any():
            cut_off += 1
            x = point_of(problem, lean, is_open, assignment, alone.instances)
            _, _, _, _, model, low, _ = lean.model.arrays()
            assert (model @ x < low - 1e-6).any() or lean.handover.separate(x), seed
    assert cut_off >= 8


@pytest.mark.parametrize(("needed", "at_each"), [(24.0, 0), (24.0, 6), (5.3, 2), (0.5, 1), (11.02, 3)])
def test_fewest_instances_by_enumeration(needed, at_each):
    def survives(total, sites):
        """Spread as evenly as can be, the largest is as small as can be."""
        largest = math.ceil(total / sites)
        return total >= at_each * sites and total - largest + OVERLOAD * (sites - 1) >= needed - 1e-9

    least = least_instances(needed, 7, at_each)
    for sites, fewest in enumerate(least, start=2):
        assert fewest == next(total for total in range(1000) if survives(total, sites))
    for slope, at_none in envelope(least):
        below = [fewest - (at_none + slope * sites) for sites, fewest in enumerate(least, start=2)]
        assert min(below) == pytest.approx(0.0, abs=1e-9)
