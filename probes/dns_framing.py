"""How DNS messages lie in a stream of bytes: by their length (TCP and TLS), or in HTTP, version 1.1 or 2.

A framing knows nothing of sockets: messages in, bytes out, and back, one question at a time. RFC 1035 (4.2.2)
and RFC 8484; the two versions of HTTP are h11's and h2's to know.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final, Protocol

from probes import AGENT_VERSION
from probes.record import Failure
from probes.resolvers import HTTPS_PORT, Resolver

if TYPE_CHECKING:
    import h2.connection

_LONGEST_MESSAGE: Final = 65_535
_LONGEST_HEAD: Final = 16_384
_LONGEST_REASON: Final = 80
# In the head of an HTTP/2 frame, after the length.
_TYPE_AT: Final = 3
_SETTINGS: Final = 4

_MEDIA_TYPE: Final = "application/dns-message"


class FramingError(Exception):
    """What came is no answer: failure class and, in a few words, why. ``closing``: the peer takes no further
    questions on this connection, and says nothing of this one."""

    def __init__(self, failure: Failure, reason: str, *, closing: bool = False) -> None:
        super().__init__(reason)
        self.failure, self.reason, self.closing = failure, reason, closing


class Framing(Protocol):
    """``unanswered`` is the failure class of a peer that closes instead of answering. ``lasts`` is whether
    another question may follow. ``status`` and ``version`` are HTTP's."""

    unanswered: Failure
    lasts: bool
    status: int | None
    version: str | None

    def wrap(self, message: bytes) -> bytes:
        """What to send to ask."""
        ...

    def unwrap(self, data: bytes) -> bytes | None:
        """The reply, when ``data`` completes it. Raises FramingError."""
        ...

    def owed(self) -> bytes:
        """What is to be sent besides."""
        ...


class LengthFraming:
    """Two bytes of length, then the message, both ways."""

    unanswered: Failure = "other"
    lasts: bool = True
    status: int | None = None
    version: str | None = None

    def __init__(self) -> None:
        self._received = b""

    def wrap(self, message: bytes) -> bytes:
        return len(message).to_bytes(2, "big") + message

    def unwrap(self, data: bytes) -> bytes | None:
        self._received += data
        end = 2 + int.from_bytes(self._received[:2], "big")
        if len(self._received) < 2 or len(self._received) < end:
            return None
        reply, self._received = self._received[2:end], self._received[end:]
        return reply

    def owed(self) -> bytes:
        return b""


class Http1Framing:
    """POST over HTTP/1.1."""

    unanswered: Failure = "http_protocol"

    def __init__(self, resolver: Resolver) -> None:
        import h11

        self.status: int | None = None
        self.version: str | None = None
        self.lasts = True
        self._resolver = resolver
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        self._body = b""

    def wrap(self, message: bytes) -> bytes:
        import h11

        if self._connection.our_state is h11.DONE:
            self._connection.start_next_cycle()
        self._body, self.status = b"", None
        headers = [("host", _authority(self._resolver)), *_headers(message)]
        parts = (
            h11.Request(method="POST", target=self._resolver.path, headers=headers),
            h11.Data(data=message),
            h11.EndOfMessage(),
        )
        return b"".join(self._connection.send(part) or b"" for part in parts)

    def unwrap(self, data: bytes) -> bytes | None:
        import h11

        try:
            self._connection.receive_data(data)
            while (event := self._connection.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Response):
                    self.status, self.version = event.status_code, event.http_version.decode("ascii")
                    _check_head(self.status, dict(event.headers).get(b"content-type", b""))
                elif isinstance(event, h11.Data):
                    self._body = _grown(self._body, event.data)
                elif isinstance(event, h11.EndOfMessage):
                    self.lasts = self._connection.their_state is h11.DONE
                    return self._body
                elif not isinstance(event, h11.InformationalResponse):
                    break
        except h11.RemoteProtocolError as fault:
            raise FramingError("http_protocol", str(fault)[:_LONGEST_REASON]) from None
        return None

    def owed(self) -> bytes:
        return b""


