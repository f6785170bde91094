"""Rollups, compaction, vacuum, retention, and tables of other versions."""

import dataclasses
import math
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.latency.jitter import jitter
from planner.latency.statistics import quantile_ranks
from planner.measurements import MeasurementError, read_rounds, read_stores
from planner.store import upkeep as module
from planner.store.figures import read_figures
from planner.store.histogram import ACCURACY, HIGHEST, LOWEST, Histograms, bucket_values, buckets
from planner.store.ingest import ingest
from planner.store.rolling import roll_up
from planner.store.rollup import read_rollup
from planner.store.shelf import address_of, open_shelf
from planner.store.table import ROLLUPS, SCHEMA, files_of_days, open_table
from planner.store.upkeep import upkeep
from tests.planner.store.inbox_writing import SAMPLE, SITES, put, samples

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def table_of(store):
    return open_table(address_of(str(store)))


def look_after(store, **how):
    address = address_of(str(store))
    return upkeep(address, open_shelf(address), **{"now": NOON, "due": True, **how})


def fill(store, days=3, rounds=4, seed=3):
    """Rounds of several days with losses, each ingested by itself; the rows."""
    draw = np.random.default_rng(seed)
    rows = []
    for n in range(days * rounds):
        day = f"2026-11-{20 + n // rounds}"
        run = f"{day.replace('-', '')}T{n:06}"
        mine = [
            dataclasses.replace(
                SAMPLE, run_id=run, site=site, sample=k,
                started_at=f"{day}T10:{n:02}:{k:02}.000000Z",
                rtt_ms=None if draw.random() < 0.1 else float(draw.lognormal(3, 1)),
            )
            for site in SITES
            for k in range(5)
        ]  # fmt: skip
        mine = [
            row if row.rtt_ms is not None else dataclasses.replace(row, failure="connect_timeout")
            for row in mine
        ]
        put(store, mine, run, day=day)
        ingest(str(store), now=NOON)
        rows += mine
    return rows


def exact(rows, site, quantile):
    times = np.sort([math.inf if row.rtt_ms is None else row.rtt_ms for row in rows if row.site == site])
    return times[int(quantile_ranks(len(times), quantile).estimate) - 1]


def test_rollups_are_within_their_accuracy(tmp_path):
    rows = fill(tmp_path)
    look_after(tmp_path)
    found = read_rollup(str(tmp_path))
    assert (found.vantages, found.sites, found.protocols) == (("tokyo-1",) * 3, SITES, ("tcp",) * 3)
    for quantile in (0.5, 0.75, 0.9, 0.95):
        for value, site in zip(found.histograms.quantile(quantile), SITES, strict=True):
            assert value == pytest.approx(exact(rows, site, quantile), rel=ACCURACY + 1e-9)
    assert found.histograms.total().tolist() == [60, 60, 60]
    lost = [sum(row.rtt_ms is None for row in rows if row.site == site) for site in SITES]
    assert found.histograms.lost.tolist() == lost
    assert found.loss_ratio() == pytest.approx(np.array(lost) / 60)
    rounds = read_rounds([str(tmp_path)])
    for position, pair in enumerate(rounds.pairs()):
        steps = jitter(rounds.rtt_ms[pair], rounds.round[pair], 0.5)
        assert found.jitter.quantile(0.5)[position] == pytest.approx(steps.within_ms, rel=ACCURACY + 1e-9)
        assert found.jitter.total()[position] == steps.within_pairs
    day = read_rollup(str(tmp_path), since=date(2026, 11, 21), until=date(2026, 11, 22))
    assert day.histograms.total().tolist() == [20, 20, 20]


@settings(deadline=None)
@given(st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=50), st.integers(0, 3), st.floats(0.01, 0.99))
def test_a_histogram_reads_within_one_percent(values, lost, quantile):
    count = np.bincount(buckets(np.array(values)) - LOWEST, minlength=HIGHEST - LOWEST + 1)
    # Between two others, so that one pair's is not taken for another's.
    found = Histograms(np.stack((count[::-1], count, count)), np.array([9, lost, 0])).quantile(quantile)
    expected = np.append(np.sort(values), [math.inf] * lost)
    rank = int(quantile_ranks(len(expected), quantile).estimate)
    assert found[1] == pytest.approx(expected[rank - 1], rel=ACCURACY + 1e-9)


