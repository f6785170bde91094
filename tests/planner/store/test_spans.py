"""Months read from spans of days are what their days are."""

import dataclasses
import shutil
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from planner.store.ingest import ingest
from planner.store.rollup import read_rollup
from planner.store.shelf import StoreError
from planner.store.spans import SPANS, Span, covering, missing
from tests.planner.store.inbox_writing import SAMPLE, SITES, put, samples

FIRST = date(2026, 9, 24)  # 16 days from here are a span
DAYS = [FIRST + timedelta(days=n) for n in range(-2, 22)]
NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)


def fill(store, days=DAYS, run="a"):
    draw = np.random.default_rng(2)
    for day in days:
        rows = [
            dataclasses.replace(
                SAMPLE, run_id=f"{day}-{run}", site=site, sample=k,
                started_at=f"{day}T10:00:{k:02}.000000Z", rtt_ms=float(draw.lognormal(3, 1)),
            )
            for site in SITES
            for k in range(3)
        ]  # fmt: skip
        how = {"run_id": f"{day}-{run}", "started_at": f"{day}T11:00:00.000000Z"}
        (lost,) = samples(None, failure="connect_timeout", **how)
        rows.append(dataclasses.replace(lost, sample=9))
        put(store, rows, f"{day}-{run}", day=str(day))


def read(store, since, until):
    found = read_rollup(str(store), since=since, until=until)
    return (
        found.sites, found.histograms.count.tolist(), found.histograms.first, found.histograms.lost.tolist(),
        found.jitter.count.tolist(), found.jitter.first,
    )  # fmt: skip


def test_spans_say_what_their_days_say(tmp_path):
    fill(tmp_path)
    ingest(str(tmp_path), now=NOON)
    names = sorted(path.name[:14] for path in (tmp_path / SPANS).glob("*/*.parquet"))
    assert names == [
        *(f"004-{FIRST + timedelta(days=4 * n)}" for n in range(-1, 5)),
        *(f"016-{FIRST + timedelta(days=16 * n)}" for n in (-1, 0)),
        f"064-{FIRST - timedelta(days=48)}",
    ]
    windows = [
        (None, None),
        (FIRST, None),
        (FIRST, DAYS[-3]),
        (DAYS[0], DAYS[9]),
        (DAYS[1], DAYS[1]),
        (None, FIRST),
    ]
    with_spans = [read(tmp_path, *window) for window in windows]
    assert sum(with_spans[1][3]) == 22
    # A round that comes late, of a day long over, stands beside the spans of its day.
    fill(tmp_path, DAYS[5:6], "late")
    ingest(str(tmp_path), now=NOON + timedelta(days=1))
    late = [read(tmp_path, *window) for window in windows]
    assert sum(late[1][3]) == 23
    shutil.rmtree(tmp_path / SPANS)
    assert [read(tmp_path, *window) for window in windows] == late
    assert late[4] == with_spans[4]
    assert late[5] == with_spans[5]


def test_a_span_of_another_table_is_none_of_this(tmp_path):
    fill(tmp_path)
    ingest(str(tmp_path), now=NOON)
    before = read(tmp_path, None, None)
    (folder,) = (tmp_path / SPANS).iterdir()
    other = tmp_path / SPANS / "another-table"
    folder.rename(other)
    for path in other.iterdir():
        path.write_bytes(b"not even Parquet")
    assert read(tmp_path, None, None) == before


def day(n):
    return date(1970, 1, 1) + timedelta(days=n)


def test_which_spans_are_read():
    spans = [
        Span(day(0), 16, 5),
        Span(day(0), 4, 5),
        Span(day(16), 4, 5),
        Span(day(16), 4, 9),
        Span(day(20), 4, 12),
    ]
    assert covering(spans, 9) == (spans[0], spans[3])
    assert covering(spans, 5) == (spans[0], spans[2])
    assert covering(spans[1:], 4) == ()


@pytest.mark.parametrize(("today", "expected"), [(3, []), (4, [4]), (15, [4, 4, 4]), (16, [4, 4, 4, 4, 16])])
def test_which_spans_are_made(today, expected):
    days = [day(n) for n in range(today)]
    found = missing(days, [], day(today), 7)
    assert [span.days for span in found] == expected
    assert all(span.batch == 7 for span in found)
    assert missing(days, found, day(today), 8) == []
    # One day alone is read as quickly by itself.
    assert missing([day(1)], [], day(100), 7) == []


def test_days_at_the_ends_of_the_calendar_are_in_no_span():
    ends = [date.min, date(1, 1, 2), date(9999, 12, 30), date.max]
    assert missing(ends, (), date(2026, 11, 26), 1) == []


def test_a_damaged_span_is_an_error_of_the_store(tmp_path):
    fill(tmp_path)
    ingest(str(tmp_path), now=datetime(2026, 12, 1, tzinfo=UTC))
    files = list((tmp_path / SPANS).rglob("*.parquet"))
    assert files
    for file in files:
        file.write_bytes(b"no Parquet")
    with pytest.raises(StoreError, match="cannot be read"):
        read_rollup(str(tmp_path))
