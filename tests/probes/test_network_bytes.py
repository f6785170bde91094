"""Whatever bytes a network delivers, the code that reads them says what they are, and never raises."""

from __future__ import annotations

import contextlib
import errno
import random
import select
import socket
import struct
import threading

import dns.edns
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes import kernel
from probes.dns_wire import build_query, is_reply, is_truncated, read_answer
from probes.loop import Loop
from probes.protocols.icmp import Echoes
from probes.record import FAILURES

QUERY = build_query("www.example.test", 4)


def sound_reply() -> bytes:
    """A reply with an alias and two addresses, names compressed."""
    reply = dns.message.make_response(dns.message.from_wire(QUERY.wire))
    reply.answer += [
        dns.rrset.from_text("www.example.test.", 60, "IN", "CNAME", "edge.example.test."),
        dns.rrset.from_text("edge.example.test.", 60, "IN", "A", "192.0.2.1", "192.0.2.2"),
    ]
    return reply.to_wire()


SOUND = sound_reply()


@st.composite
def damaged(draw, whole=SOUND):
    """A sound reply with bytes changed, cut out or put in."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(data)


@given(
    st.one_of(st.binary(max_size=600), damaged(), st.integers(0, len(SOUND)).map(lambda size: SOUND[:size]))
)
@settings(max_examples=500, deadline=None)
def test_any_bytes_for_a_dns_reply(data):
    if is_reply(data, QUERY):
        is_truncated(data)
    answer = read_answer(data)
    assert answer.failure is None or answer.failure in FAILURES
    assert not (answer.failure and answer.addresses)
    for address in answer.addresses:
        socket.inet_aton(address)


@given(st.one_of(st.text(max_size=300).map(str.encode), st.binary(max_size=50)), st.integers(0, 65535))
@settings(deadline=None)
def test_any_words_of_a_server_that_refuses(words, code):
    """An extended error (RFC 8914) ends up before somebody's eyes, on a terminal."""
    reply = dns.message.make_response(dns.message.from_wire(QUERY.wire))
    reply.set_rcode(dns.rcode.SERVFAIL)
    option = dns.edns.GenericOption(dns.edns.OptionType.EDE, code.to_bytes(2, "big") + words)
    reply.use_edns(0, options=[option])
    answer = read_answer(reply.to_wire())
    assert answer.failure in ("dns_servfail", "other")
    assert answer.reason is None or (answer.reason.isprintable() and len(answer.reason) <= 120)


@given(damaged())
def test_only_a_reply_that_repeats_the_question_is_one(data):
    if data[2:3] and is_reply(data, QUERY):
        assert data[2] & 0x80
        assert QUERY.question in data.lower() or (data[3] & 0x0F and data[4:6] == b"\0\0")


@pytest.mark.parametrize("version", [4, 6])
@given(data=st.binary(max_size=120), headed=st.booleans(), asked=st.booleans())
@settings(deadline=None)
def test_any_bytes_for_an_echo(version, data, headed, asked):
    loop = Loop()
    channel = Echoes(version, loop)
    with contextlib.closing(loop), contextlib.closing(channel):
        kind = {4: (8, 0), 6: (128, 129)}[version][not asked]
        assert channel._claimed(bytes([kind]) + data, kind, headed=headed) is None
        assert channel._claimed(data, kind, headed=headed) is None


def arrived(receiver):
    """Wait until there is something to be had from ``receiver``, be it an error."""
    poller = select.poll()
    poller.register(receiver, select.POLLIN | select.POLLERR)
    assert poller.poll(5000)


def test_control_messages_that_were_cut_short_are_no_stamp(monkeypatch):
    """The kernel itself cuts them, where there is less room than they take."""
    seen = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        assert kernel.stamp_receives(receiver)
        for space in range(kernel._CONTROL_SPACE + 1):
            monkeypatch.setattr(kernel, "_CONTROL_SPACE", space)
            receiver.sendto(b"hello", receiver.getsockname())
            arrived(receiver)
            data, stamp_ns = kernel.receive(receiver, 100)
            assert data == b"hello"
            seen.add(stamp_ns is None)
            assert (stamp_ns is None) == (space < socket.CMSG_LEN(struct.calcsize("@ll")))
    assert seen == {True, False}


def test_control_messages_that_were_cut_short_are_no_error(monkeypatch):
    numbers = set()
    for space in range(0, kernel._ERROR_SPACE + 1, 4):
        monkeypatch.setattr(kernel, "_ERROR_SPACE", space)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker, socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            kernel.queue_errors(asker)
            asker.connect(holder.getsockname())
            asker.send(b"anybody?")
            arrived(asker)
            number, data = kernel.queued_error(asker, 100)
            assert data == b"anybody?"
            numbers.add(number)
            assert kernel.queued_error(asker, 100) is None
    assert numbers == {0, errno.ECONNREFUSED}


RESPONSE = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nServer: somebody\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
)
# The records of a ServerHello without extensions and of a certificate, and the fatal alert of a refusal.
FLIGHT = bytes.fromhex("160303004a 02000046 0303") + bytes(range(32)) + b"\x20" + bytes(range(32))
FLIGHT += bytes.fromhex("c02f00 1603030007 0b000003 000000 15030300020228")


def variants(whole, count):
    """Sound bytes with some changed, cut out or put in, and bytes that were never sound."""
    chance = random.Random(1)
    yield whole
    yield b""
    for number in range(count):
        if number % 8 == 0:
            yield chance.randbytes(chance.randrange(200))
            continue
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data) + 1)
            data[at : at + chance.randrange(6)] = chance.randbytes(chance.randrange(6))
        yield bytes(data)


@pytest.fixture
def say():
    """Listen, and say the next of some bytes to each who asks; the port."""
    with contextlib.ExitStack() as stack:

        def begin(sayings):
            listener = stack.enter_context(socket.create_server(("127.0.0.6", 0), backlog=512))

            def serve():
                with contextlib.suppress(OSError):
                    for saying in sayings:
                        connection, _ = listener.accept()
                        with connection, contextlib.suppress(OSError):
                            connection.recv(65536)
                            connection.sendall(saying)

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            stack.callback(thread.join, 10)
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            return listener.getsockname()[1]

        yield begin


@pytest.mark.parametrize(
    ("protocol", "whole", "classes"),
    [
        ("http", RESPONSE, {None, "http_protocol", "http_status"}),
        ("tls", FLIGHT, {"tls_protocol", "tls_certificate"}),
    ],
    ids=["http", "tls"],
)
def test_any_bytes_for_a_response(measure, say, protocol, whole, classes):
    sayings = list(variants(whole, 300))
    port = say(sayings)
    target = {"host": "127.0.0.6", "port": port, "protocols": [protocol], "scheme": "http"}
    targets = [{"site": str(number), **target} for number in range(len(sayings))]
    rows = measure(targets, samples=1, timeout_ms=10_000, deadline_s=60)
    assert sorted(int(row.site) for row in rows) == list(range(len(sayings)))
    found = {row.failure for row in rows}
    assert found <= classes
    assert len(found) > 1 or protocol == "tls"
    reasons = {row.reason for row in rows if row.failure is not None}
    # Telling, and yet of few kinds, so that they can be counted.
    assert 3 < len(reasons) < 30
    assert all(reason.isprintable() and len(reason) <= 120 for reason in reasons)
