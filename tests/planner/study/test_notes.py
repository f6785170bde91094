"""What a study asks for that does less than it seems to: read, and said."""

from dataclasses import replace
from pathlib import Path

import pytest

from planner.candidates import choose_candidates
from planner.catalog import load_catalog
from planner.inputs import load_inputs
from planner.study import StudyError, parse_study, study_toml

STUDY = """\
name = "checkout"
[demand]
cities = { countries = ["*"], top = 2000 }
peak_rps = 12000
requests_per_month = 8.0e9
[candidates]
provider = "aws"
kinds = ["region", "local_zone"]
include = ["*"]
exclude = ["cn-*", "us-gov-*"]
[latency]
statistic = "p95"
slo_ms = 60
coverage = 0.95
max_ms = 250
[limits]
min_sites = 1
max_sites = 12
max_changes = 3
[[rule]]
kind = "residency"
clients = { jurisdictions = ["EEA"] }
sites = { jurisdictions = ["EEA", "EU-adequacy"] }
[[rule]]
kind = "program"
clients = { classes = ["cardholder"] }
programs = ["pci"]
"""
NOTES = (
    "rule[2] speaks of clients of class cardholder: cities carry no classes, so none is selected by class;"
    " give the clients as demand.csv",
    "limits.max_changes counts every open site: [current] names none that runs today",
)


def read(text):
    return parse_study(text, name="checkout.toml", directory=Path())


def test_classes_over_cities_and_changes_against_nothing():
    study = read(STUDY)
    assert study.rules[1].clients.classes == ("cardholder",)
    assert (study.limits.max_changes, study.current_open) == (3, ())
    assert study.notes == NOTES
    assert read(study_toml(study)) == study


def test_the_notes_come_with_the_candidates():
    assert choose_candidates(read(STUDY), [load_catalog("aws")]).notes[:2] == NOTES


def test_nothing_to_say():
    study = read(STUDY)
    clients = replace(study.demand, csv=Path("clients.csv"))
    assert replace(study, demand=clients, current_open=("eu-west-1",)).notes == ()
    assert replace(study, rules=study.rules[:1], limits=replace(study.limits, max_changes=None)).notes == ()


PLAIN = """\
name = "plain"
[demand]
cities = { countries = ["DE"], top = 3 }
[candidates]
include = ["eu-central-1", "eu-west-3"]
"""


@pytest.mark.parametrize(
    ("added", "instead", "words"),
    [
        (
            "[limits]\nmin_utilisation = 0.5",
            '[[rule]]\nkind = "capacity"\nsites = ["*"]\nmax_rps = 900\n[limits]\nmin_utilisation = 0.5',
            "limits.min_utilisation binds no site",
        ),
        (
            "[workload]\nhome_share = 0.5",
            "[workload]\nhome_share = 0.5\n[workload.home]",
            "workload.home_share costs nothing",
        ),
        (
            '[routing]\npolicy = "global-accelerator"\nqueries_per_month = 1\nttl_s = 5',
            '[routing]\npolicy = "route53-latency"\nqueries_per_month = 1\nttl_s = 5',
            "routing.ttl_s counts for nothing",
        ),
        (
            '[current]\nopen = ["eu-west-3"]',
            '[current]\nopen = ["eu-west-3"]\n[limits]\nmax_changes = 1',
            "[current] changes nothing",
        ),
        (
            '[[rule]]\nkind = "residency"\nclients = { countries = ["US"] }\nsites = { countries = ["DE"] }',
            '[[rule]]\nkind = "residency"\nclients = { countries = ["DE"] }\nsites = { countries = ["DE"] }',
            "rule[1] binds nobody: no client is in US",
        ),
    ],
)
def test_what_does_nothing_is_said(added, instead, words):
    assert any(note.startswith(words) for note in load_inputs(read(PLAIN + added)).notes)
    assert not any(words in note for note in load_inputs(read(PLAIN + instead)).notes)


def test_more_groups_than_candidates_stand_in():
    rule = '[[rule]]\nkind = "group"\nby = "country"\nat_least = '
    assert load_inputs(read(f"{PLAIN}{rule}2"))
    with pytest.raises(StudyError, match=r"rule\[1\]\.at_least: 3 groups by country .* stand in 2"):
        load_inputs(read(f"{PLAIN}{rule}3"))
    named = '[[rule]]\nkind = "group"\nby = "jurisdiction"\njurisdictions = ["EEA", "USMCA"]\nat_least = 2'
    with pytest.raises(StudyError, match=r"2 groups by jurisdiction .* candidates stand in 1"):
        load_inputs(read(PLAIN + named))


def test_the_nearest_name_of_a_pattern():
    with pytest.raises(StudyError, match=r"'eu-centrl\*' matches no known.*; did you mean 'eu-central-[12]'"):
        load_inputs(read(f'{PLAIN}[candidates.tags]\n"eu-centrl*" = ["a=b"]\n'))
