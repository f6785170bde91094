"""TLS and HTTP as ``edgeprobe`` reports them, against the wire; the servers are nginx."""

from __future__ import annotations

import contextlib

import pytest

from tests.netlab import Way, spread
from tests.netlab.authority import Authority
from tests.netlab.servers import RECORD_OVER, web
from tests.netlab.wire import conversations, first_bytes, handshakes, pair, quantile, tls_flights

HTTPS, HTTP = 443, 80
SENT_AGAIN = "a segment was lost and sent again"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "authority")


def targets(addresses, protocol, **options):
    return [{"site": address, "host": address, "protocols": [protocol], **options} for address in addresses]


@contextlib.contextmanager
def serving(lab, authority, names, **options):
    certificate = authority.issue("valid", names)
    with web(lab, plain=[HTTP], tls={HTTPS: certificate}, **options):
        yield


def p95_error_ms(pairs, value):
    return quantile([abs(row[value] - exchange.rtt_ms) for row, exchange in pairs], 0.95)


@pytest.mark.parametrize("version", [4, 6])
def test_handshakes_are_those_of_the_wire(netlab, measured_rows, authority, version):
    ways = spread(100, 5, 150, version)
    lab = netlab(ways)
    with serving(lab, authority, list(ways)):
        rows = measured_rows(
            lab, targets(ways, "tls"), samples=2, rate_per_s=400, ca_file=str(authority.certificate)
        )
    packets = lab.wire()
    assert [row for row in rows if row["failure"] or row["clock"] != "kernel"] == []
    flights = pair(rows, tls_flights(packets, HTTPS))
    assert len(flights) == 200
    assert p95_error_ms(flights, "tls_ms") < 1
    assert p95_error_ms(flights, "rtt_ms") < 2
    assert p95_error_ms(pair(rows, handshakes(packets)), "connect_ms") < 1
    assert {(row["tls_version"], row["tls_cipher"][:4]) for row in rows} == {("TLSv1.3", "TLS_")}
    assert {round(row["certificate_days"]) for row in rows} == {30}
    assert all(0 < row["crypto_ms"] < 100 and row["retransmits"] == 0 for row in rows)
    assert {row["ttfb_ms"] for row in rows} == {None}
    # Each waited here to be read, and none of that is in its time.
    assert all(row["lag_ms"] > 0 for row in rows)


def test_a_handshake_of_two_flights(netlab, measured_rows, authority):
    lab = netlab({"10.77.0.1": Way(rtt_ms=40)})
    with serving(lab, authority, ["10.77.0.1"], versions="TLSv1.2"):
        (row,) = measured_rows(lab, targets(["10.77.0.1"], "tls"), ca_file=str(authority.certificate))
    assert (row["failure"], row["tls_version"]) == (None, "TLSv1.2")
    assert 40 <= row["rtt_ms"] < 50
    assert 80 <= row["tls_ms"] < 95


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_first_bytes_are_those_of_the_wire(netlab, measured_rows, authority, version, scheme):
    ways = spread(100, 5, 150, version)
    lab = netlab(ways)
    port = HTTPS if scheme == "https" else HTTP
    with serving(lab, authority, list(ways)):
        rows = measured_rows(
            lab,
            targets(ways, "http", port=port),
            samples=2,
            rate_per_s=400,
            ca_file=str(authority.certificate),
        )
    packets = lab.wire()
    assert [row for row in rows if row["failure"]] == []
    # A busy machine reads some late, and then says so.
    kernel_timed = [row for row in rows if row["clock"] == "kernel"]
    assert len(kernel_timed) > 180
    # Tickets come before the response, in records of their own.
    record_over = RECORD_OVER if scheme == "https" else 0
    pairs = pair(rows, first_bytes(packets, port, record_over=record_over))
    assert len(pairs) == 200
    assert p95_error_ms([(row, one) for row, one in pairs if row["clock"] == "kernel"], "ttfb_ms") < 1
    assert all(row["rtt_ms"] == row["ttfb_ms"] for row in rows)
    assert p95_error_ms(pair(rows, handshakes(packets)), "connect_ms") < 1
    assert {(row["http_status"], row["http_version"]) for row in rows} == {(200, "1.1")}
    assert {row["tls_version"] for row in rows} == ({"TLSv1.3"} if scheme == "https" else {None})
    assert all((row["tls_ms"] is None) == (scheme == "http") for row in rows)


