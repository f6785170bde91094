"""On small random instances the audit finds by itself the rules that routing breaks, every kind of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.audit import audit_plan
from planner.decide import decide
from planner.study import Routing
from tests.planner.routing.estate import FACTS, price
from tests.properties.small_instances import draw

KINDS = ("budget", "capacity", "coverage", "max_ms", "survive", "tags")


def test_the_audit_and_the_plan_agree_on_what_routing_breaks():
    seen, sound = set(), 0
    for rule in KINDS:
        for seed in range(16):
            instance = draw(seed, rule)
            premium = tuple(price(0.01) for _ in instance.inputs.demand.clients)
            policy = "auto" if seed % 4 == 1 else "route53-geoproximity"
            study = replace(instance.study, routing=Routing(policy=policy, queries_per_month=1e8))
            inputs = replace(instance.inputs, routing=replace(FACTS, premium_gb=premium))
            plan = decide(study, inputs)
            assert audit_plan(plan, study, inputs) == (), (rule, seed)
            if plan.routing is None:
                continue
            figures = plan.routing.as_routed
            assert ("does what is asked" in plan.routing.why[0]) <= (not figures.breaks)
            assert np.isclose(sum(figures.shares.values()), 1.0)
            seen |= {breach.rule.split("[")[0] for breach in figures.breaks}
            sound += not figures.breaks
    assert seen >= {*KINDS}, {*KINDS} - seen
    assert sound >= 10
