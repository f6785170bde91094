"""DNS over UDP as ``edgeprobe`` reports it, against the wire; the resolvers are NSD's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.netlab import Way, spread
from tests.netlab.servers import name_server, serving
from tests.netlab.wire import conversations, dns_exchanges, handshakes, pair, quantile

RECORDS = ["www A 10.77.0.1", "www AAAA fd77::1"]


def target(host="www.netlab.test", family=4):
    either = {} if family is None else {"family": family}
    return [{"site": "site", "host": host, "protocols": ["dns"], **either}]


def resolvers(addresses):
    return [f"[{address}]" if ":" in address else address for address in addresses]


@pytest.mark.parametrize("version", [4, 6])
def test_round_trips_are_those_of_the_wire(netlab, measured_rows, version):
    ways = spread(200, 5, 150, version)
    lab = netlab(ways)
    with name_server(lab, ways, RECORDS):
        rows = measured_rows(lab, target(), resolvers=resolvers(ways), samples=2)
    assert [row for row in rows if row["failure"] or row["clock"] != "kernel"] == []
    pairs = pair(rows, dns_exchanges(lab.wire()))
    assert len(pairs) == 400
    assert quantile([abs(row["rtt_ms"] - exchange.rtt_ms) for row, exchange in pairs], 0.95) < 1


def test_what_is_lost_is_a_timeout_and_nothing_else_is(netlab, measured_rows):
    ways = {address: Way(rtt_ms=way.rtt_ms, loss=0.05) for address, way in spread(200, 5, 100).items()}
    lab = netlab(ways, seed=5)
    with name_server(lab, ways, RECORDS):
        rows = measured_rows(lab, target(), resolvers=resolvers(ways), samples=2, timeout_ms=1000)
    pairs = pair(rows, dns_exchanges(lab.wire()))
    assert len(pairs) == 400
    lost = {exchange for _, exchange in pairs if exchange.lost}
    assert len(lost) > 15
    assert {exchange for row, exchange in pairs if row["failure"] == "dns_timeout"} == lost
    assert {row["failure"] for row, exchange in pairs if exchange not in lost} == {None}


def test_what_comes_twice_or_late_counts_once(netlab, measured_rows):
    way = Way(rtt_ms=20, jitter_ms=30, reorder=0.3, hold_ms=60, duplicate=0.5)
    ways = dict.fromkeys(spread(50, 0, 0), way)
    lab = netlab(ways)
    with name_server(lab, ways, RECORDS):
        rows = measured_rows(lab, target(), resolvers=resolvers(ways), samples=4)
    pairs = pair(rows, dns_exchanges(lab.wire()))
    assert len(pairs) == 200
    assert {row["failure"] for row in rows} == {None}
    # A second copy, or a late reply to an earlier question, taken for the reply would be far off.
    assert max(abs(row["rtt_ms"] - exchange.rtt_ms) for row, exchange in pairs) < 15


@pytest.mark.parametrize(
    ("host", "failure"), [("nobody.netlab.test", "dns_nxdomain"), ("www.elsewhere.test", "dns_refused")]
)
def test_a_name_server_says_no(netlab, measured_rows, host, failure):
    lab = netlab({"10.77.0.53": Way(rtt_ms=30)})
    with name_server(lab, ["10.77.0.53"], RECORDS):
        (row,) = measured_rows(lab, target(host), resolvers=["10.77.0.53"])
    assert (row["failure"], row["rtt_ms"]) == (failure, None)
    assert row["dns_ms"] == pytest.approx(dns_exchanges(lab.wire())[0].rtt_ms, abs=15)


def test_both_families_are_asked_for(netlab, measured_rows):
    lab = netlab({"10.77.0.53": Way(rtt_ms=30)})
    with name_server(lab, ["10.77.0.53"], [*RECORDS, "four 20 IN A 10.77.0.4"]):
        both = measured_rows(lab, target(family=None), resolvers=["10.77.0.53"], samples=2)
        four = measured_rows(lab, target("four.netlab.test", None), resolvers=["10.77.0.53"])
    assert sorted((row["family"], row["sample"], row["failure"], row["ttl_s"]) for row in both) == [
        (family, sample, None, 60) for family in (4, 6) for sample in (0, 1)
    ]
    found = {row["family"]: (row["failure"], row["rcode"], row["ttl_s"], row["reason"]) for row in four}
    assert found == {4: (None, "NOERROR", 20, None), 6: (None, "NOERROR", None, "no AAAA record")}
    pairs = pair(both + four, dns_exchanges(lab.wire()))
    assert max(abs(row["rtt_ms"] - exchange.rtt_ms) for row, exchange in pairs) < 15


def test_what_no_datagram_can_hold_is_asked_for_over_tcp(netlab, measured_rows):
    lab = netlab({"10.77.0.53": Way(rtt_ms=40)})
    records = [f"many A 10.77.1.{number}" for number in range(200)]
    with name_server(lab, ["10.77.0.53"], records):
        (row,) = measured_rows(lab, target("many.netlab.test"), resolvers=["10.77.0.53"])
    packets = lab.wire()
    (datagram,), (connect,), (conversation,) = (
        dns_exchanges(packets),
        handshakes(packets),
        conversations(packets),
    )
    question, *reply = [packet.ns for packet in conversation if packet.length]
    assert (row["failure"], row["transport"], row["rcode"], row["ttl_s"]) == (None, "tcp", "NOERROR", 60)
    assert row["rtt_ms"] == pytest.approx(datagram.rtt_ms, abs=1)
    assert (row["connect_ms"], row["retransmits"]) == (pytest.approx(connect.rtt_ms, abs=1), 0)
    asked_ms = (reply[-1] - question) / 1e6
    # A processor that others use may take a few ms between a reading of the clock and the sending.
    assert row["dns_ms"] == pytest.approx(datagram.rtt_ms + connect.rtt_ms + asked_ms, abs=15)
    assert row["dns_ms"] > 3 * 40


def test_a_host_without_a_name_server(netlab, measured_rows):
    lab = netlab({"10.77.0.9": Way(rtt_ms=20), "fd77::9": Way(rtt_ms=20)})
    rows = measured_rows(lab, target(), resolvers=["10.77.0.9", "fd77::9"], samples=2)
    found = {(row["failure"], row["reason"], row["rtt_ms"], row["dns_ms"]) for row in rows}
    assert found == {("unreachable", "nothing listens there", None, None)}


def test_hosts_that_there_is_no_way_to(netlab, measured_rows):
    """The far host forwards, and has no way to some of the addresses."""
    expected = {
        "10.77.0.9": "no route to host",
        "10.77.0.53": None,
        "fd77::9": "network is unreachable",
        "fd77::10": "permission denied",
        "fd77::53": None,
    }
    lab = netlab({"10.77.0.0/16": Way(rtt_ms=20), "fd77::/64": Way(rtt_ms=20)})
    commands = [f"echo 1 > /proc/sys/net/{name}" for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding")]
    # The kernel says of IPv4 that there is no way once a second at most, whatever it is told; so one only.
    ways = ("unreachable 10.77.0.9", "unreachable fd77::9", "prohibit fd77::10")
    commands += [f"ip route add {way} table local" for way in ways]
    lab.far.run(["sh", "-ec", "; ".join(commands)])
    with name_server(lab, ["10.77.0.53", "fd77::53"], RECORDS):
        rows = measured_rows(lab, target(), resolvers=[*expected], timeout_ms=5000)
    found = {row["peer"]: (row["failure"], row["reason"]) for row in rows}
    assert found == {peer: (reason and "unreachable", reason) for peer, reason in expected.items()}
    assert all((row["rtt_ms"] is None) == (row["failure"] is not None) for row in rows)


def test_an_error_that_returns_next_to_nothing_of_the_question(netlab, measured_rows):
    lab = netlab({"10.77.0.9": Way(rtt_ms=20)})
    router = [sys.executable, Path(__file__).with_name("terse_router.py"), "10.77.0.1", 53]
    with serving(lab, "router", router, 53):
        rows = measured_rows(lab, target(family=None), resolvers=["10.77.0.9"], samples=3, timeout_ms=5000)
    assert len(rows) == 6
    assert {(row["failure"], row["reason"]) for row in rows} == {("unreachable", "no route to host")}


def test_a_name_is_resolved_and_its_address_measured(netlab, measured_rows, tmp_path):
    lab = netlab({"10.77.0.53": Way(rtt_ms=10), "10.77.0.1": Way(rtt_ms=40)})
    configuration = tmp_path / "resolv.conf"
    configuration.write_text("nameserver 10.77.0.53\n", encoding="utf-8")
    with name_server(lab, ["10.77.0.53"], RECORDS):
        rows = measured_rows(
            lab,
            [{"site": "site", "host": "www.netlab.test", "port": 9, "protocols": ["tcp"], "family": 4}],
            files={"/etc/resolv.conf": configuration},
        )
    (row,) = rows
    (exchange,) = dns_exchanges(lab.wire())
    assert (row["peer"], row["failure"]) == ("10.77.0.1", "connect_refused")
    assert row["dns_ms"] == pytest.approx(exchange.rtt_ms, abs=15)
