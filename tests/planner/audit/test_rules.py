"""Groups, loads and tags: the estate's plan keeps each of these rules or is told that it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.audit import audit_plan
from planner.study import CapacityRule, GroupRule, Limits, Selector, TagsRule
from tests.planner.audit import estate

# Open are ber (400 rps, DE, parent fra), fra (300 rps, DE) and plant (300 rps of 300, ES, parent mad).
KEPT = [
    GroupRule("country", at_most=2, at_least=2),
    GroupRule("parent", at_most=2, at_least=2),
    GroupRule("metro", at_most=1, at_least=3),
    GroupRule("provider", at_most=3, at_least=1),
    GroupRule("country", kinds=("region", "local_zone"), at_most=2, at_least=1),
    GroupRule("jurisdiction", jurisdictions=("EEA",), at_most=3, at_least=1),
    CapacityRule(("ber",), 400.0, 400.0),
    CapacityRule(("fra", "p*"), 300.0, 300.0),
    CapacityRule(("mad", "iad"), 500.0, 900.0),
]
BROKEN = [
    (GroupRule("country", at_most=1), "2 sites are open in DE, at most 1 may"),
    (GroupRule("country", at_least=3), "open in 2 groups by country (DE, ES), at least 3 are asked for"),
    (GroupRule("parent", at_most=1), "2 sites are open in fra, at most 1 may"),
    (GroupRule("metro", at_least=4), "at least 4 are asked for"),
    (GroupRule("provider", at_most=2), "3 sites are open in aws"),
    (GroupRule("country", kinds=("outpost",), at_most=0), "1 sites are open in ES, at most 0 may"),
    (GroupRule("country", kinds=("wavelength_zone",), at_least=1), "groups by country (none)"),
    (GroupRule("jurisdiction", jurisdictions=("EEA",), at_most=2), "3 sites are open in EEA"),
    (CapacityRule(("b*",), None, 399.0), "site ber carries 400 requests per second"),
    (CapacityRule(("*",), 301.0, None), "site fra carries 300 requests per second, below 301"),
]


def found(rules=(), *, limits=None, inputs=None):
    study = estate.study()
    varied = replace(study, rules=(*study.rules, *rules), limits=limits or study.limits)
    return audit_plan(estate.plan(), varied, inputs or estate.inputs())


@pytest.mark.parametrize("rule", KEPT, ids=repr)
def test_a_rule_that_is_kept(rule):
    assert found([rule]) == ()


@pytest.mark.parametrize(("rule", "words"), BROKEN, ids=repr)
def test_a_rule_that_is_broken(rule, words):
    sentences = found([rule])
    assert len(sentences) == 1 or rule.sites == ("*",), sentences
    assert any(words in sentence and "(rule 3)" in sentence for sentence in sentences), sentences


def test_utilisation_of_racks_and_of_capped_sites():
    limits = estate.study().limits
    assert found(limits=replace(limits, min_utilisation=1.0)) == ()
    (sentence,) = found(limits=replace(limits, max_utilisation=0.9))
    assert sentence == "utilisation: site plant uses 1 of its capacity, 300: above 0.9"
    capped = CapacityRule(("ber",), None, 1000.0)
    assert found([capped], limits=replace(limits, min_utilisation=0.4)) == ()
    (sentence,) = found([capped], limits=replace(limits, min_utilisation=0.41))
    assert sentence == "utilisation: site ber uses 0.4 of its capacity, 1000: below 0.41"


def tagged(sites, clients):
    inputs = estate.inputs()
    return replace(
        inputs,
        sites=tuple(replace(site, tags=sites.get(site.id, {})) for site in inputs.sites),
        demand=replace(
            inputs.demand,
            clients=tuple(replace(each, tags=clients.get(each.id, {})) for each in inputs.demand.clients),
        ),
    )


def test_tags():
    inputs = tagged({"ber": {"t": "a"}, "plant": {"t": "b"}}, {"c1": {"t": "a"}, "c2": {"t": "b"}})
    assert found([TagsRule("t")], inputs=inputs) == ()
    (sentence,) = found([TagsRule("t", Selector(countries=("US",)))], inputs=inputs)
    assert sentence == "tags (rule 3): client c4 with t=nothing is at site fra with t=nothing"
    wrong = tagged({"ber": {"t": "a"}}, {"c1": {"t": "b"}})
    (sentence,) = found([TagsRule("t")], inputs=wrong)
    assert sentence == "tags (rule 3): client c1 with t=b is at site ber with t=a"


def test_limits_default_to_none_at_all():
    assert (Limits().min_utilisation, Limits().max_utilisation) == (0.0, 1.0)
