"""DNS over TLS and HTTPS against servers on loopback, well-behaved and not; tests/netlab has real ones."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import shutil
import socket
import ssl
import struct
import threading
import time

import dns.message
import dns.rcode
import dns.rrset
import h2.config
import h2.connection
import h2.events
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes import kernel
from probes.dns_framing import FramingError, Http1Framing, Http2Framing, LengthFraming
from probes.loop import Loop
from probes.resolvers import Resolver
from tests.netlab.authority import Authority

HOST = "www.site.test"
SERVER = "dns.site.test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made by the command openssl")
    return Authority(tmp_path_factory.mktemp("authority"))


class Server:
    """Accepts TLS connections and hands each to ``manner``, in a thread of its own; ``hello`` is called when
    a ClientHello has come."""

    def __init__(self, certificate, manner, alpn, hello=None):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.certificate, certificate.key)
        if alpn:
            self._context.set_alpn_protocols(alpn)
        self._listener = socket.create_server(("127.0.0.56", 0))
        self._manner = manner
        self.address, self.port = self._listener.getsockname()
        self.accepted, self.names = 0, []
        self._context.sni_callback = self._greeted
        self._hello = hello or (lambda: None)
        threading.Thread(target=self._accept, daemon=True).start()

    def _greeted(self, _, name, __):
        self.names.append(name)
        self._hello()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.accepted += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError, struct.error):
            connection.settimeout(5)
            with self._context.wrap_socket(connection, server_side=True) as secure:
                self._manner(secure)

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def ask(measure, authority):
    """Measure www.site.test by such a server; the rows in order of their samples. ``ask.server`` is it."""
    certificate = authority.issue("server", [SERVER])
    with contextlib.ExitStack() as stack:

        def run(manner, url, *, alpn=(), samples=2, hello=None, **agent):
            run.server = server = Server(certificate, manner, alpn, hello)
            stack.callback(server.close)
            rows = measure(
                [{"site": "a", "host": HOST, "protocols": ["dns"], "family": 4}],
                **{
                    "resolvers": [url.format(f"{server.address}:{server.port}") + f"#{SERVER}"],
                    "ca_file": str(authority.certificate),
                    "samples": samples,
                    "deadline_s": 3,
                    **agent,
                },
            )
            return sorted(rows, key=lambda row: row.sample)

        yield run


TLS, HTTPS = "tls://{}", "https://{}/dns-query"


def answer_to(wire, host=HOST):
    query = dns.message.from_wire(wire)
    if host != HOST:
        return dns.message.make_response(dns.message.make_query(host, "A", id=query.id)).to_wire()
    reply = dns.message.make_response(query)
    reply.answer.append(dns.rrset.from_text(query.question[0].name, 30, "IN", "A", "192.0.2.7"))
    return reply.to_wire()


# Over TLS


def read_query(secure):
    head = secure.recv(2)
    if not head:
        raise OSError("closed")
    return secure.recv(struct.unpack("!H", head)[0])


def framed(wire):
    return struct.pack("!H", len(wire)) + wire


def sound(secure):
    while True:
        secure.sendall(framed(answer_to(read_query(secure))))


def late(secure):
    while True:
        query = read_query(secure)
        time.sleep(0.05)
        secure.sendall(framed(answer_to(query)))


def byte_by_byte(secure):
    for byte in framed(answer_to(read_query(secure))):
        secure.sendall(bytes([byte]))
    secure.recv(1)


def once(secure):
    secure.sendall(framed(answer_to(read_query(secure))))


def once_and_then_not(secure):
    once(secure)
    read_query(secure)


def refuses(secure):
    reply = dns.message.make_response(dns.message.from_wire(read_query(secure)))
    reply.set_rcode(dns.rcode.REFUSED)
    secure.sendall(framed(reply.to_wire()))
    secure.recv(1)


def another_question(secure):
    secure.sendall(framed(answer_to(read_query(secure), "elsewhere.test")))
    secure.recv(1)


def another_id(secure):
    wire = answer_to(read_query(secure))
    secure.sendall(framed(bytes([wire[0] ^ 1]) + wire[1:]))
    secure.recv(1)


def unasked(secure):
    secure.sendall(framed(answer_to(dns.message.make_query(HOST, "A", id=7).to_wire())) * 3)
    secure.recv(4096)
    secure.recv(1)


def half(secure):
    secure.sendall(framed(answer_to(read_query(secure)))[:20])


def nothing(secure):
    read_query(secure)


def silence(secure):
    while secure.recv(4096):
        pass


def test_the_first_question_is_asked_on_a_new_connection_and_the_others_on_it(ask):
    rows = ask(sound, TLS, samples=3)
    assert [(row.failure, row.warm) for row in rows] == [(None, False), (None, True), (None, True)]
    assert ask.server.accepted == 1
    assert ask.server.names == [SERVER]
    cold, *warm = rows
    assert cold.dns_ms == pytest.approx(cold.connect_ms + cold.tls_ms + cold.rtt_ms)
    for row in rows:
        assert (row.transport, row.rcode, row.ttl_s, row.clock) == ("tls", "NOERROR", 30, "kernel")
        assert (row.peer, row.port, row.http_status) == (ask.server.address, ask.server.port, None)
        assert row.tls_version == "TLSv1.3"
    assert all(row.connect_ms is row.tls_ms is row.certificate_days is None for row in warm)
    assert all(row.dns_ms == row.rtt_ms for row in warm)


@pytest.mark.parametrize("manner", [once, once_and_then_not])
def test_a_connection_that_does_not_last_is_no_failure(ask, manner):
    rows = ask(manner, TLS, samples=3)
    assert [(row.failure, row.warm) for row in rows] == [(None, False)] * 3
    assert ask.server.accepted == 3
    assert all(row.dns_ms > row.rtt_ms for row in rows)


@pytest.mark.parametrize(
    ("manner", "failure", "reason"),
    [
        (byte_by_byte, None, None),
        (refuses, "dns_refused", None),
        (another_question, "other", "an answer to another question"),
        (another_id, "other", "an answer to another question"),
        (unasked, "other", "an answer to another question"),
        (half, "other", "closed without an answer"),
        (nothing, "other", "closed without an answer"),
        (silence, "dns_timeout", None),
    ],
)
def test_what_a_server_over_tls_may_do(ask, manner, failure, reason):
    row, *_ = ask(manner, TLS)
    assert (row.failure, row.reason) == (failure, reason)
    assert (row.rtt_ms is None) == (failure is not None)
    assert row.tls_ms > 0


def test_a_server_that_does_not_speak_tls(start, measure):
    silent, resetting = start("tcp", "127.0.0.57"), start("tcp", "127.0.0.57", reset=True)
    rows = measure(
        [{"site": "a", "host": HOST, "protocols": ["dns"], "family": 4}],
        resolvers=[f"tls://127.0.0.57:{silent.port}", f"https://127.0.0.57:{resetting.port}/"],
        timeout_ms=300,
    )
    assert {(row.transport, row.failure) for row in rows} == {
        ("tls", "tls_timeout"),
        ("https", "tls_protocol"),
    }


def test_a_loop_that_is_held_up_says_so_and_measures_the_same(ask, monkeypatch):
    look = Loop._dispatch

    def held_up(loop, wait_s):
        time.sleep(0.3)
        return look(loop, wait_s)

    monkeypatch.setattr(Loop, "_dispatch", held_up)
    # Not so early that it is read on the way out of the turn that asked.
    rows = ask(late, TLS, timeout_ms=3000, deadline_s=20)
    assert [row.failure for row in rows] == [None, None]
    assert all(50 < row.rtt_ms <= row.dns_ms < 290 < 299 < row.rtt_ms + row.lag_ms for row in rows)


@pytest.fixture
def clock(monkeypatch):
    """The one thing a test cannot do for real on a machine others use: set its clock, by an hour."""
    shift = threading.Event()
    monkeypatch.setattr(kernel, "realtime_offset_ns", lambda: 3_600_000_000_000 if shift.is_set() else 0)
    return shift


@pytest.mark.parametrize("question", [0, 1], ids=["cold", "warm"])
def test_a_step_of_the_clock_spoils_the_question_it_falls_into(ask, clock, question):
    def steps(secure):
        for number in itertools.count():
            query = read_query(secure)
            if number == question:
                clock.set()
            secure.sendall(framed(answer_to(query)))

    rows = ask(steps, TLS, samples=3)
    spoilt = rows.pop(question)
    assert (spoilt.failure, spoilt.clock, spoilt.transport, spoilt.warm) == (
        "clock_step",
        "kernel",
        "tls",
        question > 0,
    )
    assert spoilt.rtt_ms is spoilt.dns_ms is spoilt.tls_ms is spoilt.lag_ms is None
    # The connection is as good as before.
    assert [(row.failure, row.sample > 0) for row in rows] == [(None, row.warm) for row in rows]
    assert all(row.rtt_ms > 0 and row.lag_ms is not None for row in rows)
    assert ask.server.accepted == 1


def test_a_step_of_the_clock_spoils_the_handshake_it_falls_into(ask, clock):
    spoilt, after = ask(sound, TLS, hello=clock.set)
    assert (spoilt.failure, spoilt.clock, spoilt.transport) == ("clock_step", "kernel", "tls")
    assert spoilt.rtt_ms is spoilt.dns_ms is spoilt.tls_ms is spoilt.lag_ms is None
    # No connection is left of the first.
    assert (after.failure, after.warm) == (None, False)


# Over HTTP/1.1


def http1(respond):
    """A manner: each request's body goes to ``respond``, what it returns goes back."""

    def manner(secure):
        reader = secure.makefile("rb")
        while line := reader.readline():
            assert line == b"POST /dns-query HTTP/1.1\r\n"
            fields = {}
            while (field := reader.readline().strip()) != b"":
                name, _, value = field.partition(b": ")
                fields[name.lower()] = value
            assert fields[b"host"].startswith(SERVER.encode() + b":")
            assert fields[b"content-type"] == fields[b"accept"] == b"application/dns-message"
            secure.sendall(respond(reader.read(int(fields[b"content-length"]))))

    return manner


