import dataclasses
import hashlib
import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.latency.effective import batch_of, bounded_quantile, effective_samples
from planner.latency.jitter import jitter
from planner.latency.loss import loss_ratio
from planner.measurements import MeasurementError, StoreError, hash_sources, read_jitter, read_stores
from planner.store.counting import PROTOCOLS
from probes.record import FAILURES, is_loss
from tests.planner.store.inbox_writing import SAMPLE, SITES, put, put_bytes, samples


def read(*stores, quantile=0.5, sites=SITES):
    return read_stores([str(store) for store in stores], quantile, sites)


def only(report):
    (found,) = report.statistics
    return found


def test_a_pair_and_where_its_vantage_stands(tmp_path):
    put(tmp_path, samples(10.0, 12.0, 11.0, 13.0, 14.0))
    report = read(tmp_path)
    found = only(report)
    assert (found.vantage.id, found.vantage.country, found.site_id) == ("tokyo-1", "JP", "eu-west-1")
    assert (found.vantage.lat, found.vantage.lon) == (35.69, 139.69)
    assert (found.rtt_ms, found.lower_ms, found.upper_ms) == (12.0, 0.0, math.inf)
    assert (found.samples, found.loss_ratio, found.kind, found.direct) == (5, 0.0, "sampled", True)
    assert (report.rows, report.damaged, report.complaints) == (5, 0, ())


