"""What cannot be true of a round's rows; what can be is never touched."""

from __future__ import annotations

import csv
import dataclasses
import random
import time
from pathlib import Path

import pytest

from probes import shipped
from probes.light import fibre_ms, great_circle_km
from probes.proxy import HAIR, PLACES, SPREAD_MS
from probes.record import Measurement
from probes.sanity import Sanity
from probes.strict_toml import InputError
from probes.target import Target

FRANKFURT = (50.1, 8.7)
PUBLIC = "18.1.2.3"

ROW = Measurement(
    run_id="run",
    vantage="frankfurt-1",
    vantage_country="DE",
    vantage_lat=FRANKFURT[0],
    vantage_lon=FRANKFURT[1],
    site="ap-northeast-1",
    host="ec2.ap-northeast-1.amazonaws.com",
    peer=PUBLIC,
    port=443,
    protocol="tcp",
    sample=0,
    started_at="2026-11-25T05:00:00.000000Z",
    late_ms=0.0,
    dns_ms=1.0,
    connect_ms=230.5,
    tls_ms=None,
    ttfb_ms=None,
    rtt_ms=230.0,
    clock="kernel",
    retransmits=0,
    failure=None,
    resolver=None,
    family=4,
    agent="0.1.0",
)


def row(**changes):
    return dataclasses.replace(ROW, **changes)


def judged(*rows, targets=(), carrier=None):
    return Sanity(targets, carrier)(rows)


def reason_of(one, **judge):
    """Why one row is implausible; None when it was left alone, as the same object."""
    (found,) = judged(one, **judge)
    if found is one:
        return None
    assert found.failure == "implausible"
    # What was measured is not lost.
    assert dataclasses.replace(found, failure=one.failure, reason=one.reason) == one
    return found.reason


# Faster than light


@pytest.mark.parametrize("protocol", ["tcp", "tls", "http", "icmp"])
def test_faster_than_light(protocol):
    found = reason_of(row(rtt_ms=5.0, protocol=protocol))
    assert found == "faster than light: 93.4 ms in fibre over 9,332 km"


def test_the_place_may_be_as_far_off_as_a_metro_is_wide():
    km = great_circle_km(FRANKFURT, (35.6895, 139.6917))
    assert reason_of(row(rtt_ms=fibre_ms(km - 50.0) + 0.01)) is None
    assert reason_of(row(rtt_ms=fibre_ms(km - 50.0) - 0.01)) is not None
    # A Region in the vantage's own metro can answer at once.
    assert reason_of(row(site="eu-central-1", rtt_ms=0.05)) is None


def test_a_place_known_less_exactly_is_trusted_less():
    # The centroid of Dubai stands for "UAE": approximate.
    site = shipped.catalog_sites()["me-central-1"]
    assert site.coordinates == "approximate"
    km = great_circle_km(FRANKFURT, (site.lat, site.lon))
    assert reason_of(row(site=site.id, rtt_ms=fibre_ms(km - 150.0) + 0.01)) is None
    assert reason_of(row(site=site.id, rtt_ms=fibre_ms(km - 150.0) - 0.01)) is not None
    # A place that is a guess bounds nothing.
    assert reason_of(row(site="me-west-1", rtt_ms=0.1)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol": "dns", "rtt_ms": 0.5},
        {"site": "a-site-of-ones-own", "rtt_ms": 0.5},
        {"rtt_ms": None, "failure": "connect_timeout"},
        {"rtt_ms": 0.5, "failure": "clock_step"},
        {"rtt_ms": 0.5, "failure": "implausible", "reason": "judged before"},
    ],
)
def test_what_light_cannot_judge_is_left_alone(changes):
    assert reason_of(row(**changes)) is None


def test_a_response_that_says_no_came_from_somewhere_too():
    one = row(protocol="http", rtt_ms=5.0, failure="http_status")
    assert reason_of(one).startswith("faster than light")


def test_a_target_says_where_its_site_is():
    madrid = Target("op-madrid-1", "rack.example.org", 443, ("tcp",), lat=40.42, lon=-3.7)
    own = {"site": "op-madrid-1", "host": "rack.example.org", "peer": "10.20.0.10"}
    assert reason_of(row(**own, rtt_ms=5.0)) is None
    assert reason_of(row(**own, rtt_ms=5.0), targets=[madrid]).startswith("faster than light: 14.5 ms")
    assert reason_of(row(**own, rtt_ms=30.0), targets=[madrid]) is None