def response(body, status=b"200 OK", kind=b"application/dns-message", more=b""):
    length = b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 " + status + b"\r\nContent-Type: " + kind + b"\r\n" + length + more + b"\r\n" + body


def chunks(body):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in body) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("respond", "warm"),
    [
        (lambda query: response(answer_to(query)), True),
        (lambda query: response(answer_to(query), kind=b"Application/DNS-Message; x=y"), True),
        (lambda query: b"HTTP/1.1 103 Early Hints\r\n\r\n" + response(answer_to(query)), True),
        (lambda query: chunks(answer_to(query)), True),
        (lambda query: response(answer_to(query), more=b"Connection: close\r\n"), False),
    ],
    ids=["length", "type", "hints", "chunks", "close"],
)
def test_sound_answers_over_http1(ask, respond, warm):
    rows = ask(http1(respond), HTTPS, alpn=["http/1.1"])
    assert [(row.failure, row.reason) for row in rows] == [(None, None)] * 2
    assert [row.warm for row in rows] == [False, warm]
    assert {(row.http_status, row.http_version, row.transport) for row in rows} == {(200, "1.1", "https")}


@pytest.mark.parametrize(
    ("respond", "failure", "reason", "status"),
    [
        (lambda query: response(b"", b"503 Busy"), "http_status", "status 503", 503),
        (
            lambda query: response(b"", b"302 Found", more=b"Location: /dns-query\r\n"),
            "http_status",
            "status 302",
            302,
        ),
        (
            lambda query: response(answer_to(query), kind=b"text/html"),
            "http_protocol",
            "the response is no application/dns-message",
            200,
        ),
        (
            lambda query: response(bytes(70_000)),
            "http_protocol",
            "longer than a DNS message can be",
            200,
        ),
        (lambda query: response(b"nonsense"), "other", "an answer to another question", 200),
        (lambda query: b"\x00\x01nonsense\r\n\r\n", "http_protocol", ..., None),
        (lambda query: b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 9000, "http_protocol", ..., None),
        (lambda query: framed(answer_to(query)), "http_protocol", ..., None),
    ],
    ids=["status", "redirect", "type", "long", "other", "garbage", "head", "DNS over TLS"],
)
def test_unsound_answers_over_http1(ask, respond, failure, reason, status):
    rows = ask(http1(respond), HTTPS, alpn=["http/1.1"])
    assert [(row.failure, row.http_status) for row in rows] == [(failure, status)] * 2
    assert reason is ... or {row.reason for row in rows} == {reason}
    assert all(row.reason for row in rows if reason is ...)


