"""Peers that send without end: they are left as soon as they are known, and take no time from the others."""

from __future__ import annotations

import contextlib
import select
import socket
import time

import pytest

from probes.dns_exchange import Channel
from probes.loop import Loop
from probes.protocols.icmp import Echoes
from probes.resolvers import Resolver

ENDLESS = {
    "tls": {
        "endless_hello": "tls_protocol",
        "endless_nothing": "tls_protocol",
        "endless_head": "tls_protocol",
        "huge_body": "tls_protocol",
    },
    "http": {
        "endless_head": "http_protocol",
        "endless_line": "http_protocol",
        "endless_beginnings": "http_protocol",
        "endless_hello": "http_protocol",
        "huge_body": None,
    },
    "https": {
        "tls/endless_head": "http_protocol",
        "tls/endless_line": "http_protocol",
        "tls/endless_beginnings": "http_protocol",
        "tls/huge_body": None,
    },
}
CASES = [
    (scheme, manner, failure) for scheme, manners in ENDLESS.items() for manner, failure in manners.items()
]


def targets(ports, scheme):
    protocol = "tls" if scheme == "tls" else "http"
    how = {} if scheme == "tls" else {"scheme": scheme}
    return [
        {"site": manner, "host": "127.0.0.5", "port": port, "protocols": [protocol], **how}
        for manner, port in ports.items()
    ]


@pytest.mark.parametrize(("scheme", "manner", "failure"), CASES)
def test_ends_long_before_its_timeout(measure, misbehave, tmp_path, scheme, manner, failure):
    ports = misbehave(manner)
    trusted = {"ca_file": str(tmp_path / "authority" / "ca.pem")} if scheme == "https" else {}
    begin = time.monotonic()
    rows = measure(targets(ports, scheme), timeout_ms=30_000, deadline_s=40, **trusted)
    assert time.monotonic() - begin < 25
    assert [(row.sample, row.failure) for row in rows] == [(0, failure), (1, failure)]
    # A body is none of the agent's concern; everything else is said what is wrong with.
    assert all((row.reason is None) == (failure is None) for row in rows)


def test_the_others_are_measured_meanwhile(start, measure, misbehave):
    ports = misbehave("endless_head", "endless_line", "endless_beginnings", "huge_body")
    quiet = start("tcp", "127.0.0.2")
    good = {"site": "good", "host": quiet.address, "port": quiet.port, "protocols": ["tcp"]}
    rows = measure([*targets(ports, "http"), *targets(ports, "tls"), good], samples=10, timeout_ms=5000)
    assert len(rows) == 10 * (2 * len(ports) + 1)
    assert {row.failure for row in rows if row.site == "good"} == {None}
    assert max(row.late_ms for row in rows) < 1000


@pytest.mark.parametrize(
    ("resolver", "manner", "failure"),
    [
        ("tls://127.0.0.5:{}", "tls/endless_head", "other"),
        ("https://127.0.0.5:{}/dns-query", "tls/endless_head", "http_protocol"),
        ("https://127.0.0.5:{}/dns-query", "tls/endless_beginnings", "dns_timeout"),
        ("https://127.0.0.5:{}/dns-query", "tls/huge_body", "http_protocol"),
    ],
)
def test_a_resolver_ends_with_its_timeout_at_the_latest(
    measure, misbehave, tmp_path, resolver, manner, failure
):
    (port,) = misbehave(manner).values()
    begin = time.monotonic()
    rows = measure(
        [{"site": "s", "host": "name.test", "protocols": ["dns"], "family": 4}],
        resolvers=[resolver.format(port)],
        ca_file=str(tmp_path / "authority" / "ca.pem"),
    )
    assert time.monotonic() - begin < 10
    assert sorted((row.sample, row.failure) for row in rows) == [(0, failure), (1, failure)]


def readable(opened):
    poller = select.poll()
    poller.register(opened, select.POLLIN)
    return bool(poller.poll(0))


def flooded(flood, loop, opened):
    """Whether a flood is still being read after one turn of the loop, and how many turns it takes."""
    for _ in range(1000):
        flood()
    assert readable(opened)
    loop._dispatch(0.1)
    assert readable(opened)
    turns = 1
    while readable(opened):
        loop._dispatch(0.1)
        turns += 1
    return turns


def test_a_flood_from_a_resolver_is_read_in_turns():
    loop = Loop()
    with contextlib.closing(loop), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.bind(("127.0.0.1", 0))
        with contextlib.closing(Channel(Resolver(*resolver.getsockname()), loop)) as channel:
            near = channel._socket.getsockname()
            assert flooded(lambda: resolver.sendto(b"x", near), loop, channel._socket) >= 4


def test_a_flood_of_echoes_is_read_in_turns():
    loop = Loop()
    with contextlib.closing(loop), contextlib.closing(Echoes(4, loop)) as channel:
        if channel.refused is not None:
            pytest.skip(channel.refused)
        # The kernel answers each, and each answer is nobody's.
        request = bytes.fromhex("0800f7ff00000000")

        def flood():
            channel._socket.sendto(request, ("127.0.0.1", 0))

        assert flooded(flood, loop, channel._socket) >= 4