def test_a_target_s_own_place_goes_before_the_catalog_s():
    here = Target("ap-northeast-1", ROW.host, 443, ("tcp",), lat=50.0, lon=8.0)
    assert reason_of(row(rtt_ms=1.0, peer="10.0.0.1"), targets=[here]) is None


# Addresses


@pytest.mark.parametrize(
    ("peer", "what"),
    [
        ("10.0.0.5", "a private"),
        ("127.0.0.1", "a loopback"),
        ("169.254.1.1", "a link-local"),
        ("100.64.0.1", "a shared (CGNAT)"),
        ("0.0.0.0", "an unspecified"),
        ("198.18.0.5", "a benchmarking"),
        ("fd00::5", "a unique local"),
        ("64:ff9b::a00:5", "a private"),
    ],
)
def test_a_public_name_with_an_address_no_public_host_has(peer, what):
    family = 6 if ":" in peer else 4
    found = reason_of(row(peer=peer, family=family))
    assert found == f"{peer} is {what} address: an intercepting resolver or a VPC endpoint"


def test_such_an_address_was_never_the_site_even_if_it_did_not_answer():
    one = row(peer="10.0.0.5", rtt_ms=None, connect_ms=None, failure="connect_timeout")
    assert reason_of(one).endswith("VPC endpoint; connect_timeout")
    # Nothing was asked: no figure, and no loss either.
    assert reason_of(dataclasses.replace(one, failure="deadline")) is None


@pytest.mark.parametrize(
    "changes",
    [
        # Written by hand, it may be a private line to the Region.
        {"host": "10.0.0.5", "peer": "10.0.0.5"},
        {"site": "op-1", "host": "rack.example.org", "peer": "10.0.0.5"},
        {"protocol": "dns", "peer": "10.0.0.5"},
        {"peer": None, "rtt_ms": None, "failure": "dns_timeout"},
    ],
)
def test_a_private_address_that_may_be_meant(changes):
    assert reason_of(row(**changes)) is None


@pytest.mark.parametrize(
    ("site", "peer", "found"),
    [
        ("us-west-2-lax-1a", "70.224.192.0", None),
        ("us-west-2-lax-1b", "70.224.192.0", None),
        ("us-west-2-lax-1a", "52.94.1.1", "52.94.1.1 is outside the published prefixes of us-west-2-lax-1"),
        (
            "us-west-2-lax-1a",
            "15.181.232.9",
            "15.181.232.9 is in the prefixes of us-east-1-iah-1, not of us-west-2-lax-1",
        ),
        # Of a Region only what belongs elsewhere can be told.
        ("us-west-2", "52.94.1.1", None),
        ("us-west-2", "70.224.192.0", "70.224.192.0 is in the prefixes of us-west-2-lax-1, not of us-west-2"),
        (
            "us-west-2",
            "64:ff9b::46e0:c000",
            "70.224.192.0 is in the prefixes of us-west-2-lax-1, not of us-west-2",
        ),
        # No IPv6 prefix is published for Lagos, so none can be outside them.
        ("af-south-1-los-1a", "2600:1f00::1", None),
        ("af-south-1-los-1a", "52.94.1.1", "52.94.1.1 is outside the published prefixes of af-south-1-los-1"),
    ],
)
def test_published_prefixes(site, peer, found):
    family = 6 if ":" in peer else 4
    assert reason_of(row(site=site, host=peer, peer=peer, family=family)) == found


def test_ipv6_prefixes_count_as_well():
    network = next(
        cells["prefix"]
        for cells in csv.DictReader((AWS / "prefixes.csv").open(encoding="utf-8"))
        if cells["network_border_group"] == "us-west-2-lax-1" and ":" in cells["prefix"]
    )
    inside = network.split("/")[0] + "1"
    here = {"site": "us-west-2-lax-1a", "host": inside, "family": 6}
    assert reason_of(row(**here, peer=inside)) is None
    assert reason_of(row(**here, peer="2a05:d000::1")) is not None
    assert "us-west-2-lax-1" in reason_of(row(site="eu-west-1", host=inside, peer=inside, family=6))


# Wavelength

ZONE = {"site": "us-west-2-wl1-lax-wlz-1", "host": "155.146.1.1", "peer": None}


@pytest.mark.parametrize("carrier", [None, "KDDI"])
def test_a_wavelength_zone_from_outside_its_carrier(carrier):
    outside = "measured from outside the network of Verizon"
    assert reason_of(row(**ZONE), carrier=carrier) == outside
    lost = row(**ZONE, rtt_ms=None, failure="connect_timeout")
    assert reason_of(lost, carrier=carrier) == f"{outside}; connect_timeout"


