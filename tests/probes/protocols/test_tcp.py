"""TCP against real listeners: what the kernel says, and every way a connect can fail."""

import errno
import socket
import time

import pytest

from probes import kernel
from probes.sockets import network_failure


def test_a_connect_is_timed_by_the_kernel(start, measure):
    server = start("tcp", "127.0.0.2")
    rows = measure([{"site": "a", "host": server.address, "port": server.port}], samples=4)
    assert [row.sample for row in rows] == [0, 1, 2, 3]
    for row in rows:
        assert (row.protocol, row.failure, row.clock, row.retransmits) == ("tcp", None, "kernel", 0)
        assert (row.peer, row.port, row.family, row.resolver) == ("127.0.0.2", server.port, 4, None)
        assert 0 < row.rtt_ms < 100
        assert row.connect_ms > 0
        assert row.rtt_ms * 1000 == pytest.approx(round(row.rtt_ms * 1000))
        assert row.dns_ms is row.tls_ms is row.ttfb_ms is None
        assert row.late_ms >= 0
    assert server.has_accepted(4)


def test_ipv6_address(start, measure):
    server = start("tcp", "::1")
    rows = measure([{"site": "a", "host": "::1", "port": server.port, "family": 6}])
    assert {(row.failure, row.peer, row.family) for row in rows} == {(None, "::1", 6)}


def test_refused(measure, refused_port):
    rows = measure([{"site": "a", "host": "127.0.0.1", "port": refused_port}])
    assert [(row.failure, row.rtt_ms, row.connect_ms) for row in rows] == [
        ("connect_refused", None, None)
    ] * 2


def test_dropped_syns_are_a_timeout(start, measure):
    hole = start("blackhole", "127.0.0.3")
    rows = measure([{"site": "a", "host": hole.address, "port": hole.port}], timeout_ms=300)
    assert [(row.failure, row.rtt_ms, row.retransmits) for row in rows] == [("connect_timeout", None, 0)] * 2


def test_a_timeout_counts_the_syns_sent_again(start, measure):
    hole = start("blackhole", "127.0.0.3")
    rows = measure([{"site": "a", "host": hole.address, "port": hole.port}], timeout_ms=1500, samples=1)
    assert [(row.failure, row.retransmits) for row in rows] == [("connect_timeout", 1)]


def test_a_lost_syn_is_loss_and_no_slow_round_trip(start, measure):
    hole = start("blackhole", "127.0.0.3")
    hole.open(after_s=0.5)
    (row,) = measure([{"site": "a", "host": hole.address, "port": hole.port}], timeout_ms=3000, samples=1)
    assert (row.failure, row.rtt_ms, row.retransmits) == ("syn_retransmit", None, 1)
    assert row.connect_ms > 900


def test_an_answer_sent_again_is_loss_though_nothing_here_was(start, measure, monkeypatch):
    """When the second answer overtakes our second SYN: nobody can say which of two timers ends first."""
    server = start("tcp", "127.0.0.2")
    real = kernel.tcp_info
    monkeypatch.setattr(kernel, "tcp_info", lambda one: real(one)._replace(rtt_us=1_004_000, retransmits=0))
    (row,) = measure([{"site": "a", "host": server.address, "port": server.port}], samples=1)
    assert (row.failure, row.rtt_ms, row.retransmits) == ("syn_retransmit", None, 0)


def test_a_connection_broken_off_after_the_handshake_was_answered(start, measure):
    server = start("tcp", "127.0.0.2", reset=True)
    rows = measure([{"site": "a", "host": server.address, "port": server.port}], samples=20)
    assert {row.failure for row in rows} == {None}
    assert all(0 < row.rtt_ms < 100 for row in rows)


def test_no_route_is_unreachable(measure):
    rows = measure([{"site": "a", "host": "255.255.255.255", "port": 443}])
    assert {row.failure for row in rows} == {"unreachable"}


@pytest.mark.parametrize(
    ("number", "failure"),
    [
        (errno.ECONNREFUSED, "connect_refused"),
        (errno.ETIMEDOUT, "connect_timeout"),
        (errno.EHOSTUNREACH, "unreachable"),
        (errno.ENETUNREACH, "unreachable"),
        (errno.EACCES, "unreachable"),
        (errno.EMFILE, "other"),
    ],
)
def test_errors_have_classes(number, failure):
    assert network_failure(number) == failure


