"""A TLS connection over the loop: TCP, then the handshake, then decrypted bytes with receive stamps [I/O].

Network time and crypto time are kept apart: a handshake's ``tls_ms`` adds up, flight by flight, the time from
sending to the kernel's stamp of the last segment that answered, and not what is computed in between.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from probes import kernel
from probes.loop import Finding, Loop
from probes.record import Failure
from probes.sockets import errno_words
from probes.stream import Arrival, Moment, Stream, elapsed_ns, milliseconds
from probes.tls_session import TlsError, TlsSession

_CHUNK: Final = 1 << 16
_RECORD_HEAD: Final = 5

# A record of no more than this came in one segment.
_SEGMENT: Final = 1200

SENT_AGAIN: Final = "a segment was lost and sent again"

# OpenSSL takes certificates of 100 KiB; nobody shakes hands in more than this.
_LONGEST_HANDSHAKE: Final = 1 << 18


class TlsStream:
    """TLS with ``server_name`` at ``address``. ``settled`` is called once, when the handshake is over or
    there will be none: ``failure`` and ``reason`` then say why, or are None.

    ``joins`` is whether the end of the handshake goes out with what is sent first, as browsers do it. Apart
    they are two small segments under way, of which the kernel sends the second again after two round trips
    without an answer; for one alone it waits 200 ms more (RFC 8985, section 7.2). Some name servers leave
    alone what comes with the end of a handshake. ``tcp`` and ``session`` are the two it is made of.
    """

    __slots__ = (
        "_arrived",
        "_came_ns",
        "_first",
        "_head",
        "_heard",
        "_joins",
        "_kernel_timed",
        "_lag_ns",
        "_left",
        "_offset_ns",
        "_record",
        "_resent",
        "_rtt_ns",
        "_sent",
        "_settled",
        "_size",
        "_tls_ns",
        "_unsent",
        "failure",
        "reason",
        "session",
        "tcp",
    )

    def __init__(
        self,
        loop: Loop,
        kind: socket.AddressFamily,
        address: Any,
        server_name: str,
        settled: Callable[[], None],
        *,
        alpn: Sequence[str] = (),
        authorities: Path | None = None,
        joins: bool = False,
    ) -> None:
        self.tcp = Stream(loop, kind, address, self._connected, talks=True)
        self.session = TlsSession(server_name, alpn, authorities)
        self._settled, self._joins = settled, joins
        self.failure: Failure | None = None
        self.reason: str | None = None
        self._rtt_ns: int | None = None
        self._tls_ns: int | None = None
        self._lag_ns: int | None = None
        self._kernel_timed = True
        self._offset_ns = 0
        self._heard = 0
        self._resent = False
        self._unsent = b""
        self._sent = Moment(0, 0)
        # The first and the last arrival since the last sending.
        self._first: Arrival | None = None
        self._arrived: Arrival | None = None
        # Of the record being read: its head so far, how much is missing of its body, when its head came.
        self._head = b""
        self._left = self._size = 0
        self._came_ns: int | None = None
        self._record = Arrival(None, 0, None)

    def open(self) -> None:
        """Begin; ``settled`` may be called before this returns."""
        self.tcp.open()

    def give_up(self) -> None:
        """Time is up: note which phase it was that took too long, and close."""
        self.tcp.give_up()
        if self.failure is None and not self.session.done:
            self.failure, self.reason = self.tcp.failure or "tls_timeout", self.tcp.reason

    def listen(self, readable: Callable[[], None]) -> None:
        """Call back when there may be something to receive, from now on."""
        self.tcp.listen(readable)

    @property
    def info(self) -> kernel.TcpInfo | None:
        """What the kernel said of the TCP connection when it was last asked."""
        return self.tcp.info

    def ask_kernel(self) -> kernel.TcpInfo | None:
        """Bring ``info`` up to date."""
        return self.tcp.ask_kernel()

    def latest_ns(self) -> int | None:
        """The stamp of the last byte that has come; None where it is that of the record's only segment."""
        waiting_ns = self.tcp.latest_ns()
        return self._came_ns if waiting_ns is None and self._size > _SEGMENT else waiting_ns

    def send(self, data: bytes) -> Moment:
        """Send ``data`` encrypted; the moment just before. Raises OSError."""
        rest, self._unsent = self._unsent, b""
        return self.tcp.send(rest + self.session.write(data))

    def receive(self, size: int) -> tuple[bytes, Arrival] | None:
        """At most ``size`` decrypted bytes, and when the head of the record they were in came; no bytes at
        the end, None when there is nothing yet. Raises OSError and TlsError."""
        while (data := self.session.read(size)) is None:
            # Record by record: read at once, several would have the stamp of the last.
            got = self.tcp.receive(self._left or _RECORD_HEAD - len(self._head))
            if got is None:
                return None
            chunk, arrival = got
            if not chunk:
                return got
            self._take(chunk, arrival)
        return data, self._record

    def _take(self, chunk: bytes, arrival: Arrival) -> None:
        """Hand what came to the session, and keep in mind where in which record it ends."""
        self.session.feed(chunk)
        self._came_ns = arrival.stamp_ns
        at = 0
        while at < len(chunk):
            if self._left:
                step = min(self._left, len(chunk) - at)
                self._left -= step
            else:
                if not self._head:
                    self._record = arrival
                step = min(_RECORD_HEAD - len(self._head), len(chunk) - at)
                self._head += chunk[at : at + step]
                if len(self._head) == _RECORD_HEAD:
                    self._size = self._left = int.from_bytes(self._head[3:], "big")
                    self._head = b""
            at += step

    def close(self) -> None:
        """Break the connection off; nobody is called back any more."""
        self._send_rest()
        self.tcp.close()

    def finding(self) -> Finding:
        """Connecting and the handshake. ``rtt_ms`` is from the ClientHello to the first byte of its answer,
        ``tls_ms`` the network time of the whole handshake, ``lag_ms`` how long the last of it waited here."""
        found = self._found()
        return found.stepped() if self.failure == "clock_step" else found

    def _found(self) -> Finding:
        found = self.tcp.finding()
        timed = self._tls_ns is not None
        failure, reason = self.failure, self.reason
        if failure is None and self._resent:
            # What took longer was the retransmission timer, and not the path.
            failure, reason = "tls_timeout", SENT_AGAIN
        return replace(
            found,
            clock=found.clock if self.tcp.stamped and self._kernel_timed else "user",
            failure=failure,
            rtt_ms=milliseconds(self._rtt_ns) if failure is None else None,
            tls_ms=milliseconds(self._tls_ns) if self.session.done else None,
            reason=reason,
            tls_version=self.session.version,
            tls_cipher=self.session.cipher,
            certificate_days=self.session.certificate_days(time.time()) if self.session.done else None,
            crypto_ms=milliseconds(self.session.crypto_ns) if timed else None,
            lag_ms=found.lag_ms if self._lag_ns is None else milliseconds(self._lag_ns),
        )

    def _connected(self) -> None:
        if self.tcp.failure is not None:
            self._fail(self.tcp.failure, self.tcp.reason)
            return
        self.tcp.listen(self._answered)
        self._offset_ns = kernel.realtime_offset_ns()
        self._shake_hands()

    def _answered(self) -> None:
        ended: str | None = None
        try:
            while self._heard <= _LONGEST_HANDSHAKE and (
                got := self.tcp.receive(_CHUNK if self._first else 1)
            ):
                data, arrival = got
                if not data:
                    ended = "closed by the peer"
                    break
                self._arrived = arrival
                self._first = self._first or arrival
                self._heard += len(data)
                self._take(data, arrival)
        except OSError as fault:
            ended = errno_words(fault.errno or 0)
        # What came before the end, such as an alert, says more than that it was the end.
        self._shake_hands()
        if ended is not None and self.failure is None and not self.session.done:
            self._fail("tls_protocol", f"{ended} during the handshake")

    def _shake_hands(self) -> None:
        """Go as far as what has arrived allows; each time it is our turn to send, a flight has ended."""
        try:
            reply = self.session.handshake()
        except TlsError as fault:
            self._end_flight()
            self._say_farewell()
            self._fail(fault.failure, fault.reason)
            return
        if reply or self.session.done:
            self._end_flight()
        if reply and not self.session.done:
            try:
                self._sent = self.tcp.send(reply)
            except OSError as fault:
                self._fail("tls_protocol", f"{errno_words(fault.errno or 0)} during the handshake")
                return
        if self.session.done:
            self._unsent = reply
            if not self._joins:
                self._send_rest()
            if self._kernel_timed and kernel.stepped(self._offset_ns, kernel.realtime_offset_ns()):
                self.failure = "clock_step"
            self._resent = (info := self.ask_kernel()) is not None and info.lost > 0
            self._settled()
            self._send_rest()
        elif self._heard > _LONGEST_HANDSHAKE:
            self._fail("tls_protocol", "endless handshake")

    def _end_flight(self) -> None:
        if self._first is None or self._arrived is None:
            return
        if self._rtt_ns is None:
            self._rtt_ns = elapsed_ns(self._sent, self._first)
        self._tls_ns = (self._tls_ns or 0) + elapsed_ns(self._sent, self._arrived)
        self._lag_ns = self._arrived.lag_ns
        self._kernel_timed &= self._first.stamp_ns is not None and self._arrived.stamp_ns is not None
        self._first = self._arrived = None

    def _say_farewell(self) -> None:
        self._unsent = self.session.farewell()
        self._send_rest()

    def _send_rest(self) -> None:
        rest, self._unsent = self._unsent, b""
        # Where the peer has gone already, there is nobody to tell.
        with contextlib.suppress(OSError):
            if rest:
                self.tcp.send(rest)

    def _fail(self, failure: Failure, reason: str | None) -> None:
        self.failure, self.reason = failure, reason
        self.close()
        self._settled()