def test_a_wavelength_zone_from_within():
    assert reason_of(row(**ZONE), carrier="verizon") is None


# One round trip for all sites

AWS = shipped.data_dir() / "providers" / "aws"
SITES = shipped.catalog_sites()
REGIONS = [site for site in SITES.values() if site.kind == "region" and site.status == "ga"]


def rounds_of(statistic):
    """Each vantage of the published matrices as a round: its place, and a row for each Region."""
    found: dict[tuple[str, str], list[Measurement]] = {}
    with (shipped.data_dir() / "latency" / "aws-regions.csv").open(encoding="utf-8", newline="") as file:
        for cells in csv.DictReader(file):
            if cells["statistic"] != statistic:
                continue
            stands = SITES[cells["vantage"].removeprefix("metro:")]
            found.setdefault((cells["source"], stands.id), []).append(
                row(
                    vantage=stands.id,
                    vantage_lat=stands.lat,
                    vantage_lon=stands.lon,
                    site=cells["site"],
                    rtt_ms=float(cells["rtt_ms"]),
                )
            )
    return found


@pytest.mark.parametrize(("statistic", "vantages"), [("p50", 65), ("p90", 33)])
def test_no_real_vantage_is_implausible(statistic, vantages):
    rounds = rounds_of(statistic)
    assert len(rounds) == vantages
    for rows in rounds.values():
        assert [one.reason for one in judged(*rows) if one.failure] == []


def test_no_choice_of_regions_makes_a_real_vantage_look_proxied():
    """Whatever twelve places or more a configuration picks: they differ by more than five times a hair."""
    closest = min(
        (rows[last][0] - rows[first][0]) / (HAIR * spread)
        for statistic in ("p50", "p90")
        for rows in map(ordered, rounds_of(statistic).values())
        for first in range(len(rows))
        for last in range(first + PLACES - 1, len(rows))
        if (spread := spread_of(rows[first : last + 1])) >= SPREAD_MS
    )
    assert closest > 5


def ordered(rows):
    """Round trip and light per place, by round trip."""
    places: dict[tuple[float, float], tuple[float, float]] = {}
    for one in rows:
        place = (SITES[one.site].lat, SITES[one.site].lon)
        light = fibre_ms(great_circle_km((one.vantage_lat, one.vantage_lon), place))
        places[place] = min(places.get(place, (one.rtt_ms, light)), (one.rtt_ms, light))
    return sorted(places.values())


def spread_of(rows):
    return max(light for _, light in rows) - min(light for _, light in rows)


def proxied_round(base_ms, jitter_ms, *, seed=1, samples=5, sites=REGIONS, **changes):
    """What a proxy at ``base_ms`` makes of all Regions, each sample later by up to ``jitter_ms``."""
    chance = random.Random(seed)
    return [
        row(
            **{
                "site": site.id,
                "host": f"ec2.{site.id}.amazonaws.com",
                "sample": sample,
                "rtt_ms": base_ms + chance.uniform(0, jitter_ms),
                **changes,
            }
        )
        for site in sites
        for sample in range(samples)
    ]


@pytest.mark.parametrize(
    ("base_ms", "jitter_ms"), [(0.4, 0.3), (5.0, 2.0), (5.0, 10.0), (200.0, 0.5), (200.0, 10.0)]
)
def test_a_proxy_answers_for_all_sites(base_ms, jitter_ms):
    rows = proxied_round(base_ms, jitter_ms)
    found = judged(*rows)
    assert {one.failure for one in found} == {"implausible"}
    (reason,) = {one.reason for one in found}
    assert reason.startswith("one round trip to ")
    assert reason.endswith("a proxy answers")


def test_what_the_proxy_lets_through_counts():
    own = [row(site="op-1", host="10.0.0.9", peer="10.0.0.9", rtt_ms=5.0)]
    echoes = proxied_round(300.0, 0.5, protocol="icmp", port=None)
    other_port = proxied_round(300.0, 0.5, port=8443, sites=REGIONS[:3])
    past_it = [row(site="eu-west-1", rtt_ms=25.0, sample=sample) for sample in range(5)]
    rest = [site for site in REGIONS if site.id != "eu-west-1"]
    proxied = proxied_round(200.0, 2.0, sites=rest)
    found = judged(*proxied, *own, *echoes, *other_port, *past_it)
    assert {one.failure for one in found[: len(proxied)]} == {"implausible"}
    assert {one.failure for one in found[len(proxied) :]} == {None}