# Over HTTP/2


def http2(act):
    """A manner: ``act`` is given the connection, the stream and the body of each request."""

    def manner(secure):
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        secure.sendall(connection.data_to_send())
        bodies = {}
        going = True
        while going and (data := secure.recv(65_536)):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    fields = dict(event.headers)
                    assert fields[b":method"] == b"POST"
                    assert fields[b":path"] == b"/dns-query"
                    assert fields[b":authority"].startswith(SERVER.encode() + b":")
                    bodies[event.stream_id] = b""
                elif isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] += event.data
                elif isinstance(event, h2.events.StreamEnded):
                    going = act(connection, event.stream_id, bodies[event.stream_id], secure) != "close"
            secure.sendall(connection.data_to_send())

    return manner


def respond2(connection, stream, body, status="200", kind="application/dns-message"):
    connection.send_headers(stream, [(":status", status), ("content-type", kind)])
    connection.send_data(stream, body, end_stream=True)


def sound2(connection, stream, query, secure):
    respond2(connection, stream, answer_to(query))


def in_parts(connection, stream, query, secure):
    connection.send_headers(stream, [(":status", "200"), ("content-type", "application/dns-message")])
    for byte in answer_to(query):
        connection.send_data(stream, bytes([byte]))
        connection.ping(b"12345678")
        secure.sendall(connection.data_to_send())
    connection.end_stream(stream)


