"""What a study asks for that does less than it seems to: read, and said."""

from dataclasses import replace
from pathlib import Path

from planner.candidates import choose_candidates
from planner.catalog import load_catalog
from planner.study import parse_study, study_toml

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
