"""DNS over TLS and over HTTPS as ``edgeprobe`` reports it, against the wire; the resolvers are real ones."""

from __future__ import annotations

import itertools

import pytest

from tests.netlab import SILENCE, Way, missing
from tests.netlab.authority import Authority
from tests.netlab.servers import encrypting, name_server
from tests.netlab.wire import conversations, dns_exchanges, handshakes, tls_flights

NS = "10.77.0.53"
PUBLIC = "10.77.0.8"
NAME = "dns.netlab.test"
RECORDS = ["www A 10.77.0.1", "www AAAA fd77::1", f"dns A {PUBLIC}"]
RTT_MS = 30
TARGET = {"site": "site", "host": "www.netlab.test", "family": 4}


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "authority")


@pytest.fixture
def ask(netlab, measured_rows, authority):
    """Measure www.netlab.test by resolvers at 10.77.0.8, 30 ms from here; the rows and the wire."""
    why = missing("dnsdist")
    if why is not None:
        pytest.skip(why)

    def run(resolvers, *, protocols=("dns",), certificate=None, ways=None, files=None, **agent):
        lab = netlab({PUBLIC: Way(rtt_ms=RTT_MS), NS: Way(rtt_ms=10), **(ways or {})})
        certificate = certificate or authority.issue("dns", [NAME, PUBLIC])
        with (
            name_server(lab, [NS], RECORDS, tls=certificate),
            encrypting(lab, PUBLIC, certificate),
        ):
            rows = measured_rows(
                lab,
                [{**TARGET, "protocols": list(protocols)}],
                resolvers=resolvers,
                files=files,
                environment={"SSL_CERT_FILE": str(authority.certificate)},
                **{"samples": 4, **agent},
            )
        return rows, lab.wire()

    return run


BUSY_MS = 500.0
"""What a handshake may wait for a processor; nothing is resent sooner than after a second."""


def questions(conversation):
    """When each question of a connection was on the wire, ns: sent, and answered.

    A question and what is said around it are a burst; between bursts there is a second. The first burst
    begins with the handshake: ClientHello, the end of the handshake, the question.
    """
    data = [packet for packet in conversation if packet.length]
    bursts = [[data[0]]]
    for before, packet in itertools.pairwise(data):
        if packet.ns - before.ns > 0.3e9:
            bursts.append([])
        bursts[-1].append(packet)
    for number, burst in enumerate(bursts):
        out = [packet.ns for packet in burst if packet.out]
        yield out[0 if number else 2], [packet.ns for packet in burst if not packet.out][-1]


def test_cold_and_warm_are_those_of_the_wire(ask):
    versions = {
        f"tls://{NS}#{NAME}": None,
        f"tls://{PUBLIC}": None,
        f"https://{PUBLIC}/dns-query": "2",
        f"https://{PUBLIC}:8443/dns-query#{NAME}": "1.1",
    }
    rows, packets = ask(list(versions), ways={NS: Way(rtt_ms=RTT_MS)})
    for resolver, version in versions.items():
        peer = NS if NS in resolver else PUBLIC
        cold, *warm = measured = [row for row in rows if row["resolver"] == resolver]
        here = [packet for packet in packets if packet.peer == (peer, cold["port"])]
        (conversation,), (handshake,), (flight,) = conversations(here), handshakes(here), tls_flights(here)
        asked_ms = [(end_ns - begin_ns) / 1e6 for begin_ns, end_ns in questions(conversation)]
        assert [row["failure"] for row in measured] == [None] * 4
        assert [row["warm"] for row in measured] == [False, True, True, True]
        for row, on_wire_ms in zip(measured, asked_ms, strict=True):
            assert row["rtt_ms"] == pytest.approx(on_wire_ms, abs=1)
            assert row["rtt_ms"] >= RTT_MS
            assert (row["clock"], row["peer"], row["retransmits"]) == ("kernel", peer, 0)
            assert (row["transport"], row["http_version"]) == (resolver.partition(":")[0], version)
            assert row["http_status"] == (200 if version else None)
            assert (row["rcode"], row["ttl_s"], row["tls_version"]) == ("NOERROR", 60, "TLSv1.3")
            assert 0 < row["crypto_ms"] < 10
        assert cold["connect_ms"] == pytest.approx(handshake.rtt_ms, abs=1)
        assert cold["tls_ms"] == pytest.approx(flight.rtt_ms, abs=1)
        assert cold["dns_ms"] == pytest.approx(handshake.rtt_ms + flight.rtt_ms + asked_ms[0], abs=2)
        assert cold["certificate_days"] == pytest.approx(30, abs=0.1)
        assert all(row["dns_ms"] == row["rtt_ms"] for row in warm)
        assert {(row["connect_ms"], row["tls_ms"]) for row in warm} == {(None, None)}