class Http2Framing:
    """POST over HTTP/2 (RFC 9113), without server push."""

    unanswered: Failure = "http_protocol"

    def __init__(self, resolver: Resolver) -> None:
        import h2.config
        import h2.connection
        import h2.settings

        self.status: int | None = None
        self.version: str | None = "2"
        self.lasts = True
        self._resolver = resolver
        self._connection: h2.connection.H2Connection = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding=None)
        )
        codes = h2.settings.SettingCodes
        self._connection.local_settings = h2.settings.Settings(
            client=True, initial_values={codes.ENABLE_PUSH: 0, codes.MAX_HEADER_LIST_SIZE: _LONGEST_HEAD}
        )
        self._connection.initiate_connection()
        self._stream = 0
        self._body = b""
        self._greeting: bytes | None = b""

    def wrap(self, message: bytes) -> bytes:
        self._body, self.status = b"", None
        self._stream = self._connection.get_next_available_stream_id()
        self._connection.send_headers(
            self._stream,
            [
                (":method", "POST"),
                (":scheme", "https"),
                (":authority", _authority(self._resolver)),
                (":path", self._resolver.path),
                *_headers(message),
            ],
        )
        self._connection.send_data(self._stream, message, end_stream=True)
        return self._connection.data_to_send()

    def unwrap(self, data: bytes) -> bytes | None:
        import h2.events
        import h2.exceptions

        self._check_greeting(data)
        reply = None
        try:
            for event in self._connection.receive_data(data):
                if isinstance(event, h2.events.ConnectionTerminated):
                    self.lasts = False
                    if event.last_stream_id is not None and event.last_stream_id < self._stream:
                        raise FramingError("http_protocol", "closed without an answer", closing=True)
                elif getattr(event, "stream_id", None) != self._stream:
                    continue
                elif isinstance(event, h2.events.ResponseReceived):
                    found = dict(event.headers or ())
                    self.status = int(found[b":status"])
                    _check_head(self.status, found.get(b"content-type", b""))
                elif isinstance(event, h2.events.DataReceived):
                    self._body = _grown(self._body, event.data or b"")
                    self._connection.acknowledge_received_data(
                        event.flow_controlled_length or 0, self._stream
                    )
                elif isinstance(event, h2.events.StreamReset):
                    raise FramingError("http_protocol", f"stream reset, code {event.error_code}")
                elif isinstance(event, h2.events.StreamEnded):
                    reply = self._body
        except (h2.exceptions.H2Error, KeyError, ValueError) as fault:
            raise FramingError("http_protocol", str(fault)[:_LONGEST_REASON] or "not HTTP/2") from None
        return reply

    def owed(self) -> bytes:
        return self._connection.data_to_send()

    def _check_greeting(self, data: bytes) -> None:
        """The first frame is one of settings (RFC 9113, 3.4). Anything else h2 would take for the beginning
        of something long, and wait for the rest."""
        if self._greeting is None:
            return
        self._greeting += data
        if len(self._greeting) > _TYPE_AT:
            if self._greeting[_TYPE_AT] != _SETTINGS:
                raise FramingError("http_protocol", "not HTTP/2")
            self._greeting = None


def alpn_protocols(resolver: Resolver) -> tuple[str, ...]:
    """What to offer within TLS: HTTP/2 first, where h2 is installed."""
    if resolver.speaks != "https":
        return ()
    return ("h2", "http/1.1") if importlib.util.find_spec("h2") is not None else ("http/1.1",)


def framing_for(resolver: Resolver, alpn: str | None) -> Framing:
    """What both sides have agreed on."""
    if resolver.speaks != "https":
        return LengthFraming()
    return Http2Framing(resolver) if alpn == "h2" else Http1Framing(resolver)


def _authority(resolver: Resolver) -> str:
    name = resolver.server_name
    host = f"[{name}]" if ":" in name else name
    return host if resolver.port == HTTPS_PORT else f"{host}:{resolver.port}"


def _headers(message: bytes) -> tuple[tuple[str, str], ...]:
    return (
        ("user-agent", f"edgeprobe/{AGENT_VERSION}"),
        ("accept", _MEDIA_TYPE),
        ("content-type", _MEDIA_TYPE),
        ("content-length", str(len(message))),
    )


def _check_head(status: int, content_type: bytes) -> None:
    if status != 200:
        raise FramingError("http_status", f"status {status}")
    if content_type.partition(b";")[0].strip().lower() != _MEDIA_TYPE.encode():
        raise FramingError("http_protocol", f"the response is no {_MEDIA_TYPE}")


def _grown(body: bytes, data: bytes) -> bytes:
    if len(body) + len(data) > _LONGEST_MESSAGE:
        raise FramingError("http_protocol", "longer than a DNS message can be")
    return body + data
