"""Rounds that the agent judges itself, over networks that are what they seem and over others."""

from __future__ import annotations

import pytest

from probes import shipped
from probes.light import fibre_ms, great_circle_km
from tests.netlab import FAR, Way
from tests.netlab.servers import acceptor, name_server

FRANKFURT = (50.1, 8.7)
REGIONS = [site for site in shipped.catalog_sites().values() if site.kind == "region" and site.status == "ga"]
HOSTS = {site.id: f"10.77.1.{number}" for number, site in enumerate(REGIONS, start=1)}
TARGETS = [{"site": site, "host": host, "port": 443, "protocols": ["tcp"]} for site, host in HOSTS.items()]


def ways(rtt_ms, jitter_ms=1.0):
    """A way to each Region's address: ``rtt_ms`` of a site."""
    return {HOSTS[site.id]: Way(rtt_ms=rtt_ms(site), jitter_ms=jitter_ms) for site in REGIONS}


def verdicts(rows):
    return {(row["failure"], row["reason"]) for row in rows}


def test_a_world_at_its_true_distances_is_sound(netlab, measured_rows):
    def far(site):
        return 2 + 1.4 * fibre_ms(great_circle_km(FRANKFURT, (site.lat, site.lon)))

    lab = netlab(ways(far))
    with acceptor(lab, 443):
        rows = measured_rows(lab, TARGETS, samples=3)
    assert len(rows) == 3 * len(REGIONS)
    assert verdicts(rows) == {(None, None)}


@pytest.mark.parametrize("rtt_ms", [5, 250])
def test_a_proxy_makes_a_world_of_one_distance(netlab, measured_rows, rtt_ms):
    lab = netlab(ways(lambda _: rtt_ms, jitter_ms=4.0))
    with acceptor(lab, 443):
        rows = measured_rows(lab, TARGETS, samples=3)
    assert len(rows) == 3 * len(REGIONS)
    ((failure, reason),) = verdicts(rows)
    assert failure == "implausible"
    assert reason.startswith("one round trip to ")
    # What was measured is still there.
    assert all(rtt_ms - 1 < row["rtt_ms"] < rtt_ms + 60 and row["connect_ms"] for row in rows)


def test_a_few_sites_too_near_to_be_true(netlab, measured_rows):
    lab = netlab(ways(lambda _: 5))
    names = ("eu-central-1", "ap-northeast-1", "sa-east-1")
    with acceptor(lab, 443):
        rows = measured_rows(lab, [target for target in TARGETS if target["site"] in names], samples=2)
    found = {row["site"]: (row["failure"], row["reason"]) for row in rows}
    assert found["eu-central-1"] == (None, None)
    assert found["ap-northeast-1"] == (
        "implausible",
        "faster than light: 93.4 ms in fibre over 9,332 km",
    )
    assert found["sa-east-1"][0] == "implausible"


def test_a_private_address_for_a_public_name(netlab, measured_rows, tmp_path):
    lab = netlab({"10.77.0.53": Way(rtt_ms=5), "10.77.0.0/24": Way(rtt_ms=20), "fd77::/64": Way(rtt_ms=20)})
    configuration = tmp_path / "resolv.conf"
    configuration.write_text("nameserver 10.77.0.53\n", encoding="utf-8")
    records = ["www A 10.77.0.1", "www AAAA fd77::1", "closed A 10.77.0.2"]
    ask = {"host": "www.netlab.test", "port": 443, "protocols": ["dns", "tcp"]}
    with name_server(lab, ["10.77.0.53"], records), acceptor(lab, 443):
        rows = measured_rows(
            lab,
            [
                {"site": "eu-central-1", "family": 4, **ask},
                {"site": "eu-central-1", "family": 6, **ask},
                {"site": "eu-central-1", **ask, "host": "closed.netlab.test", "port": 9, "family": 4},
                {"site": "op-frankfurt-1", "family": 4, **ask},
                {"site": "eu-central-2", "family": 4, "lat": 50.0, "lon": 8.0, **ask},
            ],
            files={"/etc/resolv.conf": configuration},
        )
    # The resolver answered, whatever it said.
    assert {row["failure"] for row in rows if row["protocol"] == "dns"} == {None}
    found = {(row["site"], row["peer"]): row for row in rows if row["protocol"] == "tcp"}
    assert {key: row["failure"] for key, row in found.items()} == {
        ("eu-central-1", "10.77.0.1"): "implausible",
        ("eu-central-1", "fd77::1"): "implausible",
        ("eu-central-1", "10.77.0.2"): "implausible",
        ("op-frankfurt-1", "10.77.0.1"): None,
        ("eu-central-2", "10.77.0.1"): None,
    }
    why = "address: an intercepting resolver or a VPC endpoint"
    assert found["eu-central-1", "10.77.0.1"]["reason"] == f"10.77.0.1 is a private {why}"
    assert found["eu-central-1", "fd77::1"]["reason"] == f"fd77::1 is a unique local {why}"
    assert found["eu-central-1", "10.77.0.2"]["reason"].endswith(f"{why}; connect_refused")


def test_an_address_of_another_zone(netlab, measured_rows):
    los_angeles, boston, nobody = "70.224.192.9", "15.181.112.9", "198.98.1.1"
    networks = (*FAR, "70.224.192.0/24", "15.181.112.0/24", "198.98.1.0/24")
    lab = netlab({"0.0.0.0/0": Way(rtt_ms=160)}, networks=networks)
    hosts = (los_angeles, boston, nobody)
    with acceptor(lab, 443):
        rows = measured_rows(
            lab,
            [
                {"site": "us-west-2-lax-1a", "host": host, "protocols": [protocol]}
                for host in hosts
                for protocol in ("tcp", "icmp")
            ],
        )
    assert {(row["peer"], row["failure"], row["reason"]) for row in rows} == {
        (los_angeles, None, None),
        (
            boston,
            "implausible",
            "15.181.112.9 is in the prefixes of us-east-1-bos-1, not of us-west-2-lax-1",
        ),
        (nobody, "implausible", "198.98.1.1 is outside the published prefixes of us-west-2-lax-1"),
    }
    assert len(rows) == 2 * len(hosts)
    assert all(row["rtt_ms"] > 100 for row in rows)
