"""TLS and HTTP against real servers on loopback; tests/netlab holds their times against a wire."""

from __future__ import annotations

import http.server
import shutil
import socket
import ssl
import threading
import time
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import kernel
from probes.loop import Loop
from probes.stream import Arrival, Stream
from probes.tls_session import TlsError, TlsSession
from probes.tls_stream import TlsStream
from tests.netlab.authority import Authority

ADDRESS = "127.0.0.1"
READ_LATE = "read late: the first byte came before its stamp"


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path ends in, and notes the request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.requestline, dict(self.headers)))
        self.send_response(int(self.path.rsplit("/", 1)[-1] or 200))
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Says nothing of those who leave before the body."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.asked = []

    def handle_error(self, *_):
        pass


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made by the command openssl")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def serve(authority):
    """Start an HTTP server, over TLS where a certificate has names; ``asked`` is what it was asked."""
    running = []

    def begin(names=None):
        server = Server((ADDRESS, 0), Answer)
        if names is not None:
            certificate = authority.issue("server", names)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.certificate, certificate.key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        running.append((server, thread))
        return server

    yield begin
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join(5)


def target(server, protocol, **options):
    port = server.server_address[1]
    return [{"site": "us-west-2", "host": ADDRESS, "port": port, "protocols": [protocol], **options}]


def timed_by_the_kernel(rows):
    """All of them, but for what a busy machine read late."""
    return all(row.clock == "kernel" or row.reason == READ_LATE for row in rows)


def test_a_response_over_plain_tcp(serve, measure):
    server = serve()
    rows = measure(target(server, "http", scheme="http", path="/a?b=%20c/204"))
    assert [(row.failure, row.http_status, row.http_version) for row in rows] == [(None, 204, "1.1")] * 2
    assert timed_by_the_kernel(rows)
    for row in rows:
        assert 0 < row.ttfb_ms == row.rtt_ms < 400
        assert 0 < row.connect_ms < 100
        assert row.tls_ms is row.tls_version is row.crypto_ms is row.certificate_days is None
    line, headers = server.asked[0]
    assert line == "GET /a?b=%20c/204 HTTP/1.1"
    assert headers["Host"] == f"{ADDRESS}:{server.server_address[1]}"
    assert headers["User-Agent"].startswith("edgeprobe/")


def test_a_response_over_tls(serve, measure, authority):
    server = serve([ADDRESS])
    rows = measure(target(server, "http", path="/200"), ca_file=str(authority.certificate))
    assert timed_by_the_kernel(rows)
    for row in rows:
        assert (row.failure, row.http_status, row.tls_version) == (None, 200, "TLSv1.3")
        assert row.ttfb_ms > 0 < row.tls_ms
        assert row.crypto_ms > 0
        assert round(row.certificate_days) == 30


def test_a_handshake_asks_nothing(serve, measure, authority):
    server = serve([ADDRESS])
    rows = measure(target(server, "tls"), ca_file=str(authority.certificate))
    assert [(row.failure, row.ttfb_ms, row.http_status) for row in rows] == [(None, None, None)] * 2
    assert all(0 < row.rtt_ms <= row.tls_ms for row in rows)
    assert server.asked == []


def test_nobody_vouches_for_a_private_authority(serve, measure):
    (row,) = measure(target(serve([ADDRESS]), "tls"), samples=1)
    assert (row.failure, row.rtt_ms, row.tls_ms) == ("tls_certificate", None, None)
    assert "issuer" in row.reason


def test_a_status_that_says_no_keeps_its_time(serve, measure):
    (row,) = measure(target(serve(), "http", scheme="http", path="/503"), samples=1)
    assert (row.failure, row.http_status, row.rtt_ms) == ("http_status", 503, None)
    assert row.ttfb_ms > 0


@pytest.mark.parametrize("protocol", ["tls", "http"])
def test_nobody_listens(measure, refused_port, protocol):
    place = {"site": "us-west-2", "host": ADDRESS, "port": refused_port, "protocols": [protocol]}
    (row,) = measure([place], samples=1)
    assert (row.failure, row.rtt_ms) == ("connect_refused", None)


