"""Choices and their URL."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.pages.choices import Choices, applied, from_query, settled, to_query
from planner.study import CandidateSpec, DemandSpec, LatencyObjective, Limits, Study

maybe = st.none()
choices = st.builds(
    Choices,
    study=st.sampled_from(["worldwide-saas", "factory-outposts", "edited"]),
    slo=maybe | st.integers(1, 400).map(float),
    coverage=maybe | st.integers(20, 200).map(lambda k: k / 200),
    objective=maybe | st.sampled_from(["cost", "mean_latency", "max_latency"]),
    max_sites=maybe | st.integers(0, 99),
    budget=maybe | st.integers(0, 10**7).map(float),
    point=maybe | st.integers(0, 40),
    without=st.lists(st.sampled_from(["us-east-1", "eu-west-1", "sa-east-1"]), unique=True).map(tuple),
    demand=st.sampled_from([0.25, 1.0, 1.5, 10.0]),
    if_slo=maybe | st.integers(1, 400).map(float),
    if_coverage=maybe | st.integers(20, 200).map(lambda k: k / 200),
    if_budget=maybe | st.integers(0, 10**7).map(float),
    prices=st.lists(st.sampled_from(["egress_gb=1.3", "instance_hour@eu-*=X0.9"]), unique=True).map(tuple),
    announce=st.sampled_from([(), ("us-east-1-xyz-1a us-east-1 CO 4.71 -74.07",)]),
    part=st.sampled_from(["anew", "stands", "many"]),
    fail=st.lists(st.sampled_from(["us-east-1", "metro:Los Angeles", "region:eu-west-1"]), unique=True).map(
        tuple
    ),
    scenarios=st.integers(1, 2000),
    seed=st.integers(1, 999_999),
    lose_site=st.integers(0, 100).map(lambda k: k / 100),
    lose_metro=st.integers(0, 100).map(lambda k: k / 100),
    lose_region=st.integers(0, 100).map(lambda k: k / 100),
    spread=st.integers(0, 200).map(lambda k: k / 100),
    stray=st.booleans(),
)


@given(choices)
def test_a_link_says_it_all(given_choices):
    assert from_query(to_query(given_choices)) == given_choices


def test_the_plain_link_is_short():
    assert to_query(Choices()) == {"study": "worldwide-saas"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("slo", "fast"),
        ("slo", "nan"),
        ("slo", "-5"),
        ("slo", "1e9"),
        ("coverage", "2"),
        ("objective", "speed"),
        ("max_sites", "2.5"),
        ("budget", "inf"),
        ("point", "-1"),
        ("demand", "0"),
        ("demand", "x"),
        ("without", ",,"),
        ("fail", ","),
        ("part", "all"),
        ("scenarios", "0"),
        ("scenarios", "1000000"),
        ("seed", "none"),
        ("lose_site", "1.5"),
        ("spread", "-1"),
        ("stray", "perhaps"),
        ("unknown", "1"),
    ],
)
def test_a_damaged_link_falls_back_to_the_study(key, value):
    assert from_query({"study": "eu-regulated", key: value}) == Choices(study="eu-regulated")


STUDY = Study(
    name="x",
    demand=DemandSpec(),
    candidates=CandidateSpec(),
    latency=LatencyObjective(slo_ms=60.0, coverage=0.9),
    budget_usd_per_month=5000.0,
    limits=Limits(min_sites=1, max_sites=4),
)


def test_no_choice_leaves_the_study_alone():
    assert applied(STUDY, Choices()) == STUDY


def test_choices_take_the_place_of_the_studys_values():
    study = applied(
        STUDY, Choices(slo=80.0, coverage=0.5, objective="mean_latency", max_sites=2, budget=900.0)
    )
    assert study.latency == LatencyObjective(slo_ms=80.0, coverage=0.5)
    assert study.minimize == "mean_latency"
    assert study.limits == Limits(min_sites=1, max_sites=2)
    assert study.budget_usd_per_month == 900.0


def test_zero_lifts_a_limit():
    study = applied(STUDY, Choices(max_sites=0, budget=0.0))
    assert study.limits.max_sites is None
    assert study.budget_usd_per_month is None


def test_a_choice_that_repeats_the_study_is_no_choice():
    same = Choices(slo=60.0, coverage=0.9, objective="cost", max_sites=4, budget=5000.0)
    assert settled(same, STUDY) == Choices()
    assert settled(replace(same, slo=61.0), STUDY) == Choices(slo=61.0)
    assert settled(Choices(budget=0.0), STUDY) == Choices(budget=0.0)
