"""Every rung asks less than the one before, and is a study that could have been written so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from planner.loosening import dials, first_step
from planner.study import parse_study, study_toml

STUDY = """
name = "shop"
[demand]
cities = { top = 5 }
peak_rps = 2000
[candidates]
kinds = ["region", "outpost"]
[[candidates.outpost]]
id = "op-1"
country = "DE"
lat = 50
lon = 10
parent = "eu-central-1"
capacity_rps = 1000
upfront_usd = 1
monthly_usd = 1
term_months = 36
[[candidates.outpost]]
id = "op-2"
country = "DE"
lat = 50
lon = 10
parent = "eu-central-1"
term_months = 36
size = [
    { name = "s", capacity_rps = 500, upfront_usd = 1, monthly_usd = 1 },
    { name = "l", capacity_rps = 900, upfront_usd = 2, monthly_usd = 2 },
]
[latency]
slo_ms = 42
coverage = 0.955
max_ms = 118
[budget]
usd_per_month = 1000
[limits]
min_sites = 3
max_sites = 4
max_changes = 2
min_utilisation = 0.35
max_utilisation = 0.8
[[rule]]
kind = "group"
by = "metro"
at_most = 1
[[rule]]
kind = "group"
by = "jurisdiction"
jurisdictions = ["EEA", "EU-adequacy"]
at_least = 2
[[rule]]
kind = "capacity"
sites = ["eu-*"]
max_rps = 400
[[rule]]
kind = "capacity"
sites = ["eu-*"]
min_rps = 40
[[rule]]
kind = "residency"
clients = { countries = ["DE"] }
sites = { countries = ["DE"] }
[resilience]
survive = "region"
backup_within_ms = 90
"""

FIRST = {
    "coverage": "95% of demand within 42 ms",
    "max_ms": "nobody above 128 ms",
    "budget": "$1,010 a month",
    "min_sites": "at least 2 sites",
    "max_sites": "at most 5 sites",
    "max_changes": "at most 3 sites opened or closed",
    "min_utilisation": "at least 34% of capacity used",
    "max_utilisation": "at most 81% of capacity used",
    "capacity[op-1]": "op-1 carries 1,050 rps",
    "capacity[op-2.s]": "op-2.s carries 525 rps",
    "capacity[op-2.l]": "op-2.l carries 945 rps",
    "group[1]": "at most 2 in a metro",
    "group[2]": "at least 1 jurisdiction",
    "capacity[3]": "at most 420 rps at a site",
    "capacity[4]": "at least 38 rps at a site",
    "survive": "a backup within 95 ms",
}


@pytest.fixture
def study():
    return parse_study(STUDY, name="shop.toml", directory=Path("/nowhere"))


@pytest.mark.parametrize("rule", FIRST)
def test_the_first_step_is_one_that_a_person_would_take(study, rule):
    assert first_step(study, rule, 9).words == FIRST[rule]


@pytest.mark.parametrize("rule", FIRST)
def test_every_value_could_have_been_written(study, rule):
    for dial in dials(study, rule, 9):
        places = {0, 1, dial.count // 3, dial.count // 2, dial.count - 1} & set(range(dial.count))
        turned = [dial.at(at) for at in sorted(places)]
        assert len({rung.words for rung in turned}) == len(turned)
        for rung in (*turned, dial.first):
            again = parse_study(study_toml(rung.study), name="again.toml", directory=Path("/nowhere"))
            assert replace(again, path=None) == rung.study
            assert rung.study != study


def test_the_first_step_is_a_looser_study_even_of_odd_numbers(study):
    """What is said has as many digits as what is decided with."""
    limits = replace(study.limits, min_utilisation=0.3549, max_utilisation=0.8001)
    latency = replace(study.latency, max_ms=42.123456, coverage=0.9999)
    odd = replace(study, limits=limits, latency=latency, budget_usd_per_month=18_099.2)
    assert first_step(odd, "min_utilisation", 9).study.limits.min_utilisation == 0.35
    assert first_step(odd, "max_utilisation", 9).study.limits.max_utilisation == 0.81
    assert first_step(odd, "max_ms", 9).words == "nobody above 47.1 ms"
    assert first_step(odd, "max_ms", 9).study.latency.max_ms == 47.1
    assert first_step(odd, "coverage", 9).words == "99% of demand within 42 ms"
    assert dials(odd, "coverage", 9)[0].at(0).words == "99.9% of demand within 42 ms"
    assert first_step(odd, "budget", 9).words == "$18,281 a month"
    assert first_step(odd, "budget", 9).study.budget_usd_per_month == 18_281


@pytest.mark.parametrize(
    ("survive", "along", "words"),
    [
        ("site", True, ["zones_fail_with_parent = false"]),
        ("site", False, []),
        ("region", True, ['survive = "site", zones_fail_with_parent = false']),
        ("metro", False, ['survive = "site"']),
        (
            "metro",
            True,
            [
                "zones_fail_with_parent = false",
                'survive = "site"',
                'survive = "site", zones_fail_with_parent = false',
            ],
        ),
    ],
)
def test_what_may_fail_is_less_step_by_step(study, survive, along, words):
    asked = replace(study.resilience, survive=survive, zones_fail_with_parent=along, backup_within_ms=None)
    found = [dial.first for dial in dials(replace(study, resilience=asked), "survive", 9)]
    assert [rung.words for rung in found] == [*words, 'survive = "none"']
    assert found[-1].study.resilience.survive == "none"


@pytest.mark.parametrize("rule", ["residency[5]", "services", "parent", "program[9]", "capacity[op-9]"])
def test_a_rule_without_steps_has_none(study, rule):
    assert dials(study, rule, 9) == ()
    assert first_step(study, rule, 9) is None
