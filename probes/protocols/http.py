"""HTTP: from a GET to the first byte of its response, by the kernel's receive stamps.

``ttfb_ms``, and with it ``rtt_ms``, is from sending the request to the arrival of the first byte that the
application sent: over TLS that is the first *decrypted application* byte, since session tickets may come
before it. So it is the network's round trip and what the server takes to answer; ``connect_ms`` and
``tls_ms`` are what came before. A status of 400 or more is failure ``http_status``. Redirects are not
followed. What is read ends with the head of the response; the connection is then broken off. HTTP/1.1 (RFC
9112), parsed by h11.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from probes import AGENT_VERSION, kernel
from probes.kernel import TcpInfo
from probes.lane import Lane, connecting_lane
from probes.loop import Finding, Loop, Probe
from probes.network import Network
from probes.record import Failure
from probes.sockets import errno_words
from probes.stream import Arrival, Moment, Stream, elapsed_ns, milliseconds
from probes.target import Target
from probes.tls_session import TlsError, client_context
from probes.tls_stream import SENT_AGAIN, TlsStream

if TYPE_CHECKING:
    import h11

_ALPN: Final = ("http/1.1",)
_BEGINNING: Final = b"HTTP/1."
_LONGEST_HEAD: Final = 16_384
_CHUNK: Final = 4096

# By so much a first byte may be older than its stamp says, and the time still be called the kernel's.
_UNSURE_NS: Final = 5_000_000
_LONGEST_REASON: Final = 80


@dataclass(frozen=True, slots=True)
class Http:
    """One lane: the host's address, the target's port, scheme and path."""

    connects: bool = True

    def lanes(self, target: Target, network: Network) -> Iterator[Lane]:
        if target.secure:
            # Now, and not when the first connection waits for it.
            client_context(_ALPN, network.authorities)
        kernel.keep_stamping()

        headers = (
            ("Host", _authority(target)),
            ("User-Agent", f"edgeprobe/{AGENT_VERSION}"),
            ("Accept", "*/*"),
            ("Connection", "close"),
        )
        yield connecting_lane(
            "http",
            target,
            network,
            lambda kind, address: _Get(kind, address, target, headers, network.authorities),
            port=target.port,
        )


class _Get(Probe):
    """One connection, one request, and the head of its response; closed with RST."""

    __slots__ = (
        "_address",
        "_arrived",
        "_authorities",
        "_before",
        "_beginning",
        "_blurred",
        "_exchange",
        "_failure",
        "_head",
        "_headers",
        "_heard_bytes",
        "_kind",
        "_loop",
        "_offset_ns",
        "_reason",
        "_resent",
        "_sent",
        "_stepped",
        "_stream",
        "_target",
    )

    def __init__(
        self,
        kind: socket.AddressFamily,
        address: Any,
        target: Target,
        headers: Sequence[tuple[str, str]],
        authorities: Path | None,
    ) -> None:
        super().__init__()
        self._kind, self._address, self._authorities = kind, address, authorities
        self._target, self._headers = target, headers
        self._exchange: h11.Connection | None = None
        self._head: h11.Response | None = None
        self._sent: Moment | None = None
        self._arrived: Arrival | None = None
        self._failure: Failure | None = None
        self._reason: str | None = None
        self._before: TcpInfo | None = None
        self._offset_ns, self._stepped = 0, False
        self._resent = self._blurred = False
        self._beginning, self._heard_bytes = b"", 0

    def start(self, loop: Loop) -> None:
        self._loop = loop
        if self._target.secure:
            self._stream: Stream | TlsStream = TlsStream(
                loop,
                self._kind,
                self._address,
                self._target.host,
                self._settled,
                alpn=_ALPN,
                authorities=self._authorities,
                joins=True,
            )
        else:
            self._stream = Stream(loop, self._kind, self._address, self._settled, talks=True)
        self._stream.open()

    def cancel(self, loop: Loop) -> None:
        self._stream.give_up()
        self._failure = "http_timeout"
        self._reason = None if self._arrived is None else "the head of the response did not end in time"

    def finding(self) -> Finding:
        # The loop may hold on to an ended sample for a while; what it has found is a hundredth of all this.
        stream, self._exchange = self._stream, None
        del self._stream
        found = stream.finding()
        if found.failure is not None:
            return found
        head, sent, arrived = self._head, self._sent, self._arrived
        ttfb_ms = None if sent is None or arrived is None else milliseconds(elapsed_ns(sent, arrived))
        failure, reason = self._failure, self._reason
        kernel_timed = arrived is None or (arrived.stamp_ns is not None and not self._blurred)
        if failure is None and self._resent:
            failure, reason = "http_timeout", SENT_AGAIN
        elif failure is None and self._blurred:
            reason = "read late: the first byte came before its stamp"
        found = replace(
            found,
            clock=found.clock if kernel_timed else "user",
            failure=failure,
            reason=reason,
            rtt_ms=ttfb_ms if failure is None else None,
            ttfb_ms=ttfb_ms,
            http_status=None if head is None else head.status_code,
            http_version=None if head is None else head.http_version.decode("ascii"),
            lag_ms=found.lag_ms
            if arrived is None or arrived.lag_ns is None
            else milliseconds(arrived.lag_ns),
        )
        return found.stepped() if self._stepped else found

    def _settled(self) -> None:
        if self._stream.failure is not None:
            self._stream.close()
            self._loop.finish(self)
            return
        import h11

        # Its own limit is for one head, and informational ones may come before the one that counts.
        self._exchange = h11.Connection(h11.CLIENT, max_incomplete_event_size=2 * _LONGEST_HEAD)
        data = self._exchange.send(
            h11.Request(method="GET", target=self._target.path or "/", headers=list(self._headers))
        )
        self._stream.listen(self._readable)
        self._before = self._stream.info
        self._offset_ns = kernel.realtime_offset_ns()
        try:
            self._sent = self._stream.send(data or b"")
        except OSError as fault:
            self._end("http_protocol", f"{errno_words(fault.errno or 0)} before the request")
            return
        # Over TLS what was read during the handshake may hold the beginning of more.
        self._readable()

    def _readable(self) -> None:
        try:
            # Of the first segment alone the stamp is of the first byte.
            while (got := self._stream.receive(_CHUNK if self._arrived else 1)) is not None:
                if self._heard(*got):
                    return
        except TlsError as fault:
            self._end(fault.failure, fault.reason)
        except OSError as fault:
            self._end("http_protocol", f"{errno_words(fault.errno or 0)} before the response")

    def _heard(self, data: bytes, arrival: Arrival) -> bool:
        """Bytes of the response, none at its end; whether it has all been heard."""
        import h11

        if data and self._arrived is None:
            self._arrived = arrival
            self._stepped = arrival.stamp_ns is not None and kernel.stepped(
                self._offset_ns, kernel.realtime_offset_ns()
            )
            self._compare(self._before, self._stream.ask_kernel(), arrival)
        assert self._exchange is not None
        self._heard_bytes += len(data)
        self._beginning = (self._beginning + data)[: len(_BEGINNING)]
        if not _BEGINNING.startswith(self._beginning):
            # h11 would wait for an empty line before it looks.
            self._end("http_protocol", "the response is not HTTP/1")
            return True
        try:
            self._exchange.receive_data(data)
            event = self._exchange.next_event()
            while isinstance(event, h11.InformationalResponse):
                event = self._exchange.next_event()
        except h11.RemoteProtocolError as fault:
            if data:
                self._end("http_protocol", _in_words(fault))
            else:
                self._end("http_protocol", "closed by the peer before the end of the response's head")
            return True
        if isinstance(event, h11.Response):
            self._head = event
            bad = event.status_code >= 400
            self._end("http_status" if bad else None, f"status {event.status_code}" if bad else None)
            return True
        if event is h11.NEED_DATA and self._heard_bytes <= _LONGEST_HEAD:
            return False
        if event is h11.NEED_DATA:
            self._end("http_protocol", "endless head of the response")
            return True
        self._end("http_protocol", "closed by the peer before the response")
        return True

    def _compare(self, before: TcpInfo | None, now: TcpInfo | None, arrival: Arrival) -> None:
        """What the kernel says of the way from the request to the first byte."""
        if before is None or now is None:
            return
        self._resent = now.lost > before.lost
        if before.data_segments is None or now.data_segments is None or arrival.lag_ns is None:
            return
        # The kernel may merge segments that wait to be read, and keeps the stamp of the last. The first came
        # after the loop had looked the time before.
        unsure_ns = time.monotonic_ns() - self._loop.looked_ns - arrival.lag_ns
        if now.data_segments - before.data_segments > 1 and unsure_ns > _UNSURE_NS:
            self._blurred = self._stream.latest_ns() == arrival.stamp_ns

    def _end(self, failure: Failure | None, reason: str | None) -> None:
        self._failure, self._reason = failure, reason
        self._stream.close()
        self._loop.finish(self)


def _authority(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host.removesuffix(".")
    return host if target.port == (443 if target.secure else 80) else f"{host}:{target.port}"


def _in_words(fault: Exception) -> str:
    """What h11 says, without what the peer had sent, which would make each such reason another one."""
    words, _, _ = str(fault).partition(": bytearray")
    return "".join(character for character in words if character.isprintable())[:_LONGEST_REASON].lower()


HTTP: Final = Http()
