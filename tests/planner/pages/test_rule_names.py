"""Rules by names and phrases that a reader knows."""

from __future__ import annotations

import pytest

from planner.datadir import data_dir
from planner.inputs import load_inputs
from planner.pages.rule_names import rule_name, without_words
from planner.problem import build_problem
from planner.rules import RULES
from planner.study import load_study


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ("capacity[op-wroclaw-1.half]", "Capacity of op-wroclaw-1.half"),
        ("residency[1]", "Residency (rule 1)"),
        ("coverage", "Latency promise"),
        ("latency", "latency"),
    ],
)
def test_a_rule_has_a_plain_name(rule, name):
    assert rule_name(rule) == name


@pytest.mark.parametrize(
    "rule", [name for name in RULES if name not in ("limits", "changes", "recovery", "utilisation")]
)
def test_every_rule_of_the_registry_has_one(rule):
    assert rule_name(rule) != rule


def test_what_stands_after_without():
    study = load_study(data_dir() / "studies" / "factory-outposts.toml")
    words = {effect.rule: effect.words for effect in build_problem(study, load_inputs(study)).effects}
    said = {rule: without_words(rule, text, study) for rule, text in words.items()}
    assert said["capacity[op-wroclaw-1.half]"] == "the limit of 700 rps at op-wroclaw-1.half"
    assert said["max_ms"] == "the limit of 25 ms for everybody"
    assert said["coverage"] == "the promise of 88% of demand within 6 ms (p50)"
    assert said["parent"] == "the rule that a zone needs its parent Region"
    assert said["tags[3]"].startswith("the rule “clients with a tag project only from")
