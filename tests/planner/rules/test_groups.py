"""Groups of sites, counted by hand over a small estate: so many open in each, in so many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.decide import decide
from planner.loosening import dials
from planner.problem import build_problem
from planner.rules.groups import groups_of
from planner.study import GroupRule
from tests.planner.audit import estate

FRA, BER, MAD, PLANT, IAD = range(5)


def members(rule, inputs=None):
    """Each group as the set of its sites' columns."""
    return [set(np.nonzero(group)[0].tolist()) for group in groups_of(rule, inputs or estate.inputs())]


def test_groups_by_country_and_by_parent():
    assert members(GroupRule("country", at_most=1)) == [{FRA, BER}, {MAD, PLANT}, {IAD}]
    assert members(GroupRule("parent", at_most=1)) == [{FRA, BER}, {MAD, PLANT}, {IAD}]
    assert members(GroupRule("provider", at_most=1)) == [{FRA, BER, MAD, PLANT, IAD}]


def test_kinds_leave_the_others_out():
    assert members(GroupRule("country", kinds=("region",), at_most=1)) == [{FRA}, {MAD}, {IAD}]
    assert members(GroupRule("country", kinds=("wavelength_zone",), at_most=1)) == []


def test_a_jurisdiction_is_a_group_even_where_nobody_stands_in_it():
    inputs = replace(
        estate.inputs(), jurisdictions={"EEA": {"DE", "ES"}, "Iberia": {"ES", "PT"}, "Asia": {"JP"}}
    )
    rule = GroupRule("jurisdiction", jurisdictions=("EEA", "Iberia", "Asia"), at_least=2)
    assert members(rule, inputs) == [{FRA, BER, MAD, PLANT}, {MAD, PLANT}, set()]


def test_metros_of_one_name_in_two_countries_are_two_and_a_rack_is_its_own():
    inputs = estate.inputs()
    metros = ("Santiago", "Santiago", "Santiago", "", "")
    sites = tuple(replace(site, metro=metro) for site, metro in zip(inputs.sites, metros, strict=True))
    assert members(GroupRule("metro", at_most=1), replace(inputs, sites=sites)) == [
        {FRA, BER},
        {MAD},
        {PLANT},
        {IAD},
    ]


def free(rule, **changes):
    """The estate's study with this rule alone."""
    return replace(
        estate.study(),
        budget_usd_per_month=None,
        limits=replace(estate.study().limits, min_sites=1, max_sites=None, max_changes=None),
        rules=(rule,),
        **changes,
    )


@pytest.mark.parametrize("at_least", [1, 2, 3])
def test_at_least_so_many_countries(at_least):
    plan = decide(free(GroupRule("country", at_least=at_least)), estate.inputs())
    countries = {placement.country for placement in plan.placements}
    assert plan.audit == ()
    assert len(countries) >= at_least
    if at_least == 3:  # nobody alone would open so many
        assert "group[1]" in plan.binding


def test_more_groups_than_there_are_is_a_conflict_of_that_rule():
    plan = decide(free(GroupRule("country", at_least=4)), estate.inputs())
    assert plan.termination == "infeasible"
    assert plan.conflict.rules == ("group[1]",)
    assert plan.conflict.remedies["group[1]"] == "at least 3 countries"


def test_at_most_none_of_a_country_closes_it():
    rule = GroupRule("country", kinds=("region",), at_most=0)
    plan = decide(free(rule), estate.inputs())
    assert plan.termination == "infeasible"  # c4 reaches nothing but Regions within 90 ms
    assert "group[1]" in plan.conflict.rules


def test_looser_and_looser_never_forbids_what_was_allowed():
    """With both limits, either is loosened alone, and then the second when the first is gone."""
    turned = dials(free(GroupRule("metro", at_most=1, at_least=3)), "group[1]", 4)
    found = [
        [(rule.at_most, rule.at_least) for at in range(dial.count) for rule in dial.at(at).study.rules]
        for dial in turned
    ]
    assert found == [[(2, 3), (3, 3), (4, 3)], [(1, 2), (1, 1)], [(None, 2), (None, 1)]]


def test_what_the_rows_say():
    rule = GroupRule("country", at_most=1, at_least=2)
    (effect,) = [e for e in build_problem(free(rule), estate.inputs()).effects if e.rule == "group[1]"]
    assert [(row.high, row.site.tolist()) for row in effect.rows] == [
        (1.0, [1, 1, 0, 0, 0]),
        (1.0, [0, 0, 1, 1, 0]),
    ]
    assert [cover.at_least for cover in effect.covers] == [2]
    assert effect.words == "at most 1 open site in a country, at least 2 countries with an open site"
