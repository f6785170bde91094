"""TCP as ``edgeprobe`` reports it, against the wire."""

from __future__ import annotations

import pytest

from tests.netlab import SILENCE, Way, spread
from tests.netlab.servers import acceptor
from tests.netlab.wire import handshakes, pair, quantile

PORT = 443


def targets(addresses, **options):
    return [
        {"site": address, "host": address, "port": PORT, "protocols": ["tcp"], **options}
        for address in addresses
    ]


@pytest.mark.parametrize("version", [4, 6])
def test_round_trips_are_those_of_the_wire(netlab, measured_rows, version):
    ways = spread(200, 5, 150, version)
    lab = netlab(ways)
    with acceptor(lab, PORT):
        rows = measured_rows(lab, targets(ways), samples=2)
    assert [row for row in rows if row["failure"] or row["clock"] != "kernel"] == []
    pairs = pair(rows, handshakes(lab.wire()))
    assert len(pairs) == 400
    errors_ms = [abs(row["rtt_ms"] - exchange.rtt_ms) for row, exchange in pairs]
    assert quantile(errors_ms, 0.95) < 1
    assert {row["family"] for row in rows} == {version}


def test_a_lost_syn_is_loss_and_nothing_else_is(netlab, measured_rows):
    ways = {address: Way(rtt_ms=way.rtt_ms, loss=0.05) for address, way in spread(300, 5, 100).items()}
    lab = netlab(ways, seed=7)
    with acceptor(lab, PORT):
        rows = measured_rows(lab, targets(ways), samples=2)
    pairs = pair(rows, handshakes(lab.wire()))
    assert len(pairs) == 600
    flagged = {exchange for row, exchange in pairs if row["failure"] == "syn_retransmit"}
    answered_late = {exchange for _, exchange in pairs if exchange.asked > 1 and exchange.end_ns is not None}
    given_up = {exchange for _, exchange in pairs if exchange.end_ns is None}
    assert len(answered_late) > 20
    assert flagged == answered_late
    # No time of the retransmission timer's gets into a round trip, and nothing was sent again without a loss.
    assert {row["failure"] for row, exchange in pairs if exchange in given_up} <= {"connect_timeout"}
    assert all(row["rtt_ms"] is None for row, exchange in pairs if exchange.asked > 1)
    assert all(exchange.lost > 0 for exchange in answered_late | given_up)
    assert all((row["failure"] is None) == (exchange.lost == 0) for row, exchange in pairs)


@pytest.mark.parametrize("way", [Way(rtt_ms=10, lose_first_out=1), Way(rtt_ms=10, lose_first_back=1)])
def test_the_first_syn_or_its_answer_is_lost(netlab, measured_rows, way):
    lab = netlab({"10.77.0.1": way})
    with acceptor(lab, PORT):
        first, second = measured_rows(lab, targets(["10.77.0.1"]), samples=2)
    assert (first["failure"], first["rtt_ms"], first["retransmits"]) == ("syn_retransmit", None, 1)
    assert second["failure"] is None
    one, other = handshakes(lab.wire())
    assert sorted((exchange.asked, exchange.lost) for exchange in (one, other)) == [(1, 0), (2, 1)]


def test_lost_answers_are_loss_whoever_sends_again_first(netlab, measured_rows):
    """Both ends wait a second before they send again, and either may come first."""
    ways = dict.fromkeys(spread(60, 0, 0), Way(rtt_ms=2, lose_first_back=1))
    lab = netlab(ways)
    with acceptor(lab, PORT):
        rows = measured_rows(lab, targets(ways))
    pairs = pair(rows, handshakes(lab.wire()))
    assert len(pairs) == 60
    assert {exchange.lost for _, exchange in pairs} == {1}
    assert {(row["failure"], row["rtt_ms"]) for row in rows} == {("syn_retransmit", None)}


@pytest.mark.parametrize("way", [SILENCE, Way(loss_out=1), Way(loss_back=1)])
def test_silence_is_a_timeout(netlab, measured_rows, way):
    lab = netlab({"10.77.0.1": way, "10.77.0.2": Way(rtt_ms=5)})
    with acceptor(lab, PORT):
        rows = measured_rows(lab, targets(["10.77.0.1", "10.77.0.2"]), timeout_ms=500)
    assert {row["peer"]: row["failure"] for row in rows} == {
        "10.77.0.1": "connect_timeout",
        "10.77.0.2": None,
    }
    silent = next(exchange for exchange in handshakes(lab.wire()) if exchange.peer[0] == "10.77.0.1")
    assert silent.end_ns is None
    assert silent.lost > 0


@pytest.mark.parametrize("address", ["10.77.0.1", "fd77::1"])
def test_a_reset_is_a_refusal(netlab, measured_rows, address):
    lab = netlab({address: Way(rtt_ms=20)})
    (row,) = measured_rows(lab, targets([address]))
    assert (row["failure"], row["rtt_ms"]) == ("connect_refused", None)
    (exchange,) = handshakes(lab.wire())
    assert exchange.refused
    assert 20 <= exchange.rtt_ms < 40


def test_an_unreachable_network(netlab, measured_rows):
    lab = netlab(networks=["10.77.0.0/16"])
    lab.near.run(["ip", "route", "add", "unreachable", "10.99.0.0/16"])
    (row,) = measured_rows(lab, targets(["10.99.0.1"]))
    assert row["failure"] == "unreachable"
    assert handshakes(lab.wire()) == []
