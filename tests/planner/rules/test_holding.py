"""Which Regions may hold whose data: residency and programs together, by hand over a small estate."""

from __future__ import annotations

from dataclasses import replace

from planner.rules.holding import may_hold
from planner.study import ProgramRule, ResidencyRule, Selector
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
