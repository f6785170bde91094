"""What the Latency page says of one pair's samples, and of who speaks for whom."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from planner.latency.daily import daily_profile
from planner.latency.jitter import Jitter
from planner.latency.matrix import Grounds
from planner.latency.modes import Mode
from planner.measurements import PairDetail, PairStatistic, Rounds, Vantage
from planner.pages.pair_series import between, facts, hours_chart, series_of, worst_words
from planner.pages.provenance_box import provenance_table
from planner.pages.theme import LIGHT
from planner.store.query import Place

STATISTIC = PairStatistic(
    vantage=Vantage("v", "DE", 49.0, 12.0),
    site_id="s",
    quantile=0.95,
    rtt_ms=42.0,
    lower_ms=40.0,
    upper_ms=47.0,
    samples=1440,
    loss_ratio=0.004,
    kind="sampled",
    direct=True,
    source="a test",
    detail=PairDetail(288, 96.4, 0.001, 0.012, (Mode(30.0, 0.6), Mode(45.0, 0.4))),
)


def spaced(text):
    """Spaces that may break, for comparing."""
    return text.replace("\u00a0", " ")


def test_facts_of_a_pair():
    told = facts(STATISTIC, Jitter(1.25, math.nan, 900, 0))
    said = {label: spaced(words) for label, words in told}
    assert said == {
        "p95": "42 ms, between 40 ms and 47 ms",
        "Samples": "1,440 in 288 rounds, worth 96 independent of each other",
        "Lost": "0.4 %, between 0.1 % and 1.2 %",
        "Jitter": "p95 of |ipdv|: 1.2 ms within a round, nothing to compare from round to round",
        "Two levels": "30 ms (60 % of the samples) and 45 ms (40 %),"
        " as when a route changes and changes back",
    }
    assert STATISTIC.detail is not None
    steady = replace(STATISTIC, detail=replace(STATISTIC.detail, modes=(Mode(30.0, 1.0),)))
    assert "Two levels" not in dict(facts(steady, Jitter(1.0, 1.0, 9, 9)))


def test_a_bound_that_is_none_is_said():
    assert between(0.0, math.inf) == "too few samples for any bound"
    assert spaced(between(12.0, math.inf)).startswith("at least 12 ms; too few samples")


def profile_of(by_hour, days=20):
    hours = np.arange(days * 24)
    started = np.datetime64("2026-03-01", "us") + hours.astype("timedelta64[h]")
    noise = np.random.default_rng(1).exponential(1.0, size=(len(hours), 4))
    rtt = (np.asarray(by_hour, dtype=float)[hours % 24][:, None] + noise).ravel()
    return daily_profile(np.repeat(started, 4), rtt, np.repeat(hours, 4), 0.5)


def test_the_worst_hour_in_words():
    evening = np.full(24, 20.0)
    evening[[19, 20]] = 30.0, 40.0
    said = spaced(worst_words(profile_of(evening), "UTC"))
    assert said.startswith("Worst from 20:00 to 21:00 UTC: 41 ms, between 40 ms and ")
    assert "picked from 24 hours" in said
    assert said.endswith("No other hour can be the worst.")
    evening[19] = 40.0
    assert "It may as well be" in worst_words(profile_of(evening), "UTC")
    assert worst_words(profile_of(np.full(24, 20.0), days=6), "UTC").endswith("Any hour may be the worst.")


def test_each_hour_is_drawn_once_and_the_worst_is_marked():
    evening = np.full(24, 20.0)
    evening[5], evening[20] = math.inf, 40.0
    profile = profile_of(evening)
    assert profile.worst.hour == 5  # all lost is worse than anything
    chart = hours_chart(profile, "UTC", LIGHT)
    drawn = [hour for trace in chart.data for hour in trace.x]
    assert sorted(drawn) == [hour for hour in range(24) if hour != 5]
    assert all(np.isfinite(trace.error_y.array).all() for trace in chart.data)


def test_the_samples_of_one_pair_are_found_and_rounds_kept_together():
    minute = np.datetime64("2026-03-01", "us") + np.arange(6).astype("timedelta64[m]")
    rounds = Rounds(
        (Place("a", "DE", 0.0, 0.0), Place("b", "FR", 0.0, 0.0)),
        ("s", "t"),
        vantage=np.array([0, 0, 0, 0, 1, 1], dtype=np.int32),
        site=np.array([0, 1, 1, 1, 0, 0], dtype=np.int32),
        started_at=minute,
        round=np.array([0, 1, 0, 1, 2, 3]),
        rtt_ms=np.array([1.0, 2.0, 3.0, 4.0, 5.0, math.inf]),
    )
    found = series_of(rounds, "a", "t")
    assert found is not None
    assert (found.rtt_ms.tolist(), found.round.tolist()) == ([3.0, 2.0, 4.0], [0, 1, 1])
    assert series_of(rounds, "b", "t") is None


def test_the_table_of_provenance(plan, inputs):
    matrix = inputs.matrix
    grounds = Grounds(np.full(matrix.estimate_ms.shape, 1.5), np.full(matrix.estimate_ms.shape, 8.0), {})
    table = provenance_table(plan, replace(inputs, matrix=replace(matrix, grounds=grounds)))
    assert len(table) == len(plan.assignments)
    measured = table[table["Figure"] == "measured"]
    assert set(measured["Vantage"]) <= {"agent-a", "agent-b"}
    assert (measured["Widened by"] == 1.5).all()
    modelled = table[table["Figure"] == "modelled"]
    assert modelled["Vantage"].isna().all()
    assert modelled["Widened by"].isna().all()
    assert (table["Access line"] == 8.0).all()
    heaviest = max(plan.assignments, key=lambda each: each.weight)
    assert table["Site"].iloc[0] == heaviest.site_id
    assert table["Round trip"].iloc[0] == pytest.approx(heaviest.latency_ms)
