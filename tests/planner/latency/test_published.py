import csv
import hashlib
import math

import pytest

from planner.catalog import load_catalog
from planner.datadir import data_dir
from planner.geo import fibre_ms, great_circle_km
from planner.measurements import hash_published, read_published
from planner.store import published
from planner.store.inbox import MeasurementError


def pair(quantile, vantage, site):
    (found,) = [
        s
        for s in read_published(quantile, "aws").statistics
        if s.vantage.id == f"metro:{vantage}" and s.site_id == site
    ]
    return found


def raw(vantage, site, statistic):
    with (data_dir() / "latency" / "aws-regions.csv").open(newline="", encoding="utf-8") as file:
        return {
            row["source"]: float(row["rtt_ms"])
            for row in csv.DictReader(file)
            if (row["vantage"], row["site"], row["statistic"]) == (f"metro:{vantage}", site, statistic)
        }


def test_every_pair_of_33_regions_is_there():
    report = read_published(0.5, "aws")
    assert len(report.statistics) == 33 * 33
    assert len({s.vantage.id for s in report.statistics}) == 33
    assert (report.rows, report.damaged, report.complaints) == (32 * 32 + 2 * 33 * 33, 0, ())


def test_nothing_is_shipped_for_others():
    assert read_published(0.5, "gcp").statistics == ()
    assert hash_published("gcp") == {}


def test_no_figure_beats_light():
    for quantile in (0.5, 0.9):
        for s in read_published(quantile, "aws").statistics:
            assert s.rtt_ms > fibre_ms(great_circle_km(s.vantage.lat, s.vantage.lon, *s.site_position))


def test_where_two_publish_the_first_source_wins_and_both_bound():
    both = raw("eu-west-3", "ap-northeast-1", "p50")
    found = pair(0.5, "eu-west-3", "ap-northeast-1")
    assert found.rtt_ms == both["cloudping-1y"]
    assert (found.lower_ms, found.upper_ms) == (min(both.values()), max(both.values()))
    assert found.direct
    assert (found.kind, found.samples, found.source) == ("published", -1, "cloudping-1y")
    assert math.isnan(found.loss_ratio)


def test_where_one_publishes_the_usual_disagreement_bounds():
    found = pair(0.5, "ap-east-2", "ap-northeast-1")
    assert found.source == "estimator-2025"
    assert found.direct
    assert 0.95 * found.rtt_ms < found.lower_ms < found.rtt_ms < found.upper_ms < 1.05 * found.rtt_ms


def test_a_published_p90_is_direct():
    found = pair(0.9, "eu-west-3", "us-east-1")
    assert found.direct
    assert found.rtt_ms == raw("eu-west-3", "us-east-1", "p90")["estimator-2025"]


@pytest.mark.parametrize("quantile", [0.75, 0.95, 0.99])
def test_other_quantiles_are_derived_and_say_so(quantile):
    p50, p90 = pair(0.5, "eu-west-3", "us-east-1").rtt_ms, pair(0.9, "eu-west-3", "us-east-1").rtt_ms
    found = pair(quantile, "eu-west-3", "us-east-1")
    assert not found.direct
    assert found.source == "derived from cloudping-1y, estimator-2025"
    assert found.lower_ms <= found.rtt_ms <= found.upper_ms
    if quantile < 0.9:
        assert (found.lower_ms, found.upper_ms) == (p50, p90)
    else:
        assert found.lower_ms == p90
        assert p90 < found.rtt_ms < p50 * (p90 / p50) ** 2


def test_quantiles_of_a_pair_never_cross():
    tables = [read_published(q, "aws").statistics for q in (0.5, 0.75, 0.9, 0.95, 0.99)]
    for levels in zip(*tables, strict=True):
        values = [s.rtt_ms for s in levels]
        assert values == sorted(values)


def test_a_pair_with_a_median_only_takes_the_usual_tail():
    table = published.read_table("aws")
    alone = published.PublishedTable(
        table.places,
        table.site_positions,
        {
            ("metro:eu-west-3", "x"): {0.5: {"cloudping-1y": 100.0}},
            ("metro:eu-west-3", "y"): {0.9: {"a": 9.0}},
        },
        table.sources,
        table.spread,
        table.tail,
        2,
    )
    (found,) = alone.at(0.95)
    assert found.site == "x"
    assert not found.direct
    assert found.lower_ms == pytest.approx(100.0 * table.tail)
    assert found.rtt_ms == pytest.approx(100.0 * table.tail ** (1.644854 / 1.281552), rel=1e-6)


def test_hashes_are_of_the_files_read():
    hashes = hash_published("aws")
    assert set(hashes) == {"latency/aws-regions.csv", "latency/vantages.csv", "latency/source.toml"}
    content = (data_dir() / "latency" / "vantages.csv").read_bytes()
    assert hashes["latency/vantages.csv"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("metro:eu-west-9,eu-west-3,p50,5,cloudping-1y,2025,", r"row 2, column vantage: .*eu-west-3"),
        (
            "metro:eu-west-3,eu-west-3,mean,5,cloudping-1y,2025,",
            "row 2, column statistic: 'mean' is not a perc",
        ),
        ("metro:eu-west-3,eu-west-3,p50,-5,cloudping-1y,2025,", "row 2, column rtt_ms: -5 is out of range"),
        (
            "metro:eu-west-3,eu-west-3,p50,nan,cloudping-1y,2025,",
            "row 2, column rtt_ms: 'nan' is not a finite",
        ),
        ("metro:eu-west-3,eu-west-3,p50,5,cloudping,2025,", "did you mean 'cloudping-1y'"),
    ],
)
def test_a_damaged_table_is_refused_with_its_row(tmp_path, monkeypatch, row, complaint):
    folder = tmp_path / "latency"
    folder.mkdir()
    for name in ("vantages.csv", "source.toml"):
        (folder / name).write_bytes((data_dir() / "latency" / name).read_bytes())
    header = "vantage,site,statistic,rtt_ms,source,as_of,note\n"
    (folder / "aws-regions.csv").write_text(header + row + "\n", encoding="utf-8")
    monkeypatch.setattr(published, "data_dir", lambda: tmp_path)
    with pytest.raises(MeasurementError, match=complaint):
        read_published(0.5, "aws")


def test_the_catalog_knows_every_published_region_and_where_it_stands():
    sites = {site.id: site for site in load_catalog("aws").sites}
    for s in read_published(0.5, "aws").statistics:
        site = sites[s.site_id]
        assert site.kind == "region"
        assert great_circle_km(site.lat, site.lon, *s.site_position) < 1.0
        home = sites[s.vantage.id.removeprefix("metro:")]
        assert home.country == s.vantage.country
