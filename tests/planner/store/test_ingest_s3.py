"""A store on a real S3 server: taken in, read, and fought over."""

import pytest

from planner.measurements import read_rounds, read_stores
from planner.store.figures import read_figures
from planner.store.ingest import ingest
from planner.store.rollup import read_rollup
from planner.store.shelf import address_of, open_shelf
from tests.planner.store.inbox_writing import SITES, put, put_bytes, samples
from tests.probes.seaweed import BUCKET, Seaweed


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory):
    with Seaweed(tmp_path_factory.mktemp("seaweed")).running() as server:
        yield server


@pytest.fixture
def ship(seaweed, monkeypatch, tmp_path):
    for name, value in seaweed.environment().items():
        monkeypatch.setenv(name, value)

    def upload(url):
        shelf = open_shelf(address_of(url))
        for path in (tmp_path / "inbox").rglob("*.gz"):
            shelf.put(path.relative_to(tmp_path).as_posix(), path.read_bytes())
            path.unlink()
        return shelf

    return upload


def test_a_bucket_is_a_store_like_any_other(ship, tmp_path):
    url = f"s3://{BUCKET}/team/latency"
    put(tmp_path, samples(10.0, 11.0, run_id="a"), "a")
    put_bytes(tmp_path, b"broken", "b")
    shelf = ship(url)
    done = ingest(url)
    assert (done.objects, done.rows, done.damaged, done.batch) == (2, 2, 1, 1)
    assert list(shelf.keys("inbox")) == []
    assert list(shelf.keys("ingest")) == ["ingest/upkeep"]
    assert len(list(shelf.keys("aside"))) == 2
    put(tmp_path, samples(10.0, 11.0, run_id="a"), "a")
    put(tmp_path, samples(12.0, run_id="c"), "c")
    ship(url)
    report = read_stores([url], 0.5, SITES)
    assert (report.rows, report.statistics[0].rtt_ms) == (3, 11.0)
    done = ingest(url)
    assert (done.rows, done.known, done.batch) == (1, 2, 2)
    assert read_rounds([url]).rtt_ms.tolist() == [10.0, 11.0, 12.0]
    assert read_rounds([f"{url}@1"]).rtt_ms.tolist() == [10.0, 11.0]
    for each, median in ((url, 11.0), (f"{url}@1", 10.0)):
        found = read_figures([each], [0.5])
        assert (found.rtt_ms.tolist(), found.jitter_ms.tolist()) == ([[median]], [[1.0]])
    assert read_rollup(url).histograms.quantile(0.5) == pytest.approx([10.0], rel=0.01)


@pytest.mark.parametrize("name", ["manifest", "files"])
def test_two_ingesters_of_a_bucket(ship, tmp_path, name):
    url = f"s3://{BUCKET}/{name}"
    put(tmp_path, samples(10.0, run_id="a"), "a")
    ship(url)
    done = []

    def other(reached):
        if reached == name and not done:
            done.append(ingest(url))
            put(tmp_path, samples(20.0, run_id="b"), "b")
            ship(url)

    late = ingest(url, step=other)
    assert (done[0].objects, late.objects, late.elsewhere) == (1, 1, 1)
    assert read_rounds([url]).rtt_ms.tolist() == [10.0, 20.0]
    shelf = open_shelf(address_of(url))
    assert [*shelf.keys("inbox"), *(key for key in shelf.keys("ingest") if key.endswith(".json"))] == []
