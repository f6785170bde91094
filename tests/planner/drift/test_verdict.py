"""What a check says where today's best plan was not found: proven impossible, or only not in time."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from planner.drift.attained import Attained
from planner.drift.evidence import PairChange, SiteChange
from planner.drift.prometheus import metrics_text
from planner.drift.report import check_document, check_text
from planner.drift.verdict import Check, Resolved
from tests.planner.export.test_export import NOTHING

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def check(**changes):
    made = Check(
        plan="shop",
        open=("a", "b"),
        planned_usd=1.0,
        asked=0.9,
        made=NOW,
        since=NOW,
        until=NOW,
        rounds=1,
        pairs=1,
        judged=0,
        attained=Attained(50.0, 0.9, 0.95, 0.9, 0.95, 1.0, 1.0, 1.0),
        changes=(),
        site_changes=(),
        better=(),
        prices=(),
        resolved=None,
        gone={},
        unreachable={},
        timeline=None,
    )
    return replace(made, **changes)


def resolved(termination):
    best = replace(NOTHING, termination=termination)
    return Resolved(best, None, None, (), None, 0.0)


@pytest.mark.parametrize(
    ("termination", "reasons", "words", "advice"),
    [
        ("infeasible", {"impossible", "unreachable"}, "no plan keeps the study's rules today", "Loosen"),
        ("time_limit", {"unreachable"}, "none was found in time", "Today's best plan was not found in time"),
    ],
)
def test_what_was_not_found_in_time_is_not_called_impossible(termination, reasons, words, advice):
    found = check(resolved=resolved(termination), unreachable={"b": 0.5})
    assert found.reasons.keys() == reasons
    assert f"best      {words}\n" in check_text(found)
    assert "1 round of 1 pair since" in check_text(found)
    assert found.advice.startswith(advice)


def test_a_site_that_changed_is_told_though_none_of_its_pairs_is_sure():
    since = np.datetime64("2026-11-25T12:00:00", "us")
    found = check(site_changes=(SiteChange("a", 4, since, True, 1e-5),))
    assert found.right
    assert found.advice.startswith("There is nothing to do: 1 site changed")
    (row,) = (line for line in check_text(found).splitlines() if "2026-11-25T12:00:00Z" in line)
    assert row.split() == ["a", "4", "2026-11-25T12:00:00Z", "slower", "1e-05"]
    assert check_document(found)["sites"] == [
        {
            "site": "a",
            "vantages": 4,
            "since": "2026-11-25T12:00:00Z",
            "by": False,
            "slower": True,
            "p_value": 1e-5,
        }
    ]
    assert 'edgeplan_check_sites_changed{plan="shop"} 1\n' in metrics_text(found, 0.0)


def test_a_change_that_may_be_older_is_told_by_when():
    at = np.datetime64("2026-11-25T12:00:00", "us")
    pair = PairChange("v", "a", at, 20.0, 23.0, "level", 1e-9, by=True)
    found = check(changes=(pair,), site_changes=(SiteChange("a", 4, at, True, 1e-5, by=True),))
    assert check_text(found).count("by 2026-11-25T12:00:00Z") == 2
    told = check_document(found)
    assert [each["by"] for each in (*told["changes"], *told["sites"])] == [True, True]


def test_a_site_that_is_down_is_told_though_nothing_was_decided():
    text = metrics_text(check(unreachable={"b": 0.5}), 0.0)
    assert 'edgeplan_check_site_up{plan="shop",site="a"} 1\n' in text
    assert 'edgeplan_check_site_up{plan="shop",site="b"} 0\n' in text