def resolv_conf(tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_text(f"nameserver {NS}\n", encoding="utf-8")
    return {"/etc/resolv.conf": path}


def test_a_named_resolver_is_looked_up_once_and_resolves_the_targets(ask, tmp_path):
    resolver = f"https://{NAME}/dns-query"
    rows, packets = ask([resolver], protocols=("dns", "tcp"), files=resolv_conf(tmp_path))
    plain = dns_exchanges(packets)
    # For the resolver's own addresses, of both families.
    assert [exchange.peer for exchange in plain] == [(NS, 53)] * 2
    resolved = [row for row in rows if row["protocol"] == "dns"]
    assert {(row["failure"], row["peer"], row["resolver"]) for row in resolved} == {(None, PUBLIC, resolver)}
    assert [row["warm"] for row in resolved] == [False, True, True, True]
    connected = [row for row in rows if row["protocol"] == "tcp"]
    assert {(row["peer"], row["resolver"]) for row in connected} == {("10.77.0.1", resolver)}
    # Its first question was asked on a new connection: three round trips. The handshake's arithmetic comes on
    # top, which a machine busy with other tests may take a while for.
    assert all(3 * RTT_MS <= row["dns_ms"] < 3 * RTT_MS + BUSY_MS for row in connected)


def test_a_named_resolver_that_cannot_be_found(ask, tmp_path):
    resolver = "https://nowhere.netlab.test/dns-query"
    rows, _ = ask([resolver], protocols=("dns", "tcp"), files=resolv_conf(tmp_path), samples=1)
    reason = "no address of nowhere.netlab.test: dns_nxdomain"
    assert {(row["failure"], row["peer"], row["reason"]) for row in rows} == {("unreachable", None, reason)}
    assert {row["protocol"] for row in rows} == {"dns", "tcp"}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("expired", "certificate has expired"),
        ("elsewhere", f"Hostname mismatch, certificate is not valid for '{NAME}'"),
        ("alone", "self-signed certificate"),
    ],
)
def test_certificates_are_verified(ask, authority, kind, reason):
    certificate = {
        "expired": lambda: authority.issue("expired", [NAME], begins_days=-60, ends_days=-30),
        "elsewhere": lambda: authority.issue("elsewhere", ["elsewhere.test", PUBLIC]),
        "alone": lambda: authority.self_signed("alone", [NAME]),
    }[kind]()
    resolvers = [f"tls://{PUBLIC}#{NAME}", f"https://{PUBLIC}/dns-query#{NAME}"]
    rows, _ = ask(resolvers, certificate=certificate, samples=2)
    assert [(row["failure"], row["reason"]) for row in rows] == [("tls_certificate", reason)] * 4
    assert {(row["rtt_ms"], row["dns_ms"], row["warm"]) for row in rows} == {(None, None, False)}
    assert all(row["connect_ms"] >= RTT_MS for row in rows)


def test_every_failure_has_its_class(ask):
    expected = {
        "tls://10.77.0.9": ("connect_refused", None),
        "https://10.77.0.10/dns-query": ("connect_timeout", None),
        f"https://{PUBLIC}/elsewhere#{NAME}": ("http_status", "status 404"),
        # Each takes what it does not understand for the beginning of something long.
        f"tls://{NS}:53": ("tls_timeout", None),
        f"https://{PUBLIC}:853/dns-query#{NAME}": ("dns_timeout", None),
        f"tls://{PUBLIC}:443#{NAME}": ("other", "closed without an answer"),
    }
    ways = {"10.77.0.9": Way(rtt_ms=5), "10.77.0.10": SILENCE}
    rows, _ = ask(list(expected), ways=ways, samples=2, timeout_ms=1000)
    found = [(row["resolver"], (row["failure"], row["reason"])) for row in rows]
    assert sorted(found) == sorted([*expected.items()] * 2)
    assert {(row["rtt_ms"], row["warm"], row["clock"]) for row in rows} == {(None, False, "kernel")}
    assert {row["http_status"] for row in rows if row["failure"] == "http_status"} == {404}


def test_a_lost_question_is_sent_again_and_that_is_told(ask):
    ways = {PUBLIC: Way(rtt_ms=RTT_MS, loss=0.3)}
    rows, _ = ask([f"tls://{PUBLIC}"], ways=ways, samples=12, timeout_ms=2500)
    answered = [row for row in rows if row["failure"] is None]
    assert {row["failure"] for row in rows} <= {None, "syn_retransmit", "dns_timeout", "tls_timeout"}
    assert all(row["retransmits"] for row in rows if row["failure"])
    once = [row for row in answered if row["warm"] and not row["retransmits"]]
    again = [row for row in answered if row["warm"] and row["retransmits"]]
    assert once
    assert again
    # What the peer had to send again looks like a slow peer, so not all are this fast.
    assert RTT_MS <= min(row["rtt_ms"] for row in once) < 2 * RTT_MS
    # What is waited for then is mostly a timer, and the row says so.
    assert all(row["rtt_ms"] > 3 * RTT_MS for row in again)
