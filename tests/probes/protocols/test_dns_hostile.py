"""DNS against a server that answers as each test says: forged, damaged, late, or not at all."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from probes.loop import Loop

NAME = "www.site.test."
ADDRESS = "192.0.2.7"


class Server:
    """Each datagram is handed to ``answer`` with a way to send back; each query over TCP likewise, where
    ``streams`` gives an answer for it (None: nobody listens there)."""

    def __init__(
        self,
        answer: Callable[[dns.message.Message, Callable[..., None]], None],
        streams: Callable[[dns.message.Message, socket.socket], None] | None = None,
    ) -> None:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.54", 0))
        if streams is not None:
            self._listener.listen(16)
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.bind(self._listener.getsockname())
        self._elsewhere = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._elsewhere.bind(("127.0.0.54", 0))
        self._answer, self._streams = answer, streams
        self.asked: list[tuple[int, int]] = []
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        if streams is not None:
            self._threads.append(threading.Thread(target=self._serve_streams, daemon=True))
        for thread in self._threads:
            thread.start()

    @property
    def resolver(self) -> str:
        return "{}:{}".format(*self._datagrams.getsockname())

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._datagrams.recv(4096, socket.MSG_PEEK):
                data, peer = self._datagrams.recvfrom(4096)
                query = dns.message.from_wire(data)
                self.asked.append((peer[1], query.id))

                def send(message: dns.message.Message | bytes, *, wrong_port: bool = False) -> None:
                    wire = message if isinstance(message, bytes) else message.to_wire(max_size=65_000)
                    (self._elsewhere if wrong_port else self._datagrams).sendto(wire, peer)  # noqa: B023

                self._answer(query, send)

    def _serve_streams(self) -> None:
        assert self._streams is not None
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(OSError, struct.error):
                    (length,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
                    query = dns.message.from_wire(connection.recv(length, socket.MSG_WAITALL))
                    self._streams(query, connection)

    def die(self) -> None:
        """Listen no more; to be called from within ``answer``."""
        self._datagrams.close()

    def close(self) -> None:
        for opened in (self._datagrams, self._listener):
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()
        self._elsewhere.close()
        for thread in self._threads:
            thread.join(2)


@pytest.fixture
def ask(measure) -> Iterator[Callable[..., list[object]]]:
    """Measure www.site.test by such a server; the rows, in order of their samples."""
    with contextlib.ExitStack() as stack:

        def run(answer, streams=None, *, family=4, **agent):
            server = Server(answer, streams)
            stack.callback(server.close)
            run.server = server
            rows = measure(
                [{"site": "a", "host": NAME[:-1], "protocols": ["dns"], "family": family}],
                **{"resolvers": [server.resolver], "timeout_ms": 300, **agent},
            )
            return sorted(rows, key=lambda row: row.sample)

        yield run


def good(query, address=ADDRESS, name=NAME):
    reply = dns.message.make_response(query)
    reply.answer.append(dns.rrset.from_text(name, 30, "IN", "A", address))
    return reply


def chained(query, *names, end=True):
    """A reply whose CNAMEs lead from the name asked for over ``names``."""
    reply = dns.message.make_response(query)
    for name, target in zip((NAME, *names), names, strict=False):
        reply.answer.append(dns.rrset.from_text(name, 300, "IN", "CNAME", target))
    if end:
        reply.answer.append(dns.rrset.from_text(names[-1], 30, "IN", "A", ADDRESS))
    return reply


def forged_id(query, send):
    for step in (1, 2, 0x8000):
        forged = good(query, "203.0.113.9")
        forged.id = (query.id + step) % 65536
        send(forged)


def forged_question(query, send):
    other = dns.message.make_query("elsewhere.test", "A", id=query.id)
    send(good(other, "203.0.113.9", "elsewhere.test."))
    send(good(dns.message.make_query(NAME, "AAAA", id=query.id)))


def wrong_port(query, send):
    send(good(query, "203.0.113.9"), wrong_port=True)


def no_reply(query, send):
    send(query.to_wire())  # the query itself, sent back
    send(b"")
    send(query.to_wire()[:2] + b"\x80")


@pytest.mark.parametrize("forge", [forged_id, forged_question, wrong_port, no_reply])
def test_what_is_forged_is_dropped_and_the_true_reply_counts(ask, forge):
    def answer(query, send):
        forge(query, send)
        time.sleep(0.05)
        reply = good(query)
        reply.set_rcode(dns.rcode.SERVFAIL)
        reply.answer.clear()
        send(reply)

    rows = ask(answer)
    # Had one of the forgeries been taken, this would be no SERVFAIL.
    assert [(row.failure, row.rcode) for row in rows] == [("dns_servfail", "SERVFAIL")] * 2
    assert all(50 <= row.dns_ms < 200 for row in rows)


@pytest.mark.parametrize("forge", [forged_id, forged_question, wrong_port, no_reply])
def test_forgeries_alone_are_silence(ask, forge):
    rows = ask(forge)
    assert [(row.failure, row.dns_ms, row.rcode) for row in rows] == [("dns_timeout", None, None)] * 2


def test_ids_and_ports_cannot_be_guessed(ask):
    ports = set()
    for _ in range(3):
        ask(lambda query, send: send(good(query)), samples=40)
        ids = [number for _, number in ask.server.asked]
        assert len(set(ids)) > 30
        steps = {(after - before) % 65536 for before, after in itertools.pairwise(ids)}
        assert len(steps) > 30
        ports |= {port for port, _ in ask.server.asked}
    assert len(ports) == 3


def damaged_count(wire):
    return wire[:6] + b"\xff\xff" + wire[8:]


def damaged_pointer(wire):
    return wire[:-16] + b"\xc0\xff" + wire[-14:]


@pytest.mark.parametrize("damage", [damaged_count, damaged_pointer, lambda wire: wire[:-3]])
def test_garbage_under_the_right_question(ask, damage):
    def answer(query, send):
        plain = dns.message.make_query(NAME, "A", id=query.id, use_edns=False)
        send(damage(good(plain).to_wire()))

    rows = ask(answer)
    assert [(row.failure, row.reason, row.rcode) for row in rows] == [("other", "malformed reply", None)] * 2
    assert all(row.dns_ms > 0 for row in rows)


@pytest.mark.parametrize(
    ("names", "end", "failure", "reason"),
    [
        (("one.test.", "two.test.", "three.test."), True, None, None),
        (("one.test.", "two.test."), False, "other", "no A record"),
        (("one.test.", NAME), False, "other", "endless chain of CNAMEs"),
        ((NAME,), False, "other", "endless chain of CNAMEs"),
        (tuple(f"n{n}.test." for n in range(40)), True, "other", "endless chain of CNAMEs"),
    ],
    ids=["chain", "dangling", "loop", "itself", "too long"],
)
def test_chains(ask, names, end, failure, reason):
    rows = ask(lambda query, send: send(chained(query, *names, end=end)))
    assert [(row.failure, row.reason, row.rcode) for row in rows] == [(failure, reason, "NOERROR")] * 2
    assert {row.ttl_s for row in rows} == ({30} if failure is None else {None})


def test_a_reply_longer_than_was_asked_for_is_read_whole(ask):
    def answer(query, send):
        reply = good(query)
        for number in range(1, 250):
            reply.answer[0].add(dns.rrset.from_text(NAME, 30, "IN", "A", f"192.0.2.{number}")[0])
        assert len(reply.to_wire(max_size=65_000)) > 3 * query.payload
        send(reply)

    rows = ask(answer)
    assert [(row.failure, row.transport, row.ttl_s) for row in rows] == [(None, "udp", 30)] * 2


def test_a_server_says_why_it_failed(ask):
    def answer(query, send):
        reply = dns.message.make_response(query)
        reply.set_rcode(dns.rcode.SERVFAIL)
        reply.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode.DNSSEC_BOGUS, "x" * 300)])
        send(reply)

    row, _ = ask(answer)
    assert row.failure == "dns_servfail"
    assert row.reason.startswith("EDE 6 (DNSSEC Bogus): xxx")
    assert len(row.reason) == 120


def truncated(query, send):
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.TC
    send(reply)


def over_tcp(query, connection):
    wire = good(query).to_wire()
    connection.sendall(struct.pack("!H", len(wire)) + wire)
    connection.recv(1)


def over_tcp_late(query, connection):
    time.sleep(0.05)
    over_tcp(query, connection)


def no_question(query, connection):
    wire = dns.message.make_response(dns.message.make_query("elsewhere.test", "A", id=query.id)).to_wire()
    connection.sendall(struct.pack("!H", len(wire)) + wire)
    connection.recv(1)


def half_a_reply(query, connection):
    wire = good(query).to_wire()
    connection.sendall(struct.pack("!H", len(wire)) + wire[:20])


@pytest.mark.parametrize(
    ("streams", "failure", "reason"),
    [
        (over_tcp, None, None),
        (None, "connect_refused", "after a truncated reply"),
        (lambda query, connection: connection.recv(1), "dns_timeout", "after a truncated reply"),
        (half_a_reply, "other", "closed without an answer, after a truncated reply"),
        (lambda query, connection: None, "other", "closed without an answer, after a truncated reply"),
        (no_question, "other", "an answer to another question, after a truncated reply"),
    ],
    ids=["answered", "refused", "silent", "half", "closed", "another"],
)
def test_truncated_and_then_over_tcp(ask, streams, failure, reason):
    begin = time.monotonic()
    rows = ask(truncated, streams)
    assert time.monotonic() - begin < 2
    assert [(row.failure, row.reason, row.transport) for row in rows] == [(failure, reason, "tcp")] * 2
    assert all((row.rtt_ms is None) == (failure is not None) for row in rows)


def test_how_long_the_loop_took_is_in_no_time(ask, monkeypatch):
    look = Loop._dispatch

    def held_up(loop, wait_s):
        time.sleep(0.3)
        return look(loop, wait_s)

    monkeypatch.setattr(Loop, "_dispatch", held_up)
    # Not so early that it is read on the way out of the turn that asked.
    (row,) = ask(truncated, over_tcp_late, samples=1, timeout_ms=3000)
    assert (row.failure, row.clock, row.transport) == (None, "kernel", "tcp")
    # It noticed the reply, the connection and the second reply that much later each.
    assert row.rtt_ms + row.connect_ms + 50 < row.dns_ms < 290
    assert row.dns_ms - row.rtt_ms - row.connect_ms + row.lag_ms > 299


def test_a_resolver_that_dies_in_the_middle_of_a_round(ask):
    def answer(query, send):
        send(good(query))
        if len(ask.server.asked) == 2:
            ask.server.die()

    rows = ask(answer, samples=4)
    assert [(row.failure, row.reason) for row in rows] == [
        (None, None),
        (None, None),
        ("unreachable", "nothing listens there"),
        ("unreachable", "nothing listens there"),
    ]
