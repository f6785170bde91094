"""Every rung asks less than the one before, and is a study that could have been written so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from planner.loosening import rungs
from planner.study import parse_study, study_toml

STUDY = """
name = "shop"
[demand]
cities = { top = 5 }
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
    "slo_ms": "0.955 of demand within 47 ms",
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
    "group[2]": "at least 1 of jurisdiction",
    "capacity[3]": "at most 420 rps at a site",
    "capacity[4]": "at least 38 rps at a site",
    "survive": "a backup within 95 ms",
}


@pytest.fixture
def study():
    return parse_study(STUDY, name="shop.toml", directory=Path("/nowhere"))


@pytest.mark.parametrize("rule", FIRST)
def test_the_first_step_is_one_that_a_person_would_take(study, rule):
    assert rungs(study, rule, 9)[0].words == FIRST[rule]


@pytest.mark.parametrize("rule", FIRST)
def test_every_rung_could_have_been_written(study, rule):
    ladder = rungs(study, rule, 9)
    assert len({rung.words for rung in ladder}) == len(ladder)
    for rung in (ladder[0], ladder[len(ladder) // 2], ladder[-1]):
        again = parse_study(study_toml(rung.study), name="again.toml", directory=Path("/nowhere"))
        assert replace(again, path=None) == rung.study


def test_the_last_rung_of_surviving_is_to_survive_nothing(study):
    assert rungs(study, "survive", 9)[-1].study.resilience.survive == "none"


@pytest.mark.parametrize("rule", ["residency[5]", "services", "parent", "program[9]", "capacity[op-9]"])
def test_a_rule_without_steps_has_none(study, rule):
    assert rungs(study, rule, 9) == ()
