"""Sites whose price falls with volume: the problem of versions is the problem itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.catalog import SitePrices
from planner.decide import decide
from planner.problem import build_problem
from planner.solver.decision import broken_rules, objective_of, tally
from planner.solver.explain import next_usd
from planner.solver.placement import solve_placement
from planner.solver.versions import places, versions_of
from tests.planner.costs import test_bills as bills
from tests.properties.small_instances import draw


def tiered(rule=None, minimize=None, seeds=40):
    """Instances in whose problem the fall of prices matters, with it and its versions."""
    for seed in range(seeds):
        instance = draw(seed, rule)
        study, inputs = instance.study, instance.inputs
        study = replace(
            study, demand=replace(study.demand, requests_per_month=4e8), minimize=minimize or "cost"
        )
        prices = tuple(replace(price, egress_gb=falling(price.egress_gb)) for price in inputs.prices)
        inputs = replace(inputs, prices=prices)
        problem = build_problem(study, inputs)
        yield replace(instance, study=study, inputs=inputs), problem, versions_of(problem)


def falling(price):
    """16,000 GB are served in all."""
    return replace(price, tiers=((1000.0, 0.8 * price.usd), (5000.0, 0.3 * price.usd)))


def flat(inputs):
    """The same where every volume costs what the first does."""
    prices = tuple(replace(price, egress_gb=replace(price.egress_gb, tiers=())) for price in inputs.prices)
    return replace(inputs, prices=prices)


@pytest.mark.parametrize("rule", ["capacity", "parent", "group", "max_sites"])
def test_a_site_at_its_least_line_costs_and_keeps_what_it_does_itself(rule):
    random, whole, broken = np.random.default_rng(7), 0, 0
    for _, problem, versions in tiered(rule, seeds=80):
        found = solve_placement(problem)
        if versions is None or found.open is None:
            continue
        whole += 1
        there = at_least_lines(problem, versions, found.open, found.assignment)
        assert broken_rules(versions.problem, *there) == ()
        assert objective_of(versions.problem, *there) == pytest.approx(found.objective, rel=1e-12)
        twin = versions.site == random.choice(np.nonzero(found.open)[0])
        if twin.sum() > 1:
            assert "one_version" in broken_rules(versions.problem, there[0] | twin, there[1])
        # Any other placement: one that breaks a rule breaks it here as well.
        assignment = np.where(problem.allowed, random.random(problem.allowed.shape), -1.0).argmax(axis=1)
        is_open = np.isin(np.arange(len(problem.site_ids)), assignment)
        if rules := set(broken_rules(problem, is_open, assignment)):
            broken += 1
            there = at_least_lines(problem, versions, is_open, assignment)
            assert set(broken_rules(versions.problem, *there)) >= rules
    assert whole >= 5
    assert broken >= 4


def at_least_lines(problem, versions, is_open, assignment):
    """Each site as its cheapest version for what it serves."""
    lines, share = problem.cost.lines, tally(problem, is_open, assignment).share
    cost = (lines.fixed + lines.per_share * share[:, None])[versions.site, versions.line]
    order = np.lexsort((cost, versions.site))
    least = order[np.searchsorted(versions.site[order], np.arange(len(is_open)))]
    return np.isin(np.arange(len(versions.site)), least[is_open]), least[assignment]


def test_only_lines_that_some_volume_reaches_have_a_version():
    dropped = 0
    for _, problem, versions in tiered("capacity"):
        starts = problem.cost.lines.starts
        for j in range(len(problem.site_ids)):
            kept = versions.line[versions.site == j]
            reach = problem.sizing.share @ problem.allowed[:, j]
            assert kept[0] == 0
            assert (starts[j, kept[1:]] < reach).all()
            dropped += int(np.isfinite(starts[j]).sum()) - len(kept)
    assert dropped >= 5


def test_versions_of_a_site_share_a_place():
    for _, problem, versions in tiered():
        same = versions.site[:, None] == versions.site[None, :]
        place = places(versions.problem)
        assert ((place[:, None] == place[None, :]) == same).all()
        assert (places(problem) == np.arange(len(problem.site_ids))).all()


def test_latency_without_a_budget_has_no_versions():
    for seed in range(20):
        instance = draw(seed)
        study = replace(instance.study, minimize="mean_latency", budget_usd_per_month=None)
        assert versions_of(build_problem(study, instance.inputs)) is None


def test_a_plan_carries_over_to_its_own_problem():
    carried = 0
    for _, problem, versions in tiered():
        found = solve_placement(problem)
        if found.open is None:
            continue
        state = versions.start(found).state
        assert set(state.site_ids) & set(versions.problem.site_ids)
        again = solve_placement(problem, start=found)
        assert again.objective == pytest.approx(found.objective, rel=1e-4)
        named = [f"{problem.site_ids[j]}#" for j in np.nonzero(found.open)[0]]
        at = [state.site_ids[j] for j in np.nonzero(state.open)[0]]
        assert all(any(name.startswith(start) for start in named) for name in at)
        carried += 1
    assert carried >= 10


def test_the_first_tier_would_open_another_site():
    """60,000 GB from the north at 9 ct, or from the south at 10 ct that fall to 3 ct from 10,000 GB on."""
    given = bills.inputs()
    hour, names = bills.price(0.2, "hour"), ("north", "south")
    egress = {"north": bills.price(0.09), "south": bills.price(0.10, tiers=((10_000.0, 0.03),))}
    two = replace(
        given,
        sites=tuple(replace(bills.site("region"), id=name) for name in names),
        prices=tuple(SitePrices(hour, egress[name], None) for name in names),
        matrix=restricted_to(given.matrix, names),
    )
    assert decide(bills.STUDY, flat(two)).open == ("north",)
    plan = decide(bills.STUDY, two)
    assert plan.open == ("south",)
    # Ten instances, and 10,000 GB at 10 ct before 50,000 at 3 ct; the north would bill $5,400.
    assert plan.objective == pytest.approx(10 * 0.2 * 730 + 1_000 + 1_500)
    assert plan.audit == ()
    # $4,000 a month are enough for that, and no longer when each GB costs what the first does.
    poor = replace(bills.STUDY, minimize="mean_latency", budget_usd_per_month=4_000.0)
    assert decide(poor, two).open == ("south",)
    assert decide(poor, flat(two)).termination == "infeasible"


def restricted_to(matrix, names):
    """The first columns under other names."""
    some = {
        field: getattr(matrix, field)[:, : len(names)]
        for field in ("estimate_ms", "lower_ms", "upper_ms", "samples", "loss_ratio", "provenance", "vantage")
    }
    return replace(matrix, site_ids=names, **some)


def test_what_a_client_costs_next_is_what_moving_it_changes():
    moved = 0
    for _, problem, _ in tiered():
        bare = replace(problem, cost=replace(problem.cost, per_instance=0.0 * problem.cost.per_instance))
        if not problem.allowed.any(axis=1).all() or problem.failover is not None:
            continue
        assignment = problem.allowed.argmax(axis=1)
        everywhere = np.ones(len(problem.site_ids), dtype=bool)
        now, costs = objective_of(bare, everywhere, assignment), next_usd(bare, assignment)
        for client in range(len(assignment)):
            for site in range(len(everywhere)):
                other = assignment.copy()
                other[client] = site
                change = costs[client, site] - costs[client, assignment[client]]
                assert objective_of(bare, everywhere, other) - now == pytest.approx(change, abs=1e-6)
                moved += 1
    assert moved >= 100
