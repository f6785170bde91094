"""DNS against a real server over UDP and TCP, well-behaved and not."""

import itertools

import pytest

from probes import kernel


def _ask(start, measure, host, *, family=4, **agent):
    server = start("dns", "127.0.0.53")
    wanted = {} if family is None else {"family": family}
    rows = measure(
        [{"site": "a", "host": host, "protocols": ["dns"], **wanted}],
        **{"resolvers": [server.resolver], "timeout_ms": 200, **agent},
    )
    return server, rows


def test_a_resolution_is_timed_by_the_kernel(start, measure):
    server, rows = _ask(start, measure, "site.test", samples=3)
    assert [row.sample for row in rows] == [0, 1, 2]
    assert [row.warm for row in rows] == [False, True, True]
    for row in rows:
        assert (row.protocol, row.failure, row.clock, row.host) == ("dns", None, "kernel", "site.test")
        assert (row.transport, row.rcode, row.ttl_s, row.reason) == ("udp", "NOERROR", 60, None)
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
    ("host", "failure", "rcode", "reason"),
    [
        ("nx.test", "dns_nxdomain", "NXDOMAIN", None),
        ("servfail.test", "dns_servfail", "SERVFAIL", None),
        ("refused.test", "dns_refused", "REFUSED", None),
        ("formerr.test", "other", "FORMERR", "formerr"),
        ("garbage.test", "other", None, "malformed reply"),
        ("nodata.test", "other", "NOERROR", "no A record"),
        ("silent.test", "dns_timeout", None, None),
        ("forged.test", "dns_timeout", None, None),
    ],
)
def test_every_failure_has_its_class(start, measure, host, failure, rcode, reason):
    _, rows = _ask(start, measure, host)
    assert [(row.failure, row.rcode, row.reason) for row in rows] == [(failure, rcode, reason)] * 2
    assert {(row.rtt_ms, row.ttl_s, row.transport) for row in rows} == {(None, None, "udp")}
    assert all((row.dns_ms is not None) == (failure != "dns_timeout") for row in rows)


def test_a_reply_to_another_question_is_not_taken(start, measure):
    _, rows = _ask(start, measure, "stranger.test")
    assert [row.failure for row in rows] == [None, None]


def test_a_truncated_reply_is_asked_for_again_over_tcp(start, measure):
    server, rows = _ask(start, measure, "truncated.test", samples=2)
    assert [row.failure for row in rows] == [None, None]
    assert sorted(server.asked) == [("truncated.test", "A", "tcp")] * 2 + [("truncated.test", "A", "udp")] * 2
    assert {(row.transport, row.ttl_s) for row in rows} == {("tcp", 60)}
    # The server sends the second half of its reply 5 ms after the first.
    assert all(0 < row.rtt_ms < row.dns_ms - row.connect_ms - 5 for row in rows)
    assert {(row.clock, row.retransmits) for row in rows} == {("kernel", 0)}


def test_nobody_listens_there(start, measure):
    server = start("dns", "127.0.0.53")
    server.close()
    rows = measure([{"site": "a", "host": "site.test", "protocols": ["dns"]}], resolvers=[server.resolver])
    assert {(row.failure, row.reason) for row in rows} == {("unreachable", "nothing listens there")}


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


def test_without_a_family_both_are_asked_for_and_none_need_be_there(start, measure):
    server, rows = _ask(start, measure, "site.test", family=None, samples=1)
    assert sorted(server.asked) == [("site.test", "A", "udp"), ("site.test", "AAAA", "udp")]
    four, six = sorted(rows, key=lambda row: row.family)
    assert (four.family, four.failure, four.rcode, four.ttl_s, four.reason) == (4, None, "NOERROR", 60, None)
    assert (six.family, six.failure, six.rcode, six.ttl_s) == (6, None, "NOERROR", None)
    assert six.reason == "no AAAA record"
    assert 0 < six.rtt_ms == six.dns_ms
    assert {row.warm for row in rows} == {False}


def test_a_family_that_is_asked_for_must_be_there(start, measure):
    _, rows = _ask(start, measure, "site.test", family=6)
    assert {(row.failure, row.reason, row.rtt_ms) for row in rows} == {("other", "no AAAA record", None)}


def test_a_name_that_was_resolved_before_is_warm(start, measure):
    port = start("tcp", "127.0.0.2").port
    server = start("dns", "127.0.0.53", answer="127.0.0.2")
    rows = measure(
        [
            {"site": site, "host": f"{site}.test", "port": port, "protocols": protocols, "family": 4}
            for site, protocols in (("a", ["dns", "tcp"]), ("b", ["dns"]))
        ],
        resolvers=[server.resolver],
    )
    warm = {(row.site, row.sample): row.warm for row in rows if row.protocol == "dns"}
    assert warm == {("a", 0): True, ("a", 1): True, ("b", 0): False, ("b", 1): True}
    assert {row.warm for row in rows if row.protocol == "tcp"} == {None}


def test_an_address_has_nothing_to_resolve(start, measure):
    server = start("tcp", "127.0.0.2")
    rows = measure([{"site": "a", "host": "127.0.0.2", "port": server.port, "protocols": ["dns", "tcp"]}])
    assert {row.protocol for row in rows} == {"tcp"}


def test_a_name_of_two_ports_is_measured_once(start, measure):
    server = start("dns", "127.0.0.53")
    rows = measure(
        [
            {"site": "a", "host": "site.test", "port": port, "protocols": ["dns"], "family": 4}
            for port in (80, 443)
        ],
        resolvers=[server.resolver],
    )
    assert [row.sample for row in rows] == [0, 1]


def test_many_queries_share_one_socket_and_find_their_own_reply(start, measure):
    server = start("dns", "127.0.0.53")
    targets = [{"site": f"s{n}", "host": f"h{n}.test", "protocols": ["dns"], "family": 4} for n in range(100)]
    rows = measure(targets, resolvers=[server.resolver], samples=3, timeout_ms=2000)
    assert len(rows) == 300
    assert {row.failure for row in rows} == {None}
    assert len(server.asked) == 300


@pytest.mark.parametrize(
    ("host", "asked", "transport"),
    [("site.test", 1, "udp"), ("truncated.test", 1, "tcp"), ("truncated.test", 2, "tcp")],
    ids=["reply", "truncated", "stream"],
)
def test_a_step_of_the_clock_spoils_the_sample_it_falls_into(
    start, measure, monkeypatch, host, asked, transport
):
    # The one thing a test cannot do for real on a machine others use: set its clock. Here it is set while the
    # server has the question: the first, or the one over TCP.
    server = start("dns", "127.0.0.53")
    monkeypatch.setattr(
        kernel, "realtime_offset_ns", lambda: 3_600_000_000_000 if len(server.asked) >= asked else 0
    )
    rows = measure(
        [{"site": "a", "host": host, "protocols": ["dns"], "family": 4}],
        resolvers=[server.resolver],
        samples=3,
    )
    spoilt, *sound = sorted(rows, key=lambda row: row.sample)
    assert (spoilt.failure, spoilt.clock, spoilt.transport) == ("clock_step", "kernel", transport)
    assert spoilt.rtt_ms is spoilt.dns_ms is spoilt.lag_ms is None
    assert [(row.failure, row.transport) for row in sound] == [(None, transport)] * 2
    assert all(row.rtt_ms > 0 and row.lag_ms is not None for row in sound)


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
