"""On small random instances the policy and the plan are the best of all policies' enumerations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.audit import audit_plan
from planner.decide import decide
from planner.study import Routing
from tests.planner.routing.estate import FACTS, price
from tests.properties.brute_force import best
from tests.properties.small_instances import draw

POLICIES = ("route53-latency", "route53-geoproximity", "global-accelerator")
ABLE = {
    "route53-latency": {"region"},
    "route53-geoproximity": {"region", "local_zone", "wavelength_zone", "outpost"},
    "global-accelerator": {"region"},
}
SEEDS = 60


def with_routing(seed):
    """A drawn instance whose clients have to find their site."""
    random = np.random.default_rng([seed, 77])
    instance = draw(seed)
    premium = tuple(price(float(random.choice([0.0, 0.001, 0.03]))) for _ in instance.inputs.demand.clients)
    study = replace(
        instance.study,
        routing=Routing(
            queries_per_month=float(random.choice([0.0, 1e8, 3e9])),
            check_interval_s=int(random.choice([10, 30])),
            static_addresses=bool(random.random() < 0.15),
        ),
        budget_usd_per_month=None,
    )
    return study, replace(instance.inputs, routing=replace(FACTS, premium_gb=premium))


def bill(policy, study, inputs):
    """What is paid once, and for each site that is open."""
    routing, queries = study.routing, study.routing.queries_per_month / 1e6
    first, more = {
        "route53-latency": (0.6, 0.3), "route53-geoproximity": (0.7, 0.35), "global-accelerator": (0.4, 0.2)
    }[policy]  # fmt: skip
    once = 0.5 + first * min(queries, 1000) + more * max(queries - 1000, 0)
    if policy == "global-accelerator":
        weight = inputs.demand.weight / inputs.demand.weight.sum()
        gigabytes = study.demand.requests_per_month * study.workload.response_kb / 1e6
        dollars = np.array([each.usd for each in inputs.routing.premium_gb])
        return once + 0.025 * 730 + weight @ dollars * gigabytes, [0.0] * len(inputs.sites)
    options = 2 if routing.check_interval_s == 10 else 1
    inside, outside = 0.5 + 1.0 * options, 0.75 + 2.0 * options
    return once, [outside if site.kind == "outpost" else inside for site in inputs.sites]


def expected(study, inputs):
    """The best of all policies: (objective, cost) and who reaches it."""
    found = {}
    for policy in POLICIES:
        routing = study.routing
        if routing.static_addresses and policy != "global-accelerator":
            continue
        once, checks = bill(policy, study, inputs)
        shut = {site.id: False for site in inputs.sites if site.kind not in ABLE[policy]}
        plain = replace(study, routing=None)
        if study.minimize != "cost":
            # Health checks decide between plans of the same latency; the objective is what is compared.
            optimum = best(plain, inputs, settled=shut)
            if optimum is not None:
                found[policy] = optimum.objective
            continue
        optimum = None
        for chosen in np.ndindex(*(2,) * len(inputs.sites)):
            settled = {site.id: bool(yes) for site, yes in zip(inputs.sites, chosen, strict=True)}
            if any(settled[name] for name in shut):
                continue
            at = best(plain, inputs, settled=settled)
            if at is not None:
                usd = at.objective + once + sum(c for c, yes in zip(checks, chosen, strict=True) if yes)
                optimum = usd if optimum is None else min(optimum, usd)
        if optimum is not None:
            found[policy] = optimum
    return found


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_plan_is_the_best_of_every_policy(seed):
    study, inputs = with_routing(seed)
    by_policy = expected(study, inputs)
    plan = decide(study, inputs)
    assert audit_plan(plan, study, inputs) == ()
    if not by_policy:
        assert plan.termination == "infeasible"
        return
    assert plan.termination == "optimal"
    assert plan.objective == pytest.approx(min(by_policy.values()), rel=1e-6, abs=1e-9)
    assert by_policy[plan.routing.policy] == pytest.approx(plan.objective, rel=1e-6, abs=1e-9)


def test_the_instances_are_of_every_sort():
    winners = []
    for seed in range(SEEDS):
        found = expected(*with_routing(seed))
        winners.append(min(found, key=found.get) if found else None)
    assert {*winners} == {*POLICIES, None}
