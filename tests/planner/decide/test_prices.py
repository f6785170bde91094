"""Every rule has a price: what ``explain`` says dropping it saves is what two plain solves differ by.

Where it can be, the second solve is of a study that does not ask for the rule; nothing of the solver's own
way of dropping one is used.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from planner.decide import decide, explain
from planner.inputs import resized
from planner.loosening import first_step
from planner.rules import RULES
from planner.study import Resilience, Routing
from tests.planner.routing.estate import FACTS, price
from tests.properties.brute_force import best
from tests.properties.small_instances import draw

BINDING = 2
"""On so many instances each rule has to bind."""

SEEDS = 800


def latency(study, **changes):
    return replace(study, latency=replace(study.latency, **changes))


def limits(study, **changes):
    return replace(study, limits=replace(study.limits, **changes))


def resilience(study, **changes):
    return replace(study, resilience=replace(study.resilience, **changes))


def routed(study, **changes):
    return replace(study, routing=replace(study.routing, **changes))


def boundless(study, inputs):
    """Racks that carry anything, of the rack's own capacity alone."""
    sites = tuple(
        site if site.outpost is None else replace(site, outpost=replace(site.outpost, capacity_rps=1e9))
        for site in inputs.sites
    )
    return study, replace(inputs, sites=sites)


DROPPED = {
    "services": lambda s, i: (replace(s, workload=replace(s.workload, services=())), i),
    "max_ms": lambda s, i: (latency(s, max_ms=None), i),
    "coverage": lambda s, i: (latency(s, slo_ms=None), i),
    "budget": lambda s, i: (replace(s, budget_usd_per_month=None), i),
    "min_sites": lambda s, i: (limits(s, min_sites=1), i),
    "max_sites": lambda s, i: (limits(s, max_sites=None), i),
    "max_changes": lambda s, i: (limits(s, max_changes=None), i),
    "min_utilisation": lambda s, i: (limits(s, min_utilisation=0.0), i),
    "max_utilisation": lambda s, i: (limits(s, max_utilisation=1.0), i),
    "survive": lambda s, i: (resilience(s, survive="none", backup_within_ms=None), i),
    "rto": lambda s, i: (resilience(s, rto_s=None), i),
    "rpo": lambda s, i: (resilience(s, rpo_s=None), i),
    "one_size": lambda s, i: (replace(s, candidates=replace(s.candidates, outposts=())), i),
    "service_link": lambda s, i: (s, replace(i, links={})),
    "routing": lambda s, i: (routed(s, policy="auto"), i),
    "static_addresses": lambda s, i: (routed(s, static_addresses=False), i),
    "capacity": boundless,
}
"""What does not ask for the rule of that name any more."""

NUMBERED = ("residency", "program", "tags", "group", "capacity")
DRAWN = {"capacity": "site_capacity"}
"""What the generator calls a rule that has another name there."""


def test_every_rule_of_the_registry_is_priced_here():
    tried = {*DROPPED, *NUMBERED, "parent"}
    named = {"limits": {"min_sites", "max_sites"}, "utilisation": {"min_utilisation", "max_utilisation"}}
    named |= {"recovery": {"rto", "rpo"}, "changes": {"max_changes"}}
    named |= {"routing": {"routing", "static_addresses"}}
    for rule in RULES:
        assert named.get(rule, {rule}) <= tried, rule


def prices(study, inputs):
    return {each.rule: each.saves for each in explain(study, inputs).rule_prices}


def hopeless(study, inputs):
    """No plan, by enumeration, which knows it at once: to say why takes long. With routing, of a laxer study:
    enumeration knows of no policy."""
    if study.routing is not None:
        study = resilience(replace(study, routing=None), rto_s=None, rpo_s=None)
    return best(study, inputs) is None


def binding(instances, dropped):
    """Instances where the two plain solves differ, with the difference."""
    found = 0
    for study, inputs in itertools.islice(instances, SEEDS):
        if study.budget_usd_per_month == 0.0:  # drawn about a plan that costs nothing; no study may say so
            continue
        if hopeless(study, inputs):
            continue
        plan, free = decide(study, inputs), decide(*dropped(study, inputs))
        if plan.objective is None:
            continue
        saves = plan.objective - free.objective
        if saves > 1e-3 * plan.objective:
            found += 1
            yield study, inputs, pytest.approx(saves, abs=4e-4 * plan.objective + 1e-9)
        if found == BINDING:
            return
    raise AssertionError(f"it bound on {found} instances only")


def drawn(rule, **how):
    for seed in itertools.count():
        instance = draw(seed, rule, **how)
        yield instance.study, instance.inputs


def one_rack(instances):
    """Those with one rack, so that its capacity is one rule, and no rule but its own."""
    for study, inputs in instances:
        racks = [site for site in inputs.sites if site.kind == "outpost"]
        if len(racks) == 1:
            yield study, inputs


