"""Which Regions may hold whose data: residency and programs together, by hand over a small estate."""

from __future__ import annotations

from dataclasses import replace

from planner.rules.holding import may_hold
from planner.study import ProgramRule, ResidencyRule, Selector, TagsRule
from tests.planner.audit import estate


def held(*rules):
    """(clients, Regions fra mad iad)"""
    inputs = estate.inputs()
    regions = [site for site in inputs.sites if site.kind == "region"]
    return may_hold(replace(estate.study(), rules=rules), inputs, regions).astype(int).tolist()


def test_without_rules_anywhere():
    assert held() == [[1, 1, 1]] * 5


def test_residency_and_program_each_bind_whom_they_select():
    rules = (
        ResidencyRule(Selector(jurisdictions=("EEA",)), Selector(countries=("DE", "ES"))),
        ProgramRule(Selector(classes=("card",)), ("pci",)),
    )
    assert held(*rules) == [
        [1, 1, 0],  # c1 in DE
        [1, 1, 0],  # c2 in ES
        [1, 0, 0],  # c3 in FR brings card data: Frankfurt alone is in the EEA and in PCI's scope
        [1, 1, 1],  # c4 in US
        [1, 1, 0],
    ]


def test_a_region_need_be_no_candidate():
    inputs = estate.inputs()
    away = replace(inputs.sites[0], id="dub", country="IE")
    rule = ResidencyRule(Selector(countries=("DE",)), Selector(jurisdictions=("EEA",)))
    study = replace(estate.study(), rules=(rule,))
    jurisdictions = {"EEA": frozenset({"DE", "IE"})}
    assert may_hold(study, replace(inputs, jurisdictions=jurisdictions), [away]).all()


def test_a_tag_of_the_region_equals_the_clients_own():
    """c2 has no project and is not spoken of; c3 has one that no Region has."""
    inputs = estate.inputs()
    projects = ("one", None, "two", "one", "one")
    clients = tuple(
        replace(client, tags={} if own is None else {"project": own})
        for client, own in zip(inputs.demand.clients, projects, strict=True)
    )
    fra, mad, iad = (site for site in inputs.sites if site.kind == "region")
    tagged = replace(inputs, demand=replace(inputs.demand, clients=clients))
    study = replace(estate.study(), rules=(TagsRule("project"),))
    regions = [replace(fra, tags={"project": "one"}), mad, iad]
    assert may_hold(study, tagged, regions).astype(int).tolist() == [
        [1, 0, 0],
        [1, 1, 1],
        [0, 0, 0],
        [1, 0, 0],
        [1, 0, 0],
    ]