def test_each_port_protocol_and_family_is_judged_by_itself():
    proxied, direct = proxied_round(200.0, 1.0), next(iter(rounds_of("p50").values()))
    found = judged(*proxied, *(dataclasses.replace(one, port=8443) for one in direct))
    assert {one.failure for one in found[: len(proxied)]} == {"implausible"}
    assert {one.failure for one in found[len(proxied) :]} == {None}


def places(sites):
    return {(site.lat, site.lon) for site in sites}


FEW = REGIONS[: PLACES - 1]


@pytest.mark.parametrize(
    "sites",
    [
        FEW,
        # Many zones, but in the metros of those few.
        [site for site in SITES.values() if site.carrier is None and (site.lat, site.lon) in places(FEW)],
        # All of them in Europe: light takes about as long to each.
        [site for site in REGIONS if site.id.startswith("eu-")],
    ],
    ids=["few sites", "few metros", "near each other"],
)
def test_too_little_to_tell(sites):
    rows = proxied_round(400.0, 0.5, sites=sites, peer=None)
    assert {one.failure for one in judged(*rows)} == {None}


# The judge itself


def test_sound_rows_are_the_very_same_and_all_stay_in_order():
    rows = [row(sample=sample, rtt_ms=5.0 if sample % 2 else 230.0) for sample in range(6)]
    found = judged(*rows)
    assert [one.sample for one in found] == list(range(6))
    assert [one is given for one, given in zip(found, rows, strict=True)] == [True, False] * 3


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Shipped data of a test's own; empty at first."""
    monkeypatch.setattr(shipped, "data_dir", lambda: tmp_path)
    provider = tmp_path / "providers" / "aws"
    provider.mkdir(parents=True)
    return provider


def test_without_a_catalog_nothing_is_judged(data):
    assert reason_of(row(rtt_ms=0.1)) is None


@pytest.mark.parametrize("name", ["sites.csv", "prefixes.csv"])
def test_a_damaged_catalog_does_not_keep_a_round_from_being_sealed(data, name):
    for each in ("sites.csv", "prefixes.csv"):
        (data / each).write_bytes((AWS / each).read_bytes())
    (data / name).write_text("nonsense\n1\n", encoding="utf-8")
    with pytest.raises(InputError, match="has no column"):
        shipped.catalog_sites() if name == "sites.csv" else shipped.prefixes("aws")
    assert reason_of(row(rtt_ms=230.0)) is None
    faster = reason_of(row(rtt_ms=5.0))
    assert (faster is None) == (name == "sites.csv")


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("sites.csv", "s,region,91,0,metro,ga,s,", "row 2, column lat: '91' is not in degrees"),
        ("sites.csv", "s,region,0,east,metro,ga,s,", "row 2, column lon: 'east' is not in degrees"),
        ("prefixes.csv", "g,10.0.0.1/8", "row 2, column prefix: 10.0.0.1/8 has host bits set"),
    ],
)
def test_a_damaged_row_is_told(data, name, line, words):
    header = {
        "sites.csv": "site_id,kind,lat,lon,coordinates,status,network_border_group,carrier",
        "prefixes.csv": "network_border_group,prefix",
    }[name]
    (data / name).write_text(f"{header}\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        shipped.catalog_sites() if name == "sites.csv" else shipped.prefixes("aws")
    assert str(caught.value) == f"{data / name}, {words}"


def test_a_round_of_ones_own_sites_reads_no_catalog(monkeypatch):
    read = []
    monkeypatch.setattr(Path, "open", lambda path, *_, **__: read.append(path))
    targets = [Target(f"op-{number}", "10.0.0.9", 443, ("tcp",), lat=50.0, lon=8.0) for number in range(20)]
    rows = [row(site=target.site, host=target.host, peer=target.host) for target in targets]
    assert judged(*rows, targets=targets) == rows
    assert read == []


def test_a_round_is_judged_in_milliseconds():
    (rows, *_) = rounds_of("p50").values()
    rows = [dataclasses.replace(one, sample=sample) for one in rows for sample in range(47)]
    assert len(rows) > 1500
    judge = Sanity(())
    assert judge(rows[:1]) == rows[:1]
    took = []
    for _ in range(5):
        began = time.process_time()
        judge(rows)
        took.append(time.process_time() - began)
    # 2 ms; a shared machine may be slow.
    assert min(took) < 0.02
