"""Exact figures against every sample by itself, wherever the samples lie and however they are read."""

import dataclasses
import math
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from planner.latency.jitter import jitter
from planner.measurements import read_rounds
from planner.store import brackets, selection, stream
from planner.store.figures import read_figures
from planner.store.ingest import ingest
from planner.store.rolling import roll_up
from planner.store.shelf import StoreError, address_of
from planner.store.table import ROLLUPS, open_table
from tests.planner.latency.order_statistics import sample_quantile
from tests.planner.store.inbox_writing import SAMPLE, SITES, put, samples

QUANTILES = (0.5, 0.9, 0.99)


def rounds_of(store, runs, vantage="tokyo-1", day="2026-11-23", decimals=3):
    """Rounds of seven samples of every site, one in ten lost; each the same whenever it is asked for."""
    for n in runs:
        draw = np.random.default_rng((n, len(vantage), int(day[-2:])))
        run = f"{day}-{n:02}-{vantage}"
        rows = []
        for site in SITES:
            rtts = [
                None if draw.random() < 0.1 else round(float(draw.lognormal(3, 1)), decimals)
                for _ in range(7)
            ]
            part = samples(*rtts, failure="connect_timeout", site=site, run_id=run, vantage=vantage)
            rows += [
                dataclasses.replace(row, started_at=f"{day}T10:{n:02}:{k:02}.000000Z")
                for k, row in enumerate(part)
            ]
        put(store, rows, run, vantage, day)


def dead_round(store, run="dead", day="2026-11-23"):
    rows = [row for site in SITES for row in samples(None, failure="connect_timeout", site=site, run_id=run)]
    put(store, [dataclasses.replace(row, started_at=f"{day}T09:00:00.000000Z") for row in rows], run, day=day)


def check(*urls, **window):
    """Every figure is the samples' own; how many samples there are."""
    urls = [str(url) for url in urls]
    found = read_figures(urls, QUANTILES, **window)
    rounds = read_rounds(urls, **window)
    pairs = rounds.pairs()
    assert list(zip(found.vantages, found.sites, strict=True)) == [
        (rounds.places[rounds.vantage[at.start]].vantage, rounds.sites[rounds.site[at.start]]) for at in pairs
    ]
    for position, at in enumerate(pairs):
        rtt = rounds.rtt_ms[at]
        lost = int(np.isinf(rtt).sum())
        assert (found.samples[position], found.lost[position]) == (len(rtt), lost)
        answered = rtt[np.isfinite(rtt)].tolist()
        for column, quantile in enumerate(QUANTILES):
            assert found.rtt_ms[position, column] == sample_quantile(answered, lost, quantile).value
            expected = jitter(rtt, rounds.round[at], quantile).within_ms
            assert found.jitter_ms[position, column] == pytest.approx(expected, nan_ok=True, abs=0)
    return int(found.samples.sum())


@pytest.fixture(params=[12_000_000, 8], ids=["one pass", "many passes"])
def room(request, monkeypatch):
    """How many values are kept."""
    for module in (selection, brackets):
        monkeypatch.setattr(module, "KEPT", request.param)


def rolled(store):
    address = address_of(str(store))
    roll_up(address, open_table(address))


@pytest.fixture
def table_read(monkeypatch):
    """The names of the files whose rows are read."""
    names = []
    read = stream.Stream._read
    monkeypatch.setattr(
        stream.Stream, "_read", lambda self, group: (names.append(group.name), read(self, group))[1]
    )
    return names


def test_table_inbox_and_rollups_together(tmp_path, room, table_read):
    rounds_of(tmp_path, range(4))
    dead_round(tmp_path)
    assert check(tmp_path) == 84  # the inbox alone
    ingest(str(tmp_path))
    (tmp_path / ROLLUPS).rename(tmp_path / "kept")
    assert check(tmp_path) == 84
    assert table_read
    (tmp_path / "kept").rename(tmp_path / ROLLUPS)
    table_read.clear()
    assert check(tmp_path) == 84
    assert not table_read, "the rollups have this day whole"
    rounds_of(tmp_path, range(4, 6))
    rounds_of(tmp_path, range(1), day="2026-11-24", decimals=9)
    rounds_of(tmp_path, range(1), vantage="paris-1")
    assert check(tmp_path) == 84 + 42 + 42
    ingest(str(tmp_path))
    rounds_of(tmp_path, range(6, 7))
    assert check(tmp_path) == 189
    rolled(tmp_path)
    table_read.clear()
    assert check(tmp_path) == 189
    # One round of the inbox may be there already, by its time: then the day's own rows are looked at.
    assert set(table_read) <= {name for name in table_read if name.startswith("day=2026-11-23")}


