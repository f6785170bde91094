"""One DNS query and its reply, timed by the kernel [I/O].

All queries to one resolver share one connected UDP socket, so that only that resolver's datagrams and the
ICMP errors about it arrive there; replies find their query by id and question. A truncated reply is asked
for again over TCP.
"""

from __future__ import annotations

import errno
import secrets
import socket
import time
from dataclasses import dataclass, replace
from typing import Any, Final

from probes import kernel
from probes.dns_wire import Answer, Query, is_reply, is_truncated, read_answer
from probes.loop import READABLE, WRITABLE, Finding, Loop, Probe
from probes.record import Clock, Failure
from probes.resolvers import Resolver
from probes.sockets import errno_words, network_failure, numeric_address

_DATAGRAM: Final = 65_535
_RECEIVE_BUFFER: Final = 1 << 20
_TRUNCATED: Final = "truncated, then over TCP"


@dataclass(frozen=True, slots=True)
class Question:
    """A query, and how its answer is taken.

    ``warm``: the same was asked before in this round. With ``required``, a name that exists but has no
    address of the family is a failure; without, that is an answer like any other.
    """

    query: Query
    warm: bool = False
    required: bool = False

    def verdict(self, reply: bytes) -> Answer:
        """What the reply says, its failure included."""
        answer = read_answer(reply)
        if self.required and not answer.failure and not answer.addresses:
            return replace(answer, failure="other")
        return answer