def test_the_connection_is_closed_by_reset(measure):
    with socket.create_server(("127.0.0.4", 0)) as listener:
        measure([{"site": "a", "host": "127.0.0.4", "port": listener.getsockname()[1]}], samples=1)
        connection, _ = listener.accept()
        with connection, pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_names_are_resolved_once_and_connected_to(start, measure):
    server = start("tcp", "127.0.0.2")
    resolver = start("dns", "127.0.0.53", answer="127.0.0.2")
    rows = measure(
        [{"site": "a", "host": "site.test", "port": server.port, "protocols": ["tcp"]}],
        samples=3,
        resolvers=[resolver.resolver],
    )
    assert {(row.failure, row.peer, row.host, row.resolver) for row in rows} == {
        (None, "127.0.0.2", "site.test", resolver.resolver)
    }
    assert len({row.dns_ms for row in rows}) == 1
    assert 0 < rows[0].dns_ms < 400
    assert sorted(resolver.asked) == [("site.test", "A", "udp"), ("site.test", "AAAA", "udp")]


@pytest.mark.parametrize(
    ("host", "failure"),
    [
        ("nx.test", "dns_nxdomain"),
        ("servfail.test", "dns_servfail"),
        ("refused.test", "dns_refused"),
        ("silent.test", "dns_timeout"),
        ("forged.test", "dns_timeout"),
        ("garbage.test", "other"),
        ("nodata.test", "other"),
    ],
)
def test_a_name_without_address_is_a_failure_of_each_sample(start, measure, host, failure):
    resolver = start("dns", "127.0.0.53")
    rows = measure(
        [{"site": "a", "host": host, "protocols": ["tcp"]}],
        timeout_ms=150,
        resolvers=[resolver.resolver],
    )
    assert [(row.protocol, row.failure, row.peer, row.rtt_ms) for row in rows] == [
        ("tcp", failure, None, None)
    ] * 2
    assert {row.resolver for row in rows} == {resolver.resolver}


def test_a_lost_query_is_asked_again(start, measure):
    server = start("tcp", "127.0.0.2")
    resolver = start("dns", "127.0.0.53", answer="127.0.0.2", drop=1)
    (row,) = measure(
        [{"site": "a", "host": "site.test", "port": server.port, "protocols": ["tcp"], "family": 4}],
        samples=1,
        timeout_ms=200,
        resolvers=[resolver.resolver],
    )
    assert (row.failure, row.peer) == (None, "127.0.0.2")
    assert row.dns_ms > 200


def test_the_next_resolver_is_asked_when_the_first_cannot(start, measure):
    server = start("tcp", "127.0.0.2")
    second = start("dns", "127.0.0.54", answer="127.0.0.2")
    first = start("dns", "127.0.0.53")
    first.close()
    (row,) = measure(
        [{"site": "a", "host": "site.test", "port": server.port, "protocols": ["tcp"]}],
        samples=1,
        resolvers=[first.resolver, second.resolver],
    )
    assert (row.failure, row.peer, row.resolver) == (None, "127.0.0.2", second.resolver)


def test_a_name_with_only_an_ipv6_address(start, measure):
    server = start("tcp", "::1")
    resolver = start("dns", "127.0.0.53", answer="::1")
    (row,) = measure(
        [{"site": "a", "host": "site.test", "port": server.port, "protocols": ["tcp"]}],
        samples=1,
        resolvers=[resolver.resolver],
    )
    assert (row.failure, row.peer, row.family) == (None, "::1", 6)


def test_names_nobody_answers_for_leave_time_for_the_rest(start, measure):
    server = start("tcp", "127.0.0.2")
    resolver = start("dns", "127.0.0.53")
    began = time.monotonic()
    rows = measure(
        [
            {"site": "a", "host": "silent.test", "protocols": ["tcp"]},
            {"site": "b", "host": server.address, "port": server.port},
        ],
        timeout_ms=5000,
        deadline_s=1.5,
        samples=1,
        resolvers=[resolver.resolver],
    )
    assert time.monotonic() - began < 1.5
    assert {row.site: row.failure for row in rows} == {"a": "dns_timeout", "b": None}