def test_a_round_that_stands_in_two_places(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    rounds_of(one, range(3))
    rounds_of(two, range(2, 5))
    assert check(one, two) == check(two, one) == 5 * 21
    ingest(str(one))
    ingest(str(two))
    assert check(one, two) == 5 * 21
    rounds_of(one, range(3))
    assert check(one) == 3 * 21


def test_windows_and_past_batches(tmp_path):
    for day in ("2026-11-22", "2026-11-23", "2026-11-24"):
        rounds_of(tmp_path, range(2), day=day)
        ingest(str(tmp_path))
    rolled(tmp_path)
    noon = [datetime(2026, 11, day, 10, 1, tzinfo=UTC) for day in (22, 24)]
    midnight = [datetime(2026, 11, day, tzinfo=UTC) for day in (23, 24)]
    assert check(tmp_path, since=noon[0], until=noon[1]) == 4 * 21
    assert check(tmp_path, since=midnight[0], until=midnight[1]) == 2 * 21
    assert check(tmp_path, until=midnight[0]) == 2 * 21
    assert check(tmp_path, since=datetime(2027, 1, 1, tzinfo=UTC)) == 0
    assert [check(f"{tmp_path}@{n}") for n in (1, 2, 3)] == [42, 84, 126]


def test_parts_of_a_round_that_come_late(tmp_path):
    """Their steps are told as they came, and a round with an answer anywhere was not cut off."""
    first = [*samples(10.0, 20.0, 40.0), *samples(None, failure="connect_timeout", site="us-east-1")]
    put(tmp_path, first)
    silent = [*samples(None, failure="connect_timeout", site=SITES[0], run_id="r2"),
              *samples(None, failure="connect_timeout", site=SITES[1], run_id="r2"),
              *samples(None, failure="connect_timeout", site=SITES[2], run_id="r2")]  # fmt: skip
    put(tmp_path, silent, "r2")
    ingest(str(tmp_path))
    put(tmp_path, [*first, *(dataclasses.replace(SAMPLE, sample=n, rtt_ms=n * 1.5) for n in (3, 4))])
    put(tmp_path, samples(7.0, site="eu-west-4", run_id="r2"), "r2")
    ingest(str(tmp_path))
    found = read_figures([str(tmp_path)], [0.5, 0.99])
    rows = dict(zip(found.sites, found.samples.tolist(), strict=True))
    assert rows == {"eu-west-1": 6, "eu-west-3": 1, "eu-west-4": 1, "us-east-1": 2}
    assert found.jitter_ms[0].tolist() == [10.0, 20.0]
    rolled(tmp_path)
    again = read_figures([str(tmp_path)], [0.5, 0.99])
    assert again.jitter_ms[0].tolist() == [10.0, 20.0]


def test_without_jitter_and_the_protocol_that_counts(tmp_path):
    put(tmp_path, [*samples(10.0, 11.0), *samples(5.0, protocol="icmp"), *samples(3.0, 4.0, protocol="dns"),
                   *samples(9.0, protocol="icmp", site="us-east-1")])  # fmt: skip
    for _ in range(2):
        found = read_figures([str(tmp_path)], [0.5], jitter=False)
        assert (found.sites, found.samples.tolist()) == (("eu-west-1", "us-east-1"), [2, 1])
        assert found.rtt_ms.ravel().tolist() == [10.0, 9.0]
        assert np.isnan(found.jitter_ms).all()
        assert math.isfinite(found.rtt_ms[0, 0])
        ingest(str(tmp_path))


def test_rows_that_were_dropped_are_no_longer_read(tmp_path):
    rounds_of(tmp_path, range(2), day="2026-11-22")
    rounds_of(tmp_path, range(2))
    ingest(str(tmp_path))
    open_table(address_of(str(tmp_path))).delete("day < '2026-11-23'")
    assert check(tmp_path) == 42


def past_midnight(store, *, together):
    """A round that is silent before midnight and heard after it, in one object or in two ingests."""
    before = [
        dataclasses.replace(row, started_at="2026-11-22T23:59:50.000000Z")
        for site in SITES
        for row in samples(None, failure="connect_timeout", site=site, run_id="r2")
    ]
    heard = samples(10.0, 11.0, site=SITES[0], run_id="r1", started_at="2026-11-22T12:00:00.000000Z")
    after = [
        dataclasses.replace(
            SAMPLE, sample=5, rtt_ms=7.0, site=SITES[0], run_id="r2", started_at="2026-11-23T00:00:05.000000Z"
        )
    ]
    put(store, heard, "r1", day="2026-11-22")
    put(store, [*before, *after] if together else before, "r2", day="2026-11-22")
    ingest(str(store))
    rolled(store)
    if not together:
        put(store, after, "r2", day="2026-11-23")
        ingest(str(store))
        rolled(store)


@pytest.mark.parametrize("together", [True, False])
def test_a_round_past_midnight(tmp_path, together):
    """It was cut off as far as a window that ends at midnight can tell, and was not for any other."""
    past_midnight(tmp_path, together=together)
    midnight = datetime(2026, 11, 23, tzinfo=UTC)
    for _ in range(2):  # with rollups, and without
        found = read_figures([str(tmp_path)], [0.5])
        assert (found.samples.tolist(), found.lost.tolist()) == ([4, 1, 1], [1, 1, 1])
        assert found.rtt_ms[0].tolist() == [10.0]
        found = read_figures([str(tmp_path)], [0.5], until=midnight)
        assert (found.samples.tolist(), found.lost.tolist()) == ([2], [0])
        found = read_figures([str(tmp_path)], [0.5], since=midnight)
        assert (found.samples.tolist(), found.lost.tolist()) == ([1], [0])
        if (tmp_path / ROLLUPS).exists():
            (tmp_path / ROLLUPS).rename(tmp_path / "kept")


def test_a_rollup_of_more_round_trips_than_samples_is_refused(tmp_path):
    rounds_of(tmp_path, range(1))
    ingest(str(tmp_path), now=datetime(2026, 11, 25, tzinfo=UTC))
    (file,) = (tmp_path / ROLLUPS).glob("day=*/*.parquet")
    rows = pq.read_table(file, partitioning=None)
    at = rows.column_names.index("samples")
    pq.write_table(rows.set_column(at, rows.field(at), pa.array([1] * len(rows), pa.int64())), file)
    with pytest.raises(StoreError, match="more round trips than samples"):
        read_figures([str(tmp_path)], [0.5])
