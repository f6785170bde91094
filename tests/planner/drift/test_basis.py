"""What a check reads, and a plan's own word on what it was made from."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from planner.drift.basis import compared_window
from planner.export import MEASURED
from planner.measured_pairs import measured_csv, read_measured
from planner.measurements import PairStatistic, Vantage
from probes.strict_toml import InputError

MADE, DAY = datetime(2026, 11, 1, tzinfo=UTC), timedelta(days=1)
PAIR = PairStatistic(
    vantage=Vantage("=berlin-1", "DE", 52.5, -13.405),
    site_id="eu-north-1",
    quantile=0.95,
    rtt_ms=20.123,
    lower_ms=0.9876543,
    upper_ms=math.inf,
    samples=1440,
    loss_ratio=1 / 3,
    kind="sampled",
    direct=True,
    source="own agents",
)


def test_a_young_plan_is_read_whole_an_old_one_from_both_ends():
    young = compared_window(MADE, MADE + 5 * DAY, 28 * DAY, told=True)
    assert (young.since, young.until, young.gap) == (MADE - 28 * DAY, None, None)
    old = compared_window(MADE, MADE + 90 * DAY, 28 * DAY, told=True)
    assert (old.since, old.gap) == (MADE - 28 * DAY, (MADE, MADE + 62 * DAY))
    assert compared_window(MADE, MADE + 90 * DAY, 28 * DAY, told=False).whole


def test_what_a_plan_was_made_from_is_read_back(tmp_path):
    lost = replace(PAIR, site_id="eu-west-1", rtt_ms=math.inf, lower_ms=math.inf, loss_ratio=1.0)
    file = tmp_path / MEASURED
    file.write_text(measured_csv((PAIR, lost)))
    first, second = read_measured(file, InputError)
    assert first == replace(PAIR, loss_ratio=pytest.approx(1 / 3))
    assert second == lost
    file.write_text(measured_csv((PAIR,)).replace("1440", "-3"))
    with pytest.raises(InputError, match="column samples: -3 is out of range"):
        read_measured(file, InputError)