def test_histograms_of_nothing_of_losses_and_of_extremes():
    none = Histograms(np.zeros((1, HIGHEST - LOWEST + 1), np.int64), np.zeros(1, np.int64))
    assert np.isnan(none.quantile(0.5))
    assert dataclasses.replace(none, lost=np.array([3])).quantile(0.5) == math.inf
    assert bucket_values()[0] == 0.0
    assert bucket_values()[-LOWEST] == pytest.approx(1.0, rel=ACCURACY)


def test_a_batch_is_rolled_up_once(tmp_path):
    rows = fill(tmp_path, days=1)
    address = address_of(str(tmp_path))
    stale = open_table(address, ROLLUPS)
    assert roll_up(address, table_of(tmp_path)) == 4
    assert roll_up(address, table_of(tmp_path)) == 4
    assert read_rollup(str(tmp_path)).histograms.total().sum() == len(rows)
    put(tmp_path, samples(10.0, run_id="late"), "late", day="2026-11-20")
    ingest(str(tmp_path), now=NOON)
    # Two at once: who looked before the other's commit is refused.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("planner.store.rolling.create_table", lambda *given: stale)
        with pytest.raises(OSError, match="cannot be written"):
            roll_up(address, table_of(tmp_path))
    assert roll_up(address, table_of(tmp_path)) == 5
    assert read_rollup(str(tmp_path)).histograms.total().sum() == len(rows) + 1


def test_compaction_changes_nothing_but_the_number_of_files(tmp_path):
    fill(tmp_path)
    before = read_rounds([str(tmp_path)])
    reports = [read_stores([f"{tmp_path}@{n}"], 0.9, SITES) for n in (5, 12)]
    assert set(files_of_days(table_of(tmp_path)).values()) == {4}
    done = look_after(tmp_path)
    assert set(files_of_days(table_of(tmp_path)).values()) == {1}
    assert done.compacted >= 12
    after = read_rounds([str(tmp_path)])
    for name in ("vantage", "site", "started_at", "round", "rtt_ms"):
        assert np.array_equal(getattr(before, name), getattr(after, name))
    again = [read_stores([f"{tmp_path}@{n}"], 0.9, SITES) for n in (5, 12)]
    assert list(map(repr, again)) == list(map(repr, reports))  # nan is not nan
    # What a file says of its runs is still there, so that a round that comes again is found out.
    put(tmp_path, samples(1.0, run_id="20261120T000000"), "20261120T000000")
    assert ingest(str(tmp_path), now=NOON).known == 1


def test_a_vacuum_leaves_readers_their_files(tmp_path, monkeypatch):
    fill(tmp_path, days=1)
    held = table_of(tmp_path).file_uris()
    look_after(tmp_path)
    assert not set(held) & set(table_of(tmp_path).file_uris())
    assert len(pa.concat_tables(pa.parquet.read_table(path) for path in held)) == 60
    monkeypatch.setattr(module, "KEPT_FOR_READERS_H", 0)
    for table in ("measurements", ROLLUPS):
        DeltaTable(str(tmp_path / table)).alter.set_table_properties(
            {"delta.deletedFileRetentionDuration": "interval 0 hours"}
        )
    assert look_after(tmp_path).vacuumed >= 4
    assert not any(Path(path).exists() for path in held)
    assert len(read_rounds([str(tmp_path)]).rtt_ms) == 60


