"""What is read out of packets, on packets made up for the purpose; no lab is needed."""

from __future__ import annotations

import pytest

from tests.netlab.wire import (
    ACK,
    ICMP,
    RST,
    SYN,
    TCP,
    UDP,
    Packet,
    dns_exchanges,
    echoes,
    first_bytes,
    handshakes,
    pair,
    quantile,
    tls_flights,
)

NEAR, FAR, PORT = "10.76.0.1", "10.77.0.1", 40000
HELLO = b"\x16\x03\x01\x02\x00\x01\x00"


def packet(ms, *, out, protocol=TCP, lost=False, port=443, local=PORT, **rest):
    ends = (NEAR, local, FAR, port) if out else (FAR, port, NEAR, local)
    source, source_port, target, target_port = ends
    fields = {
        "flags": 0,
        "sequence": 0,
        "acknowledged": 0,
        "ident": 0,
        "icmp_sequence": 0,
        "head": b"",
        "length": len(rest.get("head", b"")),
        **rest,
    }
    return Packet(
        ns=round(ms * 1e6),
        out=out,
        lost=lost,
        version=4,
        protocol=protocol,
        source=source,
        source_port=source_port,
        target=target,
        target_port=target_port,
        **fields,
    )


def syn(ms, sequence=100, **rest):
    return packet(ms, out=True, flags=SYN, sequence=sequence, **rest)


def syn_ack(ms, acknowledged=101, **rest):
    return packet(ms, out=False, flags=SYN | ACK, acknowledged=acknowledged, **rest)


def data(ms, head, *, out, sequence=1, length=None, **rest):
    return packet(ms, out=out, flags=ACK, sequence=sequence, head=head, length=length or len(head), **rest)


def facts(exchanges):
    return [(one.rtt_ms, one.asked, one.lost, one.refused) for one in exchanges]


def test_a_handshake():
    assert facts(handshakes([syn(0), syn_ack(20), syn_ack(30)])) == [(20, 1, 0, False)]


@pytest.mark.parametrize(
    "packets",
    [
        [syn(0, lost=True), syn(1000), syn_ack(1020)],
        [syn(0), syn_ack(10, lost=True), syn(1000), syn_ack(1020)],
    ],
)
def test_a_lost_syn_or_answer_has_no_round_trip(packets):
    (found,) = handshakes(packets)
    assert (found.rtt_ms, found.asked, found.lost) == (None, 2, 1)
    assert found.end_ns - found.begin_ns == 1020e6


def test_a_refusal_and_a_silence():
    refusal = packet(20, out=False, flags=RST | ACK, acknowledged=101)
    assert facts(handshakes([syn(0), refusal])) == [(20, 1, 0, True)]
    assert facts(handshakes([syn(0, lost=True)])) == [(None, 1, 1, False)]


def test_a_port_used_again_is_another_connection():
    packets = [syn(0), syn_ack(20), syn(50, 900), syn_ack(60), syn_ack(90, 901)]
    assert facts(handshakes(packets)) == [(20, 1, 0, False), (40, 1, 0, False)]


def test_dns_by_port_and_id():
    packets = [
        packet(0, out=True, protocol=UDP, port=53, head=b"\x00\x01"),
        packet(1, out=True, protocol=UDP, port=53, head=b"\x00\x02"),
        packet(5, out=False, protocol=UDP, port=53, head=b"\x00\x02"),
        packet(9, out=False, protocol=UDP, port=53, head=b"\x00\x01"),
        packet(9, out=False, protocol=UDP, port=53, head=b"\x00\x03"),
    ]
    assert [(one.mark, one.rtt_ms) for one in dns_exchanges(packets)] == [(1, 9), (2, 4)]


def test_echoes_by_sequence_number():
    def echo(ms, kind, number, **rest):
        out = kind == 8
        return packet(ms, out=out, protocol=ICMP, flags=kind, ident=7, icmp_sequence=number, port=0, **rest)

    packets = [echo(0, 8, 1), echo(1, 8, 2), echo(4, 0, 2), echo(9, 0, 1, lost=True)]
    assert [(one.mark, one.rtt_ms, one.lost) for one in echoes(packets)] == [
        ((7, 1), None, 1),
        ((7, 2), 3, 0),
    ]


def test_the_servers_flight_ends_when_the_client_speaks_again():
    packets = [
        syn(0),
        syn_ack(10),
        data(20, HELLO, out=True, sequence=101),
        data(30, b"\x16", out=False),
        data(31, b"\xaa", out=False, sequence=2, lost=True),
        data(32, b"\xbb", out=False, sequence=3),
        data(60, b"\xaa", out=False, sequence=2),
        data(61, b"\x14", out=True, sequence=200),
        data(71, b"\x17", out=False, sequence=4),
    ]
    assert [(one.rtt_ms, one.lost) for one in tls_flights(packets)] == [(40, 1)]
    (again,) = tls_flights([*packets[:3], data(25, HELLO, out=True, sequence=101), *packets[3:]])
    assert (again.rtt_ms, again.asked) == (None, 2)
    assert tls_flights(packets[:2]) == []


def test_a_ticket_is_no_response():
    def record(length):
        return b"\x17\x03\x03" + length.to_bytes(2, "big")

    packets = [
        syn(0),
        data(20, HELLO, out=True, sequence=101),
        data(30, b"\x16", out=False, length=2500),
        data(31, b"\x14", out=True, sequence=200),
        data(32, record(100), out=True, sequence=280),
        data(41, record(250), out=False),
        data(42, record(4100), out=False, length=1448),
        data(43, record(4100), out=False, length=1448),
    ]
    assert facts(first_bytes(packets, record_over=2000)) == [(10, 1, 0, False)]
    assert facts(first_bytes(packets)) == [(9, 1, 0, False)]


def test_rows_are_paired_by_peer_and_order():
    exchanges = handshakes([syn(0), syn(5, 300, local=1), syn_ack(20), syn_ack(26, 301, local=1)])
    rows = [
        {"peer": FAR, "port": 443, "started_at": "2026-01-01T00:00:00.005Z", "n": 1},
        {"peer": FAR, "port": 443, "started_at": "2026-01-01T00:00:00.000Z", "n": 0},
    ]
    assert [(row["n"], exchange.rtt_ms) for row, exchange in pair(rows, exchanges)] == [(0, 20), (1, 21)]
    with pytest.raises(ValueError, match="in no row"):
        pair(rows[:1], exchanges)
    with pytest.raises(ValueError, match="nothing on the wire"):
        pair(rows, exchanges[:1])


def test_quantile():
    assert [quantile([3, 1, 2, 4], share) for share in (0, 0.25, 0.5, 0.95, 1)] == [1, 1, 2, 4, 4]
