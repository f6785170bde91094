"""What is said in sentences is grammatical, and never rounds a part up to the whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.problem import build_problem
from planner.study import GroupRule, LatencyObjective, Limits
from planner.wording import counted, percent, with_article
from tests.planner.routing import estate

HERE = replace(estate.inputs(), jurisdictions={"here": frozenset({"DE"})})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (counted(1, "site"), "1 site"),
        (counted(1200, "site"), "1,200 sites"),
        (counted(2, "country", "countries"), "2 countries"),
        (with_article("outpost"), "an outpost"),
        (with_article("local_zone"), "a local_zone"),
        (percent(0.9999), "99.99%"),
        (percent(0.07), "7%"),
        (percent(1.0), "100%"),
    ],
)
def test_words(said, words):
    assert said == words


@pytest.mark.parametrize(
    ("changes", "rule", "words"),
    [
        ({"limits": Limits(max_sites=1)}, "max_sites", "at most 1 site"),
        ({"limits": Limits(max_changes=1)}, "max_changes", "at most 1 site opened or closed"),
        (
            {"rules": (GroupRule("metro", at_least=3),)},
            "group[1]",
            "at least 3 metros with an open site",
        ),
        (
            {"rules": (GroupRule("jurisdiction", jurisdictions=("here",), at_least=1),)},
            "group[1]",
            "at least 1 jurisdiction (here) with an open site",
        ),
        (
            {"latency": LatencyObjective(slo_ms=20.0, coverage=0.9999)},
            "coverage",
            "99.99% of demand within 20 ms (p50)",
        ),
    ],
)
def test_a_rule_says(changes, rule, words):
    problem = build_problem(replace(estate.STUDY, **changes), HERE)
    assert [effect.words for effect in problem.effects if effect.rule == rule] == [words]
