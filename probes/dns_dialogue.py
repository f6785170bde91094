"""A connection that DNS questions go over, one at a time, and those that wait for the next question [I/O]."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from probes.dns_framing import Framing, FramingError, LengthFraming, alpn_protocols, framing_for
from probes.loop import Loop
from probes.record import Failure
from probes.resolvers import Resolver
from probes.sockets import errno_words, numeric_address
from probes.stream import Arrival, Moment, Stream
from probes.tls_session import TlsError, client_context
from probes.tls_stream import TlsStream

_CHUNK: Final = 1 << 16
_CLOSED: Final = "closed without an answer"

# Enough for a new question every half millisecond at a round trip of 100 ms.
MOST_IDLE: Final = 256


class Asker(Protocol):
    """Who opens a dialogue, or asks on it."""

    def connected(self) -> None:
        """The connection stands, or its ``failure`` says why it does not."""
        ...

    def answered(self, reply: bytes, arrival: Arrival) -> None:
        """The whole reply is there; ``arrival`` is that of its last part."""
        ...

    def broken(self, failure: Failure, reason: str, *, closed: bool) -> None:
        """There will be no reply. ``closed``: the connection ended, and nothing was said of the question."""
        ...


class Dialogue:
    """One connection; ``stream`` is what it is made of, ``framing`` is there once it stands."""

    __slots__ = ("_asker", "_framing_for", "_gone", "framing", "stream")

    def __init__(
        self,
        stream: Callable[[Callable[[], None]], Stream | TlsStream],
        framing: Callable[[Stream | TlsStream], Framing],
    ) -> None:
        self.stream = stream(self._settled)
        self.framing: Framing | None = None
        self._framing_for = framing
        self._asker: Asker | None = None
        self._gone: Callable[[Dialogue], None] = lambda _: None

    def open(self, asker: Asker) -> None:
        """Begin to connect; ``asker`` may be told before this returns."""
        self._asker = asker
        self.stream.open()

    def ask(self, asker: Asker, message: bytes) -> Moment:
        """Send a question; the moment just before. Raises OSError."""
        assert self.framing is not None
        self._asker = asker
        return self.stream.send(self.framing.wrap(message))

    def rest(self, gone: Callable[[Dialogue], None]) -> None:
        """Wait for another question; ``gone`` is told when the peer does not."""
        self._asker, self._gone = None, gone

    def give_up(self) -> None:
        """Time is up: note what there is to note, and close."""
        self.stream.give_up()

    def close(self) -> None:
        """Break the connection off; nobody is told."""
        self._asker, self._gone = None, lambda _: None
        self.stream.close()

    def _settled(self) -> None:
        if self.stream.failure is None:
            self.framing = self._framing_for(self.stream)
            self.stream.listen(self._readable)
        if self._asker is not None:
            self._asker.connected()
        # What came along with the end of the handshake has been read already, and will not be reported.
        if self.framing is not None:
            self._readable()

    def _readable(self) -> None:
        framing = self.framing
        assert framing is not None
        try:
            while (got := self.stream.receive(_CHUNK)) is not None:
                data, arrival = got
                if not data:
                    self._end(framing.unanswered, _CLOSED, closed=True)
                    return
                reply = framing.unwrap(data)
                if owed := framing.owed():
                    self.stream.send(owed)
                if reply is not None:
                    asker, self._asker = self._asker, None
                    if asker is None:
                        self._end("other", "an answer without a question", closed=True)
                        return
                    asker.answered(reply, arrival)
                elif self._asker is None and not framing.lasts:
                    self._end(framing.unanswered, _CLOSED, closed=True)
                    return
        except OSError as fault:
            self._end(framing.unanswered, f"{_CLOSED}: {errno_words(fault.errno or 0)}", closed=True)
        except TlsError as fault:
            self._end(fault.failure, fault.reason, closed=True)
        except FramingError as fault:
            self._end(fault.failure, fault.reason, closed=fault.closing)

    def _end(self, failure: Failure, reason: str, *, closed: bool) -> None:
        asker, gone = self._asker, self._gone
        self.close()
        if asker is not None:
            asker.broken(failure, reason, closed=closed)
        else:
            gone(self)


def over_tcp(loop: Loop, kind: socket.AddressFamily, address: Any) -> Dialogue:
    """A dialogue over plain TCP."""
    return Dialogue(
        lambda settled: Stream(loop, kind, address, settled, talks=True), lambda _: LengthFraming()
    )


class Dialogues:
    """The dialogues with one resolver over TLS or HTTPS at ``address``; where there is none, ``failure`` and
    ``reason`` say why.
    """

    def __init__(
        self,
        resolver: Resolver,
        loop: Loop,
        authorities: Path | None,
        address: str | None,
        failure: Failure | None,
        reason: str | None,
    ) -> None:
        self.resolver, self.failure, self.reason = resolver, failure, reason
        self._loop, self._authorities = loop, authorities
        self._kind = socket.AF_INET6 if address is not None and ":" in address else socket.AF_INET
        self._address: Any = None
        self._idle: list[Dialogue] = []
        self._alpn = alpn_protocols(resolver)
        # What takes long to import or to read: now, and not when the first connection waits for it.
        client_context(self._alpn, authorities)
        for alpn in self._alpn:
            framing_for(resolver, alpn)
        if address is not None:
            try:
                self._address = numeric_address(address, resolver.port, self._kind)
            except OSError:
                self.failure, self.reason = "unreachable", "no such interface"

    def new(self) -> Dialogue:
        """One that is yet to be opened."""
        return Dialogue(
            lambda settled: TlsStream(
                self._loop,
                self._kind,
                self._address,
                self.resolver.server_name,
                settled,
                alpn=self._alpn,
                authorities=self._authorities,
            ),
            self._framing,
        )

    def idle(self) -> Dialogue | None:
        """One that stands and waits for a question, if there is one."""
        return self._idle.pop() if self._idle else None

    def keep(self, dialogue: Dialogue) -> None:
        """An answered one, to be asked again."""
        if dialogue.framing is not None and dialogue.framing.lasts and len(self._idle) < MOST_IDLE:
            dialogue.rest(self._idle.remove)
            self._idle.append(dialogue)
        else:
            dialogue.close()

    def close(self) -> None:
        """Break off those that wait."""
        for dialogue in self._idle:
            dialogue.close()
        self._idle.clear()

    def _framing(self, stream: Stream | TlsStream) -> Framing:
        return framing_for(self.resolver, stream.session.alpn if isinstance(stream, TlsStream) else None)