def with_routing(instances, **asked):
    """What finds a site, at a policy drawn, or as ``asked``."""
    for number, (study, inputs) in enumerate(instances):
        random = np.random.default_rng([number, 3])
        policy = str(random.choice(["route53-latency", "global-accelerator"]))
        routing = replace(Routing(policy=policy, queries_per_month=1e8), **asked)
        premium = tuple(price(0.01) for _ in inputs.demand.clients)
        yield replace(study, routing=routing), replace(inputs, routing=replace(FACTS, premium_gb=premium))


INSTANCES = {
    "rto": lambda: drawn(None, recovers=True),
    "rpo": lambda: drawn(None, home=True),
    "routing": lambda: with_routing(drawn(None)),
    "static_addresses": lambda: with_routing(drawn(None), policy="auto", static_addresses=True),
    "capacity": lambda: one_rack(drawn("capacity")),
    "max_changes": lambda: drawn("changes"),
}


@pytest.mark.parametrize("rule", DROPPED)
def test_dropping_it_saves_what_two_plain_solves_say(rule):
    instances = INSTANCES.get(rule, lambda: drawn(rule))()
    for study, inputs, saves in binding(instances, DROPPED[rule]):
        said = prices(study, inputs)
        (mine,) = (name for name in said if re.fullmatch(rf"{rule}(\[.*\D.*\])?", name))
        assert said[mine] == saves


@pytest.mark.parametrize("rule", NUMBERED)
def test_dropping_one_of_the_studys_own_rules(rule):
    """The last of its kind: those before keep their numbers."""

    def last(study):
        kinds = [type(each).__name__.removesuffix("Rule").lower() for each in study.rules]
        return max((at for at, kind in enumerate(kinds) if kind == rule), default=None)

    def dropped(study, inputs):
        at = last(study)
        kept = study.rules if at is None else study.rules[:at] + study.rules[at + 1 :]
        return replace(study, rules=kept), inputs

    for study, inputs, saves in binding(drawn(DRAWN.get(rule, rule)), dropped):
        assert prices(study, inputs)[f"{rule}[{last(study) + 1}]"] == saves


def test_dropping_a_zones_need_of_its_parent():
    """No study can ask for that: the second solve is enumeration."""
    found = 0
    for study, inputs in itertools.islice(drawn("parent"), SEEDS):
        ruled, free = best(study, inputs), best(study, inputs, without=frozenset({"parent"}))
        if ruled is None or ruled.objective - free.objective <= 1e-3 * ruled.objective:
            continue
        found += 1
        saves = ruled.objective - free.objective
        assert prices(study, inputs)["parent"] == pytest.approx(saves, abs=4e-4 * ruled.objective + 1e-9)
        if found == BINDING:
            return
    raise AssertionError(f"it bound on {found} instances only")


def test_a_key_that_moves_nothing_costs_nothing():
    """RTO and RPO that backups by the day would meet, at no charge for storage."""
    for study, inputs in itertools.islice(drawn(None, recovers=True), 10):
        lax = replace(study, resilience=Resilience(rto_s=90_000.0, rpo_s=90_000.0))
        if decide(lax, inputs).objective is not None:
            said = prices(lax, inputs)
            assert (said["rto"], said["rpo"]) == (0.0, 0.0)


POLICIES = ("auto", "route53-latency", "route53-geoproximity", "global-accelerator")


def test_a_step_and_no_rule_save_what_plain_solves_say():
    """By whichever policy clients find their site, with every rule at once, and times of recovery that only
    some of the policies keep."""
    compared = {"saves": 0, "step": 0}
    for number, (study, inputs) in enumerate(itertools.islice(with_routing(drawn(None, recovers=True)), 64)):
        policy, rto_s = POLICIES[number % 4], (125.0, 600.0, 3600.0, 20_000.0)[number // 4 % 4]
        static = policy in ("auto", "global-accelerator") and number % 3 == 0
        study = routed(resilience(study, rto_s=rto_s), policy=policy, static_addresses=static)
        if hopeless(study, inputs):
            continue
        plan = decide(study, inputs)
        if plan.objective is None:
            continue
        close = 4e-4 * plan.objective + 1e-9
        for each in explain(study, inputs).rule_prices:
            if each.rule in DROPPED and each.rule != "one_size":
                free = decide(*DROPPED[each.rule](study, inputs))
                assert each.saves == pytest.approx(plan.objective - free.objective, abs=close), (number, each)
                compared["saves"] += each.saves > close
            step = first_step(study, each.rule, len(inputs.sites))
            assert each.step == (None if step is None else step.words)
            if step is not None:
                looser = decide(step.study, resized(inputs, step.study))
                saves = max(plan.objective - looser.objective, 0.0)
                assert each.step_saves == pytest.approx(saves, abs=close), (number, each)
                compared["step"] += each.step_saves > close
    assert min(compared.values()) >= 5, compared