@pytest.mark.parametrize(
    ("protocol", "scheme", "failure"),
    [("tls", "https", "tls_timeout"), ("http", "https", "tls_timeout"), ("http", "http", "http_timeout")],
)
def test_accepted_and_then_silence(start, measure, protocol, scheme, failure):
    server = start("tcp", "127.0.0.2")
    place = {"site": "us-west-2", "host": server.address, "port": server.port, "protocols": [protocol]}
    (row,) = measure([{**place, "scheme": scheme}], samples=1)
    assert (row.failure, row.rtt_ms) == (failure, None)
    assert row.connect_ms > 0


@pytest.mark.parametrize("away_s", [0.0, 0.08])
def test_a_first_byte_that_was_read_late_says_so(measure, monkeypatch, away_s):
    """The kernel merges what waits to be read, and keeps the stamp of the last: here the body's, of which a
    piece comes every 5 ms."""

    def serve(listener):
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n")
            for _ in range(20):
                time.sleep(0.005)
                try:
                    connection.sendall(bytes(1400))
                except OSError:
                    return

    send = Stream.send

    def send_and_be_away(self, data):
        moment = send(self, data)
        time.sleep(away_s)
        return moment

    monkeypatch.setattr(Stream, "send", send_and_be_away)
    with socket.create_server((ADDRESS, 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        place = {"site": "us-west-2", "host": ADDRESS, "port": listener.getsockname()[1]}
        (row,) = measure([{**place, "protocols": ["http"], "scheme": "http"}], samples=1)
        thread.join()
    assert row.failure is None
    if away_s:
        assert (row.clock, row.reason) == ("user", READ_LATE)
    else:
        assert row.ttfb_ms < 5 or row.reason == READ_LATE


def test_a_clock_set_between_handshake_and_response(serve, measure, authority, monkeypatch):
    server = serve([ADDRESS])
    offset_ns, asked = kernel.realtime_offset_ns(), []

    def offsets():
        # Before and after the handshake, before the request; then, at the first byte, an hour more.
        asked.append(None)
        return offset_ns + (3600 * 10**9 if len(asked) > 3 else 0)

    monkeypatch.setattr(kernel, "realtime_offset_ns", offsets)
    (row,) = measure(target(server, "http", path="/200"), samples=1, ca_file=str(authority.certificate))
    assert len(asked) == 4
    assert (row.failure, row.rtt_ms, row.ttfb_ms, row.tls_ms, row.lag_ms) == ("clock_step", *[None] * 4)
    assert row.connect_ms > 0


def test_a_clock_set_meanwhile_spoils_the_sample(serve, measure, authority, monkeypatch):
    server = serve([ADDRESS])
    monkeypatch.setattr(kernel, "stepped", lambda *_: True)
    rows = measure(
        [*target(server, "http", path="/200"), *target(server, "tls")],
        samples=1,
        ca_file=str(authority.certificate),
    )
    assert [(row.failure, row.rtt_ms, row.tls_ms, row.lag_ms) for row in rows] == [
        ("clock_step", None, None, None)
    ] * 2


@given(st.lists(st.integers(1, 700), max_size=20), st.lists(st.integers(0, 300), min_size=1, max_size=8))
def test_records_are_followed_however_they_are_cut(cuts, lengths):
    """So that a response is stamped as its first byte came, whatever a handshake held behind its end."""
    records = [b"\x17\x03\x03" + length.to_bytes(2, "big") + bytes(length) for length in lengths]
    stream = TlsStream(Loop(), socket.AF_INET, None, "example.org", lambda: None)
    stream.session = SimpleNamespace(feed=lambda _: None)
    begins = {sum(map(len, records[:number])) for number in range(len(records))}
    data, at = b"".join(records), 0
    for number, cut in enumerate([*cuts, len(data)]):
        chunk = data[at : at + cut]
        if not chunk:
            break
        stream._take(chunk, Arrival(number, 0, None))
        within = [begin for begin in begins if at <= begin < at + len(chunk)]
        # The record that was begun last was begun in this piece, if one was.
        assert (stream._record.stamp_ns == number) == bool(within)
        at += len(chunk)
        ends = [begin for begin in (*begins, len(data)) if begin > at or begin == at == len(data)]
        assert stream._left + at <= min(ends)
    assert (stream._left, stream._head) == (0, b"")


def test_what_is_no_tls_is_an_error_and_no_exception():
    session = TlsSession("example.org")
    assert session.handshake()[:1] == b"\x16"
    session.feed(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(TlsError) as caught:
        session.handshake()
    assert (caught.value.failure, caught.value.reason) == ("tls_protocol", "wrong version number")