def last_answer(connection, stream, query, secure):
    respond2(connection, stream, answer_to(query))
    connection.close_connection(last_stream_id=stream)
    return "close"


def goes_away_when_asked_again(connection, stream, query, secure):
    if stream == 1:
        respond2(connection, stream, answer_to(query))
        return None
    connection.close_connection(last_stream_id=1)
    return "close"


def goes_away(connection, stream, query, secure):
    connection.close_connection(last_stream_id=0)
    return "close"


def resets(connection, stream, query, secure):
    connection.reset_stream(stream, 11)


def status2(connection, stream, query, secure):
    respond2(connection, stream, b"", status="429")


def type2(connection, stream, query, secure):
    respond2(connection, stream, answer_to(query), kind="application/json")


def no_http2(secure):
    secure.recv(65_536)
    secure.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    secure.recv(1)


@pytest.mark.parametrize(
    ("act", "warm"),
    [(sound2, True), (in_parts, True), (last_answer, False), (goes_away_when_asked_again, False)],
)
def test_sound_answers_over_http2(ask, act, warm):
    rows = ask(http2(act), HTTPS, alpn=["h2"], samples=3, timeout_ms=900)
    assert [(row.failure, row.reason) for row in rows] == [(None, None)] * 3
    assert [row.warm for row in rows][:2] == [False, warm]
    assert {(row.http_status, row.http_version) for row in rows} == {(200, "2")}


@pytest.mark.parametrize(
    ("manner", "failure", "reason", "status"),
    [
        (http2(goes_away), "http_protocol", "closed without an answer", None),
        (http2(resets), "http_protocol", "stream reset, code 11", None),
        (http2(status2), "http_status", "status 429", 429),
        (http2(type2), "http_protocol", "the response is no application/dns-message", 200),
        (no_http2, "http_protocol", "not HTTP/2", None),
    ],
)
def test_unsound_answers_over_http2(ask, manner, failure, reason, status):
    rows = ask(manner, HTTPS, alpn=["h2"])
    assert [(row.failure, row.reason, row.http_status) for row in rows] == [(failure, reason, status)] * 2


def test_without_h2_version_one_is_spoken(ask, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "h2" else found(name))
    sound1 = http1(lambda query: response(answer_to(query)))
    rows = ask(sound1, HTTPS, alpn=["h2", "http/1.1"])
    assert {(row.failure, row.http_version) for row in rows} == {(None, "1.1")}


@pytest.mark.parametrize("framing", [LengthFraming, Http1Framing, Http2Framing])
@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes_are_an_answer_or_none(framing, parts):
    made = framing() if framing is LengthFraming else framing(Resolver("192.0.2.1", 443, "https", path="/"))
    made.wrap(bytes(12))
    with contextlib.suppress(FramingError):
        for part in parts:
            made.unwrap(part)
