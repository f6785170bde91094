import math
from datetime import UTC, date, datetime

import numpy as np
import pytest

from planner.measurements import Window, read_rounds, read_stores
from tests.planner.store.inbox_writing import SITES, put, samples


def at(hour, minute=0):
    return f"2026-11-23T{hour:02}:{minute:02}:00.000000Z"


@pytest.fixture
def store(tmp_path):
    put(tmp_path, samples(10.0, None, failure="connect_timeout", run_id="b", started_at=at(11)), "b")
    put(
        tmp_path,
        samples(12.0, 13.0, run_id="a", started_at=at(10))
        + samples(99.0, run_id="a", started_at=at(10), site="us-east-1"),
        "a",
    )
    put(tmp_path, samples(50.0, run_id="c", vantage="paris-1", started_at=at(10, 30)), "c", "paris-1")
    put(tmp_path, samples(1.0, 2.0, run_id="d", protocol="dns", resolver="1.1.1.1"), "d")
    return tmp_path


def test_every_counted_sample_in_order(store):
    found = read_rounds([str(store)])
    assert [place.vantage for place in found.places] == ["paris-1", "tokyo-1"]
    assert found.sites == ("eu-west-1", "us-east-1")
    assert found.vantage.tolist() == [0, 1, 1, 1, 1, 1]
    assert found.site.tolist() == [0, 0, 0, 0, 0, 1]
    assert sorted(found.rtt_ms[1:3].tolist()) == [12.0, 13.0]
    assert sorted(found.rtt_ms[3:5].tolist()) == [10.0, math.inf]
    # The tokyo round at 10:00 is the first, that of Paris at 10:30 the second.
    assert found.round.tolist() == [1, 0, 0, 2, 2, 0]
    assert found.started_at[3] == np.datetime64("2026-11-23T11:00:00")
    assert found.pairs() == (slice(0, 1), slice(1, 5), slice(5, 6))
    assert not any(a.flags.writeable for a in (found.rtt_ms, found.round, found.started_at))


def test_a_window_and_sites(store):
    ten, eleven = datetime(2026, 11, 23, 10, tzinfo=UTC), datetime(2026, 11, 23, 11, tzinfo=UTC)
    assert read_rounds([str(store)], until=eleven).rtt_ms.tolist() == [50.0, 12.0, 13.0, 99.0]
    assert len(read_rounds([str(store)], since=eleven).rtt_ms) == 2
    assert read_rounds([str(store)], since=ten, sites=["us-east-1"]).sites == ("us-east-1",)
    empty = read_rounds([str(store)], until=ten)
    assert (len(empty.rtt_ms), empty.pairs(), empty.sites) == (0, (), ())
    with pytest.raises(ValueError, match="says no time zone"):
        read_rounds([str(store)], since=datetime(2026, 11, 23))  # noqa: DTZ001


def test_quantiles_of_a_window(store):
    eleven = datetime(2026, 11, 23, 11, tzinfo=UTC)
    early, late = Window(until=eleven), Window(since=eleven)
    found = {
        (each.vantage.id, each.site_id): (each.samples, each.rtt_ms)
        for each in read_stores([str(store)], 0.5, SITES, window=early).statistics
    }
    assert found == {
        ("paris-1", "eu-west-1"): (1, 50.0),
        ("tokyo-1", "eu-west-1"): (2, 12.0),
        ("tokyo-1", "us-east-1"): (1, 99.0),
    }
    (only,) = read_stores([str(store)], 0.5, SITES, window=late).statistics
    assert (only.samples, only.loss_ratio) == (2, 0.5)


def test_a_gap_is_left_out(store):
    half, eleven = (datetime(2026, 11, 23, *time, tzinfo=UTC) for time in ((10, 30), (11, 0)))
    found = read_rounds([str(store)], gap=(half, eleven))  # Paris was at half past, the last round at eleven
    assert found.rtt_ms.tolist() == [12.0, 13.0, 10.0, math.inf, 99.0]
    assert found.round.tolist() == [0, 0, 1, 1, 0]


@pytest.mark.parametrize(
    ("first", "last", "left"),
    [
        ((2, 0), (5, 0), [1, 5, 6]),
        ((2, 12), (5, 0), [1, 2, 5, 6]),
        ((2, 0), (4, 12), [1, 4, 5, 6]),
    ],
)
def test_days_within_a_gap_are_not_opened(first, last, left):
    begin, end = (datetime(2026, 1, day, hour, tzinfo=UTC) for day, hour in (first, last))
    window = Window(gap=(begin, end))
    assert [day for day in range(1, 7) if window.has_day(date(2026, 1, day))] == left
    bounded = Window(datetime(2026, 1, 2, 23, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC))
    assert [day for day in range(1, 7) if bounded.has_day(date(2026, 1, day))] == [2, 3]


def test_a_window_beside_the_last_day_of_the_calendar():
    assert Window().has_day(date.max)
    assert Window(since=datetime(2026, 1, 1, tzinfo=UTC)).has_day(date.max)
    assert not Window(until=datetime(2026, 1, 1, tzinfo=UTC)).has_day(date.max)