@pytest.mark.parametrize(("protocol", "failure"), [("tls", "tls_timeout"), ("http", "http_timeout")])
def test_what_we_had_to_send_again_is_loss(netlab, measured_rows, authority, protocol, failure):
    """The retransmission timer's time is not the path's: only packets on the way out are lost here."""
    ways = {
        address: Way(rtt_ms=way.rtt_ms, loss_out=0.06, loss_back=0)
        for address, way in spread(150, 5, 60).items()
    }
    lab = netlab(ways, seed=3)
    with serving(lab, authority, list(ways)):
        rows = measured_rows(
            lab,
            targets(ways, protocol, port=HTTPS if protocol == "tls" else HTTP),
            samples=2,
            rate_per_s=200,
            ca_file=str(authority.certificate),
        )
    packets = lab.wire()
    asked = {
        (one.peer, one.local_port): one
        for one in (tls_flights(packets, HTTPS) if protocol == "tls" else first_bytes(packets, HTTP))
    }
    again = plain = 0
    for row, connect in pair(rows, handshakes(packets)):
        exchange = asked.get((connect.peer, connect.local_port))
        if exchange is None or connect.asked > 1:
            assert row["failure"] in ("syn_retransmit", "connect_timeout")
        elif exchange.asked > 1:
            again += 1
            assert (row["failure"], row["rtt_ms"], row["reason"]) == (failure, None, SENT_AGAIN)
        elif not exchange.lost:
            plain += 1
            assert row["failure"] is None or row["reason"] == SENT_AGAIN
            if row["failure"] is None:
                assert row["rtt_ms"] < ways[row["peer"]].rtt_ms + 100
    assert again > 5
    assert plain > 200


@pytest.mark.parametrize(
    ("path", "status", "failure"),
    [
        ("/status/204", 204, None),
        ("/moved", 302, None),
        ("/status/404", 404, "http_status"),
        ("/status/503", 503, "http_status"),
    ],
)
def test_what_the_server_says(netlab, measured_rows, path, status, failure):
    lab = netlab({"10.77.0.1": Way(rtt_ms=30)})
    with web(lab, plain=[8080]):
        (row,) = measured_rows(lab, targets(["10.77.0.1"], "http", port=8080, scheme="http", path=path))
    assert (row["http_status"], row["failure"]) == (status, failure)
    assert 30 <= row["ttfb_ms"] < 45
    assert row["rtt_ms"] == (row["ttfb_ms"] if failure is None else None)
    assert row["reason"] == (f"status {status}" if failure else None)


def test_certificates(netlab, measured_rows, authority):
    lab = netlab({"10.77.0.0/16": Way(rtt_ms=10)})
    certificates = {
        443: authority.issue("valid", ["10.77.0.1"]),
        8441: authority.issue("expired", ["10.77.0.1"], begins_days=-60, ends_days=-30),
        8442: authority.issue("elsewhere", ["elsewhere.test"]),
        8443: authority.self_signed("alone", ["10.77.0.1"]),
    }
    sites = [
        {"site": f"{protocol}-{port}", "host": "10.77.0.1", "port": port, "protocols": [protocol]}
        for port in certificates
        for protocol in ("tls", "http")
    ]
    with web(lab, tls=certificates):
        rows = measured_rows(lab, sites, ca_file=str(authority.certificate))
        strangers = measured_rows(lab, sites[:1])
    found = {row["site"]: (row["failure"], row["reason"]) for row in rows}
    for protocol in ("tls", "http"):
        assert found[f"{protocol}-443"] == (None, None)
        assert found[f"{protocol}-8441"] == ("tls_certificate", "certificate has expired")
        assert found[f"{protocol}-8442"][0] == "tls_certificate"
        assert "IP address mismatch" in found[f"{protocol}-8442"][1]
        assert found[f"{protocol}-8443"] == ("tls_certificate", "self-signed certificate")
    assert all(row["rtt_ms"] is None for row in rows if row["failure"])
    # Without the file nobody vouches for the authority.
    assert strangers[0]["failure"] == "tls_certificate"
    assert "issuer" in strangers[0]["reason"]


def test_names_are_sent_and_checked(netlab, measured_rows, authority, tmp_path):
    lab = netlab({"10.77.0.1": Way(rtt_ms=10)})
    hosts = tmp_path / "hosts"
    hosts.write_text("10.77.0.1 right.netlab.test wrong.netlab.test\n", encoding="utf-8")
    with web(lab, tls={443: authority.issue("right", ["right.netlab.test"])}):
        rows = measured_rows(
            lab,
            targets(["right.netlab.test", "wrong.netlab.test"], "http"),
            files={"/etc/hosts": hosts},
            ca_file=str(authority.certificate),
        )
    assert {row["host"]: row["failure"] for row in rows} == {
        "right.netlab.test": None,
        "wrong.netlab.test": "tls_certificate",
    }


def test_nothing_is_resumed(netlab, measured_rows, authority):
    lab = netlab({"10.77.0.1": Way(rtt_ms=20)})
    with serving(lab, authority, ["10.77.0.1"]):
        rows = measured_rows(
            lab, targets(["10.77.0.1"], "http"), samples=4, ca_file=str(authority.certificate)
        )
    assert [row["failure"] for row in rows] == [None] * 4
    # A resumed server sends no certificate, so its flight would be much shorter.
    flights = [_bytes_of_the_servers_flight(packets) for packets in conversations(lab.wire(), HTTPS)]
    assert len(flights) == 4
    assert max(flights) - min(flights) < 50
    assert min(flights) > 500


def _bytes_of_the_servers_flight(packets):
    """What came between the ClientHello and what the client sent next, whatever was sent twice."""
    hello, came = None, {}
    for packet in packets:
        if packet.out and packet.length and hello not in (None, packet.sequence):
            break
        if packet.out and packet.length:
            hello = packet.sequence
        elif not packet.out and packet.length:
            came[packet.sequence] = packet.length
    return sum(came.values())