def test_rows_are_dropped_once_their_rollup_is_there(tmp_path, monkeypatch):
    fill(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("planner.store.rolling.roll_up", lambda *given: 11)
        assert look_after(tmp_path, keep_days=5).dropped == 0
    assert look_after(tmp_path, keep_days=5).dropped == 1
    assert list(files_of_days(table_of(tmp_path))) == [date(2026, 11, 21), date(2026, 11, 22)]
    assert read_rollup(str(tmp_path)).histograms.total().tolist() == [60, 60, 60]
    assert len(read_rounds([str(tmp_path)]).rtt_ms) == 120
    # A round of a dropped day that comes late is counted in both.
    put(tmp_path, samples(10.0, 11.0, run_id="late", started_at="2026-11-20T23:00:00.000000Z"), "late")
    ingest(str(tmp_path), now=NOON)
    look_after(tmp_path)
    assert read_rollup(str(tmp_path)).histograms.total().tolist() == [62, 60, 60]


def test_once_a_day(tmp_path):
    put(tmp_path, samples(10.0))
    assert ingest(str(tmp_path), now=NOON).upkept.rolled_up == 1
    put(tmp_path, samples(11.0, run_id="r2"), "r2")
    assert ingest(str(tmp_path), now=NOON + timedelta(hours=11)).upkept is None
    assert ingest(str(tmp_path), now=NOON + timedelta(hours=13)).upkept.rolled_up == 2


def test_a_table_of_an_older_version(tmp_path):
    older = [field for field in SCHEMA if field.name not in ("lag_ms", "resolver", "crypto_ms")]
    table = DeltaTable.create(
        str(tmp_path / "measurements"), Schema.from_arrow(pa.schema(older)), partition_by=["day"]
    )
    row = dict.fromkeys(field.name for field in older) | {
        name: getattr(SAMPLE, name) for name in ("run_id", "vantage", "site", "host", "protocol", "sample")
    }
    row |= {"vantage_country": "JP", "vantage_lat": 35.0, "vantage_lon": 139.0, "rtt_ms": 9.0, "batch": 1}
    row |= {"schema": 1, "started_at": NOON, "day": NOON.date(), "clock": "kernel"}
    write_deltalake(
        table, pa.Table.from_pylist([row], pa.schema(older)), mode="append",
        commit_properties=CommitProperties(app_transactions=[Transaction("ingest", 1)]),
    )  # fmt: skip
    assert read_rounds([str(tmp_path)]).rtt_ms.tolist() == [9.0]
    put(tmp_path, [dataclasses.replace(SAMPLE, run_id="new", lag_ms=0.5)], "new")
    assert ingest(str(tmp_path), now=NOON).batch == 2
    assert sorted(read_rounds([str(tmp_path)]).rtt_ms.tolist()) == [9.0, 210.0]
    lags = table_of(tmp_path).to_pyarrow_table().column("lag_ms").to_pylist()
    assert sorted(lags, key=str) == [0.5, None]


def test_a_table_of_a_newer_version_is_refused(tmp_path):
    put(tmp_path, samples(10.0))
    ingest(str(tmp_path), now=NOON)
    table_of(tmp_path).alter.set_table_properties({"edgeplan.schema": "2"}, raise_if_not_exists=False)
    put(tmp_path, samples(10.0, run_id="r2"), "r2")
    for use in (lambda: ingest(str(tmp_path)), lambda: read_stores([str(tmp_path)], 0.5, SITES)):
        with pytest.raises(MeasurementError, match="has schema 2, and this version of edgeplan knows 1"):
            use()
    assert (tmp_path / "inbox").exists()


def with_old_rollups(store):
    """A day of four batches whose rollups an older edgeplan wrote; what they say."""
    fill(store, days=1)
    look_after(store)
    before = read_rollup(str(store))
    shutil.rmtree(store / ROLLUPS)
    lists = {"vantage": list(before.vantages), "site": list(before.sites), "protocol": list(before.protocols)}
    lists |= {"samples": before.histograms.total(), "lost": before.histograms.lost}
    for name, of in (("", before.histograms), ("jitter_", before.jitter)):
        filled = [np.flatnonzero(each) for each in of.count]
        lists[f"{name}bucket"] = pa.array([(of.first + at).tolist() for at in filled], pa.list_(pa.int16()))
        lists[f"{name}count"] = [of.count[n][at].tolist() for n, at in enumerate(filled)]
    lists |= {"batch": [4] * len(filled), "day": [date(2026, 11, 20)] * len(filled)}
    write_deltalake(
        str(store / ROLLUPS), pa.table(lists), partition_by=["day"],
        commit_properties=CommitProperties(app_transactions=[Transaction("rollup", 4)]),
    )  # fmt: skip
    return before


def test_rollups_of_an_older_version(tmp_path):
    """Their histograms are lists, and there are no series."""
    before = with_old_rollups(tmp_path)
    (tmp_path / ROLLUPS).rename(tmp_path / "kept")
    figures = read_figures([str(tmp_path)], [0.5, 0.9])
    (tmp_path / "kept").rename(tmp_path / ROLLUPS)

    def same(found, more):
        assert found.histograms.total().tolist() == [n + more for n in before.histograms.total().tolist()]
        assert found.histograms.lost.tolist() == before.histograms.lost.tolist()
        if not more:
            assert [found.histograms.quantile(q).tolist() for q in (0.5, 0.9)] == [
                before.histograms.quantile(q).tolist() for q in (0.5, 0.9)
            ]
            assert found.jitter.quantile(0.9).tolist() == before.jitter.quantile(0.9).tolist()

    same(read_rollup(str(tmp_path)), 0)
    assert read_figures([str(tmp_path)], [0.5, 0.9]).rtt_ms.tolist() == figures.rtt_ms.tolist()
    late = [row for site in SITES for row in samples(10.0, run_id="late", site=site)]
    put(
        tmp_path, [dataclasses.replace(row, started_at="2026-11-20T20:00:00.000000Z") for row in late], "late"
    )
    ingest(str(tmp_path), now=NOON)
    assert look_after(tmp_path).compacted >= 2  # rows of both kinds in one file now
    same(read_rollup(str(tmp_path)), 1)
    assert read_figures([str(tmp_path)], [0.5]).samples.tolist() == [21] * 3


def test_rollups_of_an_older_version_whose_rows_were_dropped(tmp_path):
    """What is rolled up of such a day later has as many rows as the table, and is not all that there is."""
    with_old_rollups(tmp_path)
    assert look_after(tmp_path, keep_days=1).dropped == 1
    late = samples(10.0, 12.0, run_id="late", started_at="2026-11-20T20:00:00.000000Z")
    put(tmp_path, late, "late")
    ingest(str(tmp_path), now=NOON)
    roll_up(address_of(str(tmp_path)), table_of(tmp_path))
    for _ in range(2):  # as two files, and as one
        found = read_figures([str(tmp_path)], [0.5])
        assert (found.samples.tolist(), found.lost.tolist(), found.rtt_ms.tolist()) == ([2], [0], [[10.0]])
        look_after(tmp_path)


def test_round_trips_go_with_the_rows_that_were_dropped(tmp_path, monkeypatch):
    """The rollups keep the histograms of these days, and of the others everything."""

    def series():
        rows = table_of_rollups().to_pyarrow_table(columns=["day", "series", "steps"]).to_pylist()
        return {row["day"].day for row in rows if row["series"] is not None or row["steps"] is not None}

    def table_of_rollups():
        return open_table(address_of(str(tmp_path)), ROLLUPS)

    fill(tmp_path)
    look_after(tmp_path)
    before, figures = read_rollup(str(tmp_path)), read_figures([str(tmp_path)], [0.5])
    assert series() == {20, 21, 22}
    with monkeypatch.context() as patch:  # killed in between
        patch.setattr(DeltaTable, "delete", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            look_after(tmp_path, keep_days=5)
    assert series() == {21, 22}
    assert read_figures([str(tmp_path)], [0.5]).rtt_ms.tolist() == figures.rtt_ms.tolist()
    assert look_after(tmp_path, keep_days=5).dropped == 1
    after = read_rollup(str(tmp_path))
    assert after.histograms.count.tolist() == before.histograms.count.tolist()
    assert after.jitter.count.tolist() == before.jitter.count.tolist()
    # Rows that come later are neither all there is of the day, nor kept.
    put(tmp_path, samples(10.0, run_id="late", started_at="2026-11-20T20:00:00.000000Z"), "late")
    ingest(str(tmp_path), now=NOON)
    roll_up(address_of(str(tmp_path)), table_of(tmp_path))
    assert series() == {20, 21, 22}
    assert read_figures([str(tmp_path)], [0.5]).samples.tolist() == [41, 40, 40]
    assert look_after(tmp_path, keep_days=5).dropped == 1
    assert series() == {21, 22}
