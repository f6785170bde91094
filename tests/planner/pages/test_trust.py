"""How far from proven, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.pages.trust import badge_words, bound_words


@pytest.mark.parametrize(
    ("gap", "text"),
    [
        (0.226, "23 %"),
        (0.0103, "1.1 %"),
        (0.003, "0.3 %"),
        (0.00321, "0.4 %"),
        (0.00031, "0.04 %"),
        (1e-6, "0.01 %"),
    ],
)
def test_a_plan_is_never_further_from_the_best_than_is_said(gap, text):
    assert bound_words(gap) == text


def test_a_plan_on_the_way_says_its_gap_and_that_it_is_being_proven(plan):
    words = badge_words(replace(plan, termination="feasible", gap=0.003))
    assert "within 0.3 % of the best possible; proving" in words
    assert "proven optimal" not in words
    assert "proven optimal" in badge_words(plan)