class Channel:
    """The socket to one resolver. ``failure`` and ``reason`` are set when there is no way to it at all."""

    def __init__(self, resolver: Resolver, loop: Loop) -> None:
        self.resolver = resolver
        self.failure: Failure | None = None
        self.reason = ""
        self._loop = loop
        self._waiting: dict[int, Exchange] = {}
        self.family = socket.AF_INET6 if resolver.family == 6 else socket.AF_INET
        self._socket = socket.socket(self.family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self.stamped = kernel.stamp_receives(self._socket)
        self.address: Any = None
        try:
            self.address = numeric_address(resolver.address, resolver.port, self.family)
            self._socket.connect(self.address)
        except OSError as fault:
            self.failure, self.reason = _datagram_failure(fault)
        loop.watch(self._socket.fileno(), READABLE, self._readable)

    def enlist(self, exchange: Exchange) -> int:
        """An id no other query in flight has, unguessable from outside."""
        while (number := secrets.randbelow(1 << 16)) in self._waiting:
            pass
        self._waiting[number] = exchange
        return number

    def dismiss(self, number: int) -> None:
        """Nobody waits for this id any more."""
        self._waiting.pop(number, None)

    def send(self, data: bytes) -> None:
        """Send one datagram. An ICMP error about an earlier one surfaces here once, and is not ours."""
        try:
            self._socket.send(data)
        except ConnectionRefusedError:
            self._socket.send(data)

    def close(self) -> None:
        """Release the socket."""
        self._loop.forget(self._socket.fileno())
        self._socket.close()

    def _readable(self, _: int) -> None:
        while True:
            try:
                data, stamp_ns = kernel.receive(self._socket, _DATAGRAM)
            except BlockingIOError:
                return
            except OSError as fault:
                # ICMP says the resolver cannot be had; it does not say which query it is about.
                waiting, self._waiting = list(self._waiting.values()), {}
                for exchange in waiting:
                    exchange.broken(fault)
                return
            now_ns = time.monotonic_ns()
            number = int.from_bytes(data[:2], "big")
            waiting_here = self._waiting.get(number)
            if waiting_here is None or not is_reply(data, waiting_here.question.query):
                continue  # too late, or not from whom it was asked
            del self._waiting[number]
            waiting_here.replied(data, stamp_ns, now_ns)


class Exchange(Probe):
    """One query to one resolver. ``reply`` is the whole reply once there is one."""

    __slots__ = (
        "_ended",
        "_failure",
        "_first",
        "_loop",
        "_number",
        "_offset_after_ns",
        "_offset_ns",
        "_reason",
        "_sent",
        "_stream",
        "channel",
        "question",
        "reply",
    )

    def __init__(self, channel: Channel, question: Question) -> None:
        super().__init__()
        self.channel, self.question = channel, question
        self.reply: bytes | None = None
        self._failure: Failure | None = None
        self._reason: str | None = None
        self._stream: _Stream | None = None
        self._number = 0
        self._offset_ns = self._offset_after_ns = 0
        # (CLOCK_REALTIME or None, CLOCK_MONOTONIC), ns: at the send, at the first reply, at the whole reply.
        self._sent: tuple[int | None, int] = (None, 0)
        self._first: tuple[int | None, int] = self._sent
        self._ended: tuple[int | None, int] = self._sent

    def start(self, loop: Loop) -> None:
        self._loop = loop
        if self.channel.failure is not None:
            self.failed(self.channel.failure, self.channel.reason)
            return
        self._number = self.channel.enlist(self)
        data = self.question.query.with_id(self._number)
        self._offset_ns = kernel.realtime_offset_ns()
        monotonic_ns = time.monotonic_ns()
        self._sent = (time.time_ns(), monotonic_ns)
        try:
            self.channel.send(data)
        except OSError as fault:
            self.channel.dismiss(self._number)
            self.broken(fault)

    def replied(self, data: bytes, stamp_ns: int | None, now_ns: int) -> None:
        """The channel has the reply, or its truncated beginning."""
        self._first = self._ended = (stamp_ns, now_ns)
        self._offset_after_ns = kernel.realtime_offset_ns()
        if is_truncated(data):
            try:
                self._stream = _Stream(self, self._loop, self.question.query.with_id(self._number))
            except OSError as fault:
                self.failed(network_failure(fault.errno or 0), errno_words(fault.errno or 0))
            return
        self.reply = data
        self._loop.finish(self)

    def completed(self, data: bytes, stamp_ns: int | None, now_ns: int) -> None:
        """The stream has the whole reply."""
        self._ended = (stamp_ns, now_ns)
        self._offset_after_ns = kernel.realtime_offset_ns()
        if is_reply(data, self.question.query) and int.from_bytes(data[:2], "big") == self._number:
            self.reply = data
            self._loop.finish(self)
        else:
            self.failed("other", "another answer")

    def broken(self, fault: OSError) -> None:
        """There is no way to the resolver."""
        self.failed(*_datagram_failure(fault))

    def failed(self, failure: Failure, reason: str) -> None:
        """There will be no reply."""
        self._failure = failure
        self._reason = reason if self._stream is None else f"{_TRUNCATED}: {reason}"
        self._loop.finish(self)

    def cancel(self, loop: Loop) -> None:
        self.channel.dismiss(self._number)
        if self._stream is not None:
            self._stream.close()
            self._reason = f"{_TRUNCATED}: no answer"
        self._failure = "dns_timeout"

    def finding(self) -> Finding:
        stamped = self._first[0] is not None and self._ended[0] is not None
        told: dict[str, Any] = {
            "transport": "udp" if self._stream is None else "tcp",
            "warm": self.question.warm,
        }
        if self.reply is None:
            clock: Clock = "kernel" if self.channel.stamped else "user"
            return Finding(clock, self._failure, reason=self._reason, **told)
        if stamped and kernel.stepped(self._offset_ns, self._offset_after_ns):
            return Finding("kernel", "clock_step", **told)
        at = 0 if stamped else 1
        answer = self.question.verdict(self.reply)
        return Finding(
            "kernel" if stamped else "user",
            answer.failure,
            dns_ms=_elapsed_ms(self._sent[at], self._ended[at]),
            rtt_ms=_elapsed_ms(self._sent[at], self._first[at]) if answer.failure is None else None,
            rcode=answer.rcode,
            ttl_s=answer.ttl_s,
            reason=answer.reason,
            **told,
        )


class _Stream:
    """The same query over TCP: two bytes of length, then the message, both ways."""

    def __init__(self, exchange: Exchange, loop: Loop, data: bytes) -> None:
        self._exchange, self._loop = exchange, loop
        self._unsent = len(data).to_bytes(2, "big") + data
        self._received = b""
        self._socket = socket.socket(exchange.channel.family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        kernel.reset_on_close(self._socket)
        kernel.stamp_receives(self._socket)
        number = self._socket.connect_ex(exchange.channel.address)
        if number in (0, errno.EINPROGRESS):
            loop.watch(self._socket.fileno(), WRITABLE, self._writable)
        else:
            self._fail(network_failure(number), errno_words(number))

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.forget(self._socket.fileno())
            self._socket.close()

    def _fail(self, failure: Failure, reason: str) -> None:
        self.close()
        self._exchange.failed(failure, reason)

    def _writable(self, _: int) -> None:
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self._fail(network_failure(number), errno_words(number))
            return
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError as fault:
            self._fail(network_failure(fault.errno or 0), errno_words(fault.errno or 0))
            return
        if not self._unsent:
            self._loop.watch(self._socket.fileno(), READABLE, self._readable)

    def _readable(self, _: int) -> None:
        try:
            data, stamp_ns = kernel.receive(self._socket, _DATAGRAM)
        except BlockingIOError:
            return
        except OSError as fault:
            self._fail(network_failure(fault.errno or 0), errno_words(fault.errno or 0))
            return
        if not data:
            self._fail("other", "closed without an answer")
            return
        now_ns = time.monotonic_ns()
        self._received += data
        length = int.from_bytes(self._received[:2], "big")
        if len(self._received) >= 2 + length and len(self._received) > 2:
            self.close()
            self._exchange.completed(self._received[2 : 2 + length], stamp_ns, now_ns)


def _datagram_failure(fault: OSError) -> tuple[Failure, str]:
    if isinstance(fault, socket.gaierror):
        return "unreachable", "no such interface"
    number = fault.errno or 0
    failure = network_failure(number)
    # Over UDP a "refused" is ICMP port unreachable: nothing listens there. REFUSED is an answer.
    if failure == "connect_refused":
        return "unreachable", "nothing listens there"
    return failure, errno_words(number)


def _elapsed_ms(begin_ns: int | None, end_ns: int | None) -> float | None:
    return None if begin_ns is None or end_ns is None else round((end_ns - begin_ns) / 1e6, 6)
