"""One DNS query and its reply, timed by the kernel [I/O].

All queries to one resolver share one connected UDP socket, so that only that resolver's datagrams and the
ICMP errors about it arrive there; replies find their query by id and question. A truncated reply is asked
for again over TCP.
"""

from __future__ import annotations

import secrets
import socket
import time
from typing import Any, Final

from probes import kernel
from probes.dns_dialogue import Dialogue, over_tcp
from probes.dns_wire import Question, is_reply, is_truncated
from probes.loop import READABLE, Finding, Loop, Probe
from probes.record import Clock, Failure
from probes.resolvers import Resolver
from probes.sockets import errno_words, network_failure, numeric_address
from probes.stream import Arrival

_DATAGRAM: Final = 65_535
_RECEIVE_BUFFER: Final = 1 << 20

# A flood must not keep the loop from its deadline; what is left is reported anew.
_READS_IN_A_TURN: Final = 256
_TRUNCATED: Final = "after a truncated reply"


class Channel:
    """The socket to one resolver. ``failure`` and ``reason`` are set when there is no way to it at all."""

    def __init__(self, resolver: Resolver, loop: Loop) -> None:
        self.resolver = resolver
        self.failure: Failure | None = None
        self.reason: str | None = None
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
        for _ in range(_READS_IN_A_TURN):
            try:
                data, stamp_ns = kernel.receive(self._socket, _DATAGRAM)
            except BlockingIOError:
                return
            except OSError as fault:
                # ICMP says the resolver cannot be had; it does not say which query it is about.
                waiting, self._waiting = list(self._waiting.values()), {}
                for exchange in waiting:
                    exchange.undeliverable(fault)
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
        "_dialogue",
        "_ended",
        "_failure",
        "_first",
        "_loop",
        "_number",
        "_offset_after_ns",
        "_offset_ns",
        "_reason",
        "_sent",
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
        self._dialogue: Dialogue | None = None
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
            self.undeliverable(fault)

    def replied(self, data: bytes, stamp_ns: int | None, now_ns: int) -> None:
        """The channel has the reply, or its truncated beginning."""
        self._first = self._ended = (stamp_ns, now_ns)
        self._offset_after_ns = kernel.realtime_offset_ns()
        if is_truncated(data):
            self._dialogue = over_tcp(self._loop, self.channel.family, self.channel.address)
            self._dialogue.open(self)
            return
        self.reply = data
        self._over()

    def connected(self) -> None:
        """There is a connection to ask again on, or there is none."""
        dialogue = self._dialogue
        assert dialogue is not None
        if dialogue.stream.failure is not None:
            self.failed(dialogue.stream.failure, dialogue.stream.reason)
            return
        try:
            dialogue.ask(self, self.question.query.with_id(self._number))
        except OSError as fault:
            self.failed("other", errno_words(fault.errno or 0))

    def answered(self, reply: bytes, arrival: Arrival) -> None:
        """The connection has the whole reply."""
        self._ended = (arrival.stamp_ns, arrival.monotonic_ns)
        self._offset_after_ns = kernel.realtime_offset_ns()
        if is_reply(reply, self.question.query) and int.from_bytes(reply[:2], "big") == self._number:
            self.reply = reply
            self._over()
        else:
            self.failed("other", "an answer to another question")

    def broken(self, failure: Failure, reason: str, *, closed: bool) -> None:
        """The connection has ended without one."""
        self.failed(failure, reason)

    def undeliverable(self, fault: OSError) -> None:
        """There is no way to the resolver."""
        self.failed(*_datagram_failure(fault))

    def failed(self, failure: Failure, reason: str | None) -> None:
        """There will be no reply."""
        self._failure, self._reason = failure, reason
        self._over()

    def cancel(self, loop: Loop) -> None:
        self.channel.dismiss(self._number)
        self._failure = "dns_timeout"
        if self._dialogue is not None:
            self._dialogue.give_up()
            self._failure = self._dialogue.stream.failure or "dns_timeout"
            self._reason = self._dialogue.stream.reason

    def finding(self) -> Finding:
        stamped = self._first[0] is not None and self._ended[0] is not None
        told: dict[str, Any] = {
            "transport": "udp" if self._dialogue is None else "tcp",
            "warm": self.question.warm,
        }
        if self.reply is None:
            clock: Clock = "kernel" if self.channel.stamped else "user"
            reason = self._reason
            if self._dialogue is not None:
                reason = _TRUNCATED if reason is None else f"{reason}, {_TRUNCATED}"
            return Finding(clock, self._failure, reason=reason, **told)
        if stamped and kernel.stepped(self._offset_ns, self._offset_after_ns):
            return Finding("kernel", "clock_step", **told)
        at = 0 if stamped else 1
        answer = self.question.verdict(self.reply)
        stamp_ns, read_ns = self._ended
        return Finding(
            "kernel" if stamped else "user",
            answer.failure,
            dns_ms=_elapsed_ms(self._sent[at], self._ended[at]),
            rtt_ms=_elapsed_ms(self._sent[at], self._first[at]) if answer.failure is None else None,
            rcode=answer.rcode,
            ttl_s=answer.ttl_s,
            reason=answer.reason,
            lag_ms=None if stamp_ns is None else max(read_ns + self._offset_after_ns - stamp_ns, 0) / 1e6,
            **told,
        )

    def _over(self) -> None:
        if self._dialogue is not None:
            self._dialogue.close()
        self._loop.finish(self)


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
