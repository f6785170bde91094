"""DNS against a real server over UDP and TCP, well-behaved and not."""

import itertools

import pytest

from probes import kernel


def _ask(start, measure, host, **agent):
    server = start("dns", "127.0.0.53")
    rows = measure(
        [{"site": "a", "host": host, "protocols": ["dns"]}],
        **{"resolvers": [server.resolver], "timeout_ms": 200, **agent},
    )
    return server, rows


def test_a_resolution_is_timed_by_the_kernel(start, measure):
    server, rows = _ask(start, measure, "site.test", samples=3)
    assert [row.sample for row in rows] == [0, 1, 2]
    for row in rows:
        assert (row.protocol, row.failure, row.clock, row.host) == ("dns", None, "kernel", "site.test")
        assert (row.peer, row.port, row.resolver, row.family) == (
            server.address,
            server.port,
            server.resolver,
            4,
        )
        assert 0 < row.rtt_ms < 100
        assert row.dns_ms == row.rtt_ms
        assert row.connect_ms is row.retransmits is None
    assert server.asked == [("site.test", "A", "udp")] * 3


def test_the_server_s_time_is_in_the_round_trip(start, measure):
    _, rows = _ask(start, measure, "late.test")
    assert all(50 <= row.rtt_ms < 150 for row in rows)


@pytest.mark.parametrize(
    ("host", "failure", "answered"),
    [
        ("nx.test", "dns_nxdomain", True),
        ("servfail.test", "dns_servfail", True),
        ("refused.test", "dns_refused", True),
        ("formerr.test", "other", True),
        ("garbage.test", "other", True),
        ("nodata.test", "other", True),
        ("silent.test", "dns_timeout", False),
        ("forged.test", "dns_timeout", False),
    ],
)
def test_every_failure_has_its_class(start, measure, host, failure, answered):
    _, rows = _ask(start, measure, host)
    assert [(row.failure, row.rtt_ms) for row in rows] == [(failure, None)] * 2
    assert all((row.dns_ms is not None) == answered for row in rows)


def test_a_reply_to_another_question_is_not_taken(start, measure):
    _, rows = _ask(start, measure, "stranger.test")
    assert [row.failure for row in rows] == [None, None]


def test_a_truncated_reply_is_asked_for_again_over_tcp(start, measure):
    server, rows = _ask(start, measure, "truncated.test", samples=2)
    assert [row.failure for row in rows] == [None, None]
    assert sorted(server.asked) == [("truncated.test", "A", "tcp")] * 2 + [("truncated.test", "A", "udp")] * 2
    # The server sends the second half of its reply 5 ms after the first.
    assert all(0 < row.rtt_ms < row.dns_ms - 5 for row in rows)
    assert {row.clock for row in rows} == {"kernel"}


def test_nobody_listens_there(start, measure):
    server = start("dns", "127.0.0.53")
    server.close()
    rows = measure([{"site": "a", "host": "site.test", "protocols": ["dns"]}], resolvers=[server.resolver])
    assert {row.failure for row in rows} == {"unreachable"}


def test_several_resolvers_are_measured_each(start, measure):
    servers = [start("dns", "127.0.0.53"), start("dns", "::1", answer="::1")]
    rows = measure(
        [{"site": "a", "host": "site.test", "protocols": ["dns"], "family": 4}],
        resolvers=[server.resolver for server in servers],
    )
    assert sorted((row.resolver, row.sample, row.failure) for row in rows) == sorted(
        (server.resolver, sample, failure)
        for (server, failure), sample in itertools.product(zip(servers, (None, "other"), strict=True), (0, 1))
    )


def test_family_six_asks_for_aaaa(start, measure):
    server = start("dns", "127.0.0.53", answer="2001:db8::1")
    rows = measure(
        [{"site": "a", "host": "site.test", "protocols": ["dns"], "family": 6}],
        resolvers=[server.resolver],
    )
    assert {(row.failure, row.family) for row in rows} == {(None, 6)}
    assert {kind for _, kind, _ in server.asked} == {"AAAA"}


def test_an_address_has_nothing_to_resolve(start, measure):
    server = start("tcp", "127.0.0.2")
    rows = measure([{"site": "a", "host": "127.0.0.2", "port": server.port, "protocols": ["dns", "tcp"]}])
    assert {row.protocol for row in rows} == {"tcp"}


def test_a_name_of_two_ports_is_measured_once(start, measure):
    server = start("dns", "127.0.0.53")
    rows = measure(
        [{"site": "a", "host": "site.test", "port": port, "protocols": ["dns"]} for port in (80, 443)],
        resolvers=[server.resolver],
    )
    assert [row.sample for row in rows] == [0, 1]


def test_many_queries_share_one_socket_and_find_their_own_reply(start, measure):
    server = start("dns", "127.0.0.53")
    targets = [{"site": f"s{n}", "host": f"h{n}.test", "protocols": ["dns"]} for n in range(100)]
    rows = measure(targets, resolvers=[server.resolver], samples=3, timeout_ms=2000)
    assert len(rows) == 300
    assert {row.failure for row in rows} == {None}
    assert len(server.asked) == 300


def test_a_step_of_the_clock_spoils_the_sample(start, measure, monkeypatch):
    # The one thing a test cannot do for real on a machine others use: set its clock.
    offsets = itertools.count(0, 3_600_000_000_000)
    monkeypatch.setattr(kernel, "realtime_offset_ns", lambda: next(offsets))
    _, rows = _ask(start, measure, "site.test")
    assert [(row.failure, row.rtt_ms, row.dns_ms) for row in rows] == [("clock_step", None, None)] * 2


def test_without_kernel_stamps_the_user_clock_serves_and_says_so(start, measure, monkeypatch):
    monkeypatch.setattr(kernel, "LINUX", False)
    server = start("tcp", "127.0.0.2")
    resolver = start("dns", "127.0.0.53", answer="127.0.0.2")
    rows = measure(
        [{"site": "a", "host": "site.test", "port": server.port}],
        resolvers=[resolver.resolver],
    )
    assert {(row.protocol, row.clock, row.failure) for row in rows} == {
        ("dns", "user", None),
        ("tcp", "user", None),
    }
    assert all(row.rtt_ms > 0 for row in rows)