def rounds_of(rtts, each):
    """These samples in rounds of so many, one minute after the other."""
    rows = []
    for number, start in enumerate(range(0, len(rtts), each)):
        minute = f"2026-11-23T{10 + number // 60:02}:{number % 60:02}"
        found = samples(*rtts[start : start + each], failure="connect_timeout", run_id=f"r{number}")
        rows += [dataclasses.replace(row, started_at=f"{minute}:{row.sample:02}.000000Z") for row in found]
    return rows


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.floats(0.1, 900) | st.none(), min_size=1, max_size=150),
    st.sampled_from([0.5, 0.75, 0.9, 0.95, 0.99]),
    st.integers(1, 20),
)
def test_sql_gives_the_order_statistics(tmp_path_factory, rtts, quantile, each):
    store = tmp_path_factory.mktemp("store")
    put(store, rounds_of(rtts, each))
    rtt_ms = np.array([math.inf if rtt is None else rtt for rtt in rtts])
    expected = bounded_quantile(rtt_ms, np.arange(len(rtts)) // each, quantile)
    found = only(read(store, quantile=quantile))
    assert (found.rtt_ms, found.lower_ms, found.upper_ms) == (
        *(expected.rtt_ms, expected.lower_ms),
        expected.upper_ms,
    )
    lost = sum(rtt is None for rtt in rtts)
    assert found.loss_ratio == pytest.approx(lost / len(rtts))
    assert found.detail.effective == pytest.approx(expected.effective)
    assert found.detail.drawn_ms == pytest.approx(expected.drawn_ms, rel=0.003, nan_ok=True)
    assert found.detail.rounds == math.ceil(len(rtts) / each)
    batch = batch_of(np.arange(len(rtts)) // each)
    worth = effective_samples(
        np.bincount(batch, np.isinf(rtt_ms)), np.bincount(batch), math.ceil(len(rtts) / each)
    )
    loss = loss_ratio(lost, len(rtts), worth)
    assert (found.detail.loss_lower, found.detail.loss_upper) == (
        pytest.approx(float(loss.lower)),
        pytest.approx(float(loss.upper)),
    )


def test_a_long_store_is_read_in_parts(tmp_path, monkeypatch):
    rows = [
        dataclasses.replace(row, site=site, run_id=f"{row.run_id}-{site}")
        for site, base in zip(SITES, (20.0, 40.0, 60.0), strict=True)
        for row in rounds_of([base + n % 7 for n in range(60)], 2)
    ]
    put(tmp_path, rows)
    whole = read(tmp_path)
    assert [found.rtt_ms for found in whole.statistics] == [23.0, 43.0, 63.0]
    monkeypatch.setattr("planner.store.query._AT_ONCE", 70)
    assert read(tmp_path).statistics == whole.statistics


def test_two_levels_and_jitter_from_a_store(tmp_path):
    rng = np.random.default_rng(2)
    level = np.repeat(np.where(np.arange(80) % 20 < 12, 30.0, 45.0), 3)
    rtts = (level + rng.exponential(0.2, 240)).round(3).tolist()
    put(tmp_path, rounds_of(rtts, 3))
    low, high = only(read(tmp_path)).detail.modes
    assert (low.rtt_ms, high.rtt_ms) == (pytest.approx(30.1, rel=0.01), pytest.approx(45.1, rel=0.01))
    assert (low.share, high.share) == (pytest.approx(0.6), pytest.approx(0.4))
    found = read_jitter([str(tmp_path)], 0.95, SITES)
    assert found == {("tokyo-1", "eu-west-1"): jitter(rtts, np.arange(240) // 3, 0.95)}
    assert read_jitter([str(tmp_path)], 0.95, ["us-east-1"]) == {}


def test_rounds_that_overlap_are_kept_apart(tmp_path):
    """Jitter within a round is not taken across to another that ran at the same time."""
    starts = [f"2026-11-23T10:00:0{second}.000000Z" for second in range(4)]
    rows = [
        dataclasses.replace(samples(rtt, run_id=run, started_at=start)[0], sample=n)
        for n, (rtt, run, start) in enumerate(zip((10.0, 50.0, 11.0, 53.0), "abab", starts, strict=True))
    ]
    put(tmp_path, rows)
    (found,) = read_jitter([str(tmp_path)], 0.5, SITES).values()
    assert (found.within_ms, found.within_pairs, found.between_ms) == (1.0, 2, 40.0)


LOSS = {
    "connect_timeout",
    "connect_refused",
    "syn_retransmit",
    "unreachable",
    "tls_timeout",
    "http_timeout",
    "icmp_timeout",
}


@pytest.mark.parametrize("failure", FAILURES)
def test_which_failures_are_loss(tmp_path, failure):
    rows = samples(10.0, 11.0, 12.0, None, failure=failure)
    put(tmp_path, rows)
    found = only(read(tmp_path, quantile=0.9))
    if failure in LOSS:
        assert (found.samples, found.loss_ratio, found.rtt_ms) == (4, 0.25, math.inf)
    else:
        assert (found.samples, found.loss_ratio, found.rtt_ms) == (3, 0.0, 12.0)


@pytest.mark.parametrize("failure", ["unreachable", "connect_refused", "other"])
def test_a_path_that_was_never_tried_is_no_loss(tmp_path, failure):
    unresolved = dataclasses.replace(SAMPLE, sample=3, rtt_ms=None, failure=failure, peer=None, family=None)
    put(tmp_path, [*samples(10.0, 11.0, 12.0), unresolved])
    found = only(read(tmp_path, quantile=0.9))
    assert (found.samples, found.loss_ratio, found.rtt_ms) == (3, 0.0, 12.0)


def test_the_planner_counts_as_lost_what_the_agent_does(tmp_path):
    failed = {
        f"{protocol}-{failure}-{peer}": dataclasses.replace(
            SAMPLE, protocol=protocol, rtt_ms=None, failure=failure, peer=peer, sample=1
        )
        for protocol in PROTOCOLS
        for failure in FAILURES
        for peer in (None, "192.0.2.1")
    }
    rows = [dataclasses.replace(row, site=site) for site, row in failed.items()]
    answered = [dataclasses.replace(row, sample=0, rtt_ms=10.0, failure=None) for row in rows]
    put(tmp_path, [*answered, *rows])
    found = {each.site_id: each.loss_ratio for each in read(tmp_path, sites=tuple(failed)).statistics}
    assert found == {site: 0.5 if is_loss(row) else 0.0 for site, row in failed.items()}
    assert set(found.values()) == {0.0, 0.5}


def test_a_failure_that_carries_a_time_is_still_a_failure(tmp_path):
    retransmitted = dataclasses.replace(SAMPLE, sample=3, rtt_ms=1010.0, failure="syn_retransmit")
    put(tmp_path, [*samples(10.0, 11.0, 12.0), retransmitted])
    assert only(read(tmp_path, quantile=0.9)).rtt_ms == math.inf


def test_all_lost_is_infinite(tmp_path):
    put(tmp_path, samples(None, None, None, failure="connect_timeout"))
    found = only(read(tmp_path))
    assert (found.rtt_ms, found.upper_ms, found.loss_ratio) == (math.inf, math.inf, 1.0)


def test_a_round_that_reached_nothing_speaks_of_the_vantage(tmp_path):
    dead = [row for site in SITES for row in samples(None, None, failure="connect_timeout", site=site)]
    put(tmp_path, [dataclasses.replace(row, run_id="dead") for row in dead], run_id="dead")
    put(tmp_path, samples(10.0, 11.0, 12.0))
    report = read(tmp_path)
    assert (only(report).samples, only(report).loss_ratio) == (3, 0.0)
    (complaint,) = report.complaints
    assert complaint.startswith("vantage tokyo-1: 1 round reached no site at all and is left out")


def test_one_site_that_answers_makes_the_others_lost(tmp_path):
    rows = [row for site in SITES[1:] for row in samples(None, failure="connect_timeout", site=site)]
    put(tmp_path, [*rows, *samples(10.0)])
    found = {each.site_id: each.loss_ratio for each in read(tmp_path).statistics}
    assert found == {"eu-west-1": 0.0, "eu-west-3": 1.0, "us-east-1": 1.0}


def test_the_protocol_order(tmp_path):
    times = {"http": 40.0, "tls": 30.0, "icmp": 20.0, "tcp": 10.0}
    stores = []
    for protocol, rtt in times.items():
        store = tmp_path / protocol
        put(store, samples(rtt, protocol=protocol), run_id=protocol)
        stores.append(store)
        assert only(read(*stores)).rtt_ms == min(times[s.name] for s in stores)


def test_dns_rows_time_no_site(tmp_path):
    put(tmp_path, samples(5.0, 6.0, protocol="dns", resolver="1.1.1.1"))
    report = read(tmp_path)
    assert (report.statistics, report.rows) == ((), 2)


def test_the_same_sample_twice_counts_once(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    rows = samples(10.0, 20.0, 30.0)
    put(one, rows + rows)
    put(two, rows)
    put(two, samples(40.0, run_id="r2"), run_id="r2")
    report = read(one, two)
    assert (report.rows, only(report).samples) == (4, 4)


@pytest.mark.parametrize(
    "change",
    [
        {"host": "other"},
        {"port": 80},
        {"protocol": "icmp"},
        {"resolver": "1.1.1.1"},
        {"run_id": "x"},
        {"family": 6},
    ],
)
def test_what_tells_samples_apart(tmp_path, change):
    put(tmp_path, samples(10.0) + samples(10.0, **change))
    assert read(tmp_path).rows == 2


def test_unknown_sites_are_named_and_left_out(tmp_path):
    put(tmp_path, samples(10.0) + samples(20.0, 21.0, site="eu-west-33"))
    report = read(tmp_path)
    assert only(report).site_id == "eu-west-1"
    assert report.complaints == (
        "site 'eu-west-33' is not among this study's (2 samples unused); did you mean 'eu-west-3'?",
    )


def test_a_vantage_that_moved_stands_where_it_was_last(tmp_path):
    put(tmp_path, samples(11.0, run_id="b", vantage_lat=34.7, started_at="2026-11-24T00:00:00.000000Z"), "b")
    put(tmp_path, samples(10.0, run_id="a"), "a")
    report = read(tmp_path)
    assert only(report).vantage.lat == 34.7
    assert report.complaints == (
        "vantage 'tokyo-1' stands at 35.69, 139.69 (JP) and, later, at 34.7, 139.69 (JP); the last is used",
    )


def test_a_plain_file_and_a_file_url(tmp_path):
    lines = "".join(row.to_json() + "\n" for row in samples(10.0, 12.0, 11.0))
    plain = tmp_path / "rounds.jsonl"
    plain.write_text(lines, encoding="utf-8")
    packed = put(tmp_path / "store", samples(10.0, 12.0, 11.0))
    for url in (str(plain), plain.as_uri(), str(packed), (tmp_path / "store").as_uri()):
        assert only(read_stores([url], 0.5, SITES)).rtt_ms == 11.0


def test_a_path_that_looks_like_a_pattern(tmp_path):
    odd, other = tmp_path / "a[bc]*", tmp_path / "ab1"
    put(odd, samples(10.0))
    put(other, samples(99.0, run_id="r2"), "r2")
    assert only(read(odd)).rtt_ms == 10.0


def test_only_what_stands_in_the_inbox_layout_is_read(tmp_path):
    put(tmp_path, samples(10.0))
    stray = tmp_path / "inbox" / "day=2026-11-23" / "vantage=tokyo-1" / ".r9.jsonl.gz.tmp"
    stray.write_bytes(b"half written")
    (tmp_path / "inbox" / "notes.jsonl.gz").write_bytes(b"no")
    report = read(tmp_path)
    assert (report.rows, report.damaged) == (1, 0)


def test_no_store_no_statistics():
    report = read_stores([], 0.5, SITES)
    assert (report.statistics, report.rows, report.damaged, report.complaints) == ((), 0, 0, ())


def test_what_is_no_store_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bare" / "inbox").mkdir(parents=True)
    (tmp_path / "table.csv").write_text("a,b\n", encoding="utf-8")
    (tmp_path / "nothing.jsonl").write_bytes(b"")
    (tmp_path / "picture.jsonl").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    for name, complaint in {
        "missing": "is not there",
        "empty": "it has no inbox",
        "bare": "its inbox is empty",
        "table.csv": r"neither a store nor a \.jsonl",
        "nothing.jsonl": r"holds no sound measurement$",
        "picture.jsonl": r"holds no sound measurement \(line 1: is not UTF-8\)",
    }.items():
        with pytest.raises(MeasurementError, match=complaint) as caught:
            read(tmp_path / name)
        assert caught.value.file == str(tmp_path / name)


def test_a_store_that_may_not_be_read_is_not_bad_input(tmp_path):
    path = put(tmp_path, samples(10.0))
    for closed in (path, tmp_path / "inbox", tmp_path):
        mode = closed.stat().st_mode
        closed.chmod(0)
        root = os.geteuid() == 0
        tmp_path.parent.chmod(0o755)
        if root:  # whom no mode keeps out
            os.seteuid(65534)
        try:
            with pytest.raises(StoreError, match=r"cannot be read: Permission denied") as caught:
                read(tmp_path)
        finally:
            if root:
                os.seteuid(0)
            closed.chmod(mode)
        assert str(tmp_path) in str(caught.value)
        assert not isinstance(caught.value, MeasurementError)


def test_the_hash_is_of_what_was_read(tmp_path):
    path = tmp_path / "rounds.jsonl"
    path.write_text("".join(row.to_json() + "\n" for row in samples(10.0)), encoding="utf-8")
    put(tmp_path / "store", samples(11.0, run_id="r2"), "r2")
    urls = [str(path), str(tmp_path / "store"), str(path)]
    report = read(*urls)
    assert dict(report.hashes) == dict(hash_sources(urls))
    assert report.hashes[str(path)] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_each_store_holds(tmp_path):
    one, two, three = tmp_path / "one", tmp_path / "two", tmp_path / "three"
    put(one, samples(10.0, 20.0) + samples(9.0, site="eu-west-3"))
    put(two, samples(10.0, 20.0))
    put(three, samples(5.0, 6.0, protocol="dns", run_id="r3"), "r3")
    put_bytes(three, b"broken\n", "r4")
    stores = {each.url: each for each in read(one, two, three).stores}
    assert list(stores) == [str(one), str(two), str(three)]
    assert [each.rows for each in stores.values()] == [3, 2, 2]
    both = {("tokyo-1", "eu-west-1"), ("tokyo-1", "eu-west-3")}
    assert stores[str(one)].pairs == both
    assert stores[str(two)].pairs == {("tokyo-1", "eu-west-1")}
    assert stores[str(three)].pairs == set()


def test_hashes_follow_the_content(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    first = put(one, samples(10.0))
    (two / first.relative_to(one)).parent.mkdir(parents=True)
    (two / first.relative_to(one)).write_bytes(first.read_bytes())
    before = hash_sources([str(one), str(two), f"{two}/"])
    assert len(set(before.values())) == 1
    put(two, samples(11.0, run_id="r2"), "r2")
    after = hash_sources([str(one), str(two)])
    assert after[str(one)] == before[str(one)]
    assert after[str(two)] != before[str(two)]


def test_many_rounds_are_read_together(tmp_path):
    rng = np.random.default_rng(5)
    times = rng.lognormal(3, 0.3, (40, 5))
    for n, values in enumerate(times):
        rows = samples(*(float(x) for x in values), run_id=f"r{n}")
        put(tmp_path, rows, f"r{n}", day=f"2026-11-{1 + n % 28:02}")
    found = only(read(tmp_path, quantile=0.95))
    assert found.rtt_ms == np.sort(times.ravel())[189]
    assert found.lower_ms < found.rtt_ms < found.upper_ms < math.inf
