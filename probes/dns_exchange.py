"""One DNS query and its reply, timed by the kernel [I/O].

All queries to one resolver share one connected UDP socket, so that only that resolver's datagrams and the
ICMP errors about it arrive there; replies find their query by id and question, ICMP errors by the id in what
they return of it. A truncated reply is asked for again over TCP: ``rtt_ms`` is the round trip of the first
datagram, and ``dns_ms`` what a client waits for the network: that, connecting, and the round trip of the
second question.
"""

from __future__ import annotations

import errno
import secrets
import socket
import time
from typing import Any, Final

from probes import kernel
from probes.dns_dialogue import Dialogue, over_tcp
from probes.dns_wire import Question, is_reply, is_truncated
from probes.loop import READABLE, Finding, Loop, Probe
from probes.record import Failure
from probes.resolvers import Resolver
from probes.sockets import OVERFLOWED, errno_words, network_failure, numeric_address
from probes.stream import Arrival, Moment, elapsed_ns, milliseconds

_DATAGRAM: Final = 65_535

# Room for a small reply to each question that may be in flight at once.
_RECEIVE_BUFFER: Final = 4 << 20

# A flood must not keep the loop from its deadline; what is left is reported anew.
_READS_IN_A_TURN: Final = 256
_ID_SIZE: Final = 2
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
        kernel.widen_receive_buffer(self._socket, _RECEIVE_BUFFER)
        kernel.queue_errors(self._socket)
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

    def send(self, data: bytes) -> Moment:
        """Send one datagram; the moment just before. Raises OSError."""
        monotonic_ns, wall_ns = time.monotonic_ns(), time.time_ns()
        try:
            self._socket.send(data)
        except OSError:
            # An ICMP error about an earlier one is told here once more, in place of sending.
            monotonic_ns, wall_ns = time.monotonic_ns(), time.time_ns()
            self._socket.send(data)
        return Moment(wall_ns, monotonic_ns)

    def dropped(self) -> int:
        """How many datagrams found no room in the receive buffer up to now."""
        return kernel.dropped(self._socket)

    def close(self) -> None:
        """Release the socket."""
        self._loop.forget(self._socket.fileno())
        self._socket.close()

    def _readable(self, events: int) -> None:
        # An error waits in a queue of its own, and is reported beside what is readable.
        if events & ~READABLE:
            self._read_errors()
        for _ in range(_READS_IN_A_TURN):
            try:
                data, stamp_ns = kernel.receive(self._socket, _DATAGRAM)
            except BlockingIOError:
                return
            except OSError as fault:
                # Told once more; the queue has said whose it is, where there is one.
                if not kernel.LINUX:
                    self._undeliverable(fault.errno or 0, b"")
                continue
            arrival = Arrival.now(stamp_ns)
            number = int.from_bytes(data[:2], "big")
            waiting_here = self._waiting.get(number)
            if waiting_here is None or not is_reply(data, waiting_here.question.query):
                continue  # too late, or not from whom it was asked
            del self._waiting[number]
            waiting_here.replied(data, arrival)

    def _read_errors(self) -> None:
        for _ in range(_READS_IN_A_TURN):
            fault = kernel.queued_error(self._socket, _DATAGRAM)
            if fault is None:
                return
            self._undeliverable(*fault)

    def _undeliverable(self, number: int, data: bytes) -> None:
        """ICMP says that a query did not get there: errno ``number`` for it, ``data`` is what it returned."""
        if len(data) >= _ID_SIZE:
            key: int | None = int.from_bytes(data[:_ID_SIZE], "big")
        else:
            # Some routers return no more than the UDP header (RFC 792). The socket is connected, so it is one
            # of those that wait, and the one asked first is the likeliest.
            key = next(iter(self._waiting), None)
        exchange = None if key is None else self._waiting.pop(key, None)
        if exchange is not None:
            exchange.undeliverable(number)


class Exchange(Probe):
    """One query to one resolver. ``reply`` is the whole reply once there is one."""

    __slots__ = (
        "_asked",
        "_dialogue",
        "_dropped",
        "_failure",
        "_first",
        "_last",
        "_loop",
        "_number",
        "_offset_ns",
        "_reason",
        "_sent",
        "_stepped",
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
        self._number = self._offset_ns = self._dropped = 0
        self._stepped = False
        # When the question was sent and its reply came; then, where that was truncated, over TCP.
        self._sent: Moment | None = None
        self._first: Arrival | None = None
        self._asked: Moment | None = None
        self._last: Arrival | None = None

    def start(self, loop: Loop) -> None:
        self._loop = loop
        if self.channel.failure is not None:
            self.failed(self.channel.failure, self.channel.reason)
            return
        self._number = self.channel.enlist(self)
        data = self.question.query.with_id(self._number)
        self._dropped = self.channel.dropped()
        self._offset_ns = kernel.realtime_offset_ns()
        try:
            self._sent = self.channel.send(data)
        except OSError as fault:
            self.channel.dismiss(self._number)
            self.failed(*_datagram_failure(fault))

    def replied(self, data: bytes, arrival: Arrival) -> None:
        """The channel has the reply, or its truncated beginning."""
        self._first = arrival
        self._stepped = kernel.stepped(self._offset_ns, kernel.realtime_offset_ns())
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
            self._asked = dialogue.ask(self, self.question.query.with_id(self._number))
        except OSError as fault:
            self.failed("other", errno_words(fault.errno or 0))

    def answered(self, reply: bytes, arrival: Arrival) -> None:
        """The connection has the whole reply."""
        self._last = arrival
        self._stepped = kernel.stepped(self._offset_ns, kernel.realtime_offset_ns())
        if is_reply(reply, self.question.query) and int.from_bytes(reply[:2], "big") == self._number:
            self.reply = reply
            self._over()
        else:
            self.failed("other", "an answer to another question")

    def broken(self, failure: Failure, reason: str, *, closed: bool) -> None:
        """The connection has ended without one."""
        self.failed(failure, reason)

    def undeliverable(self, number: int) -> None:
        """The question did not get there, says ICMP; errno ``number`` says why."""
        # Whatever it is, there is no way to the resolver.
        self.failed("unreachable", _datagram_words(number))

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
        elif self.channel.dropped() > self._dropped:
            # The reply may have been among them: nothing can be said of the resolver, nor of the way to it.
            self._failure, self._reason = "other", OVERFLOWED

    def finding(self) -> Finding:
        told: dict[str, Any] = {
            "transport": "udp" if self._dialogue is None else "tcp",
            "warm": self.question.warm,
        }
        if self.reply is None or self._sent is None or self._first is None:
            reason = self._reason
            if self._dialogue is not None:
                reason = _TRUNCATED if reason is None else f"{reason}, {_TRUNCATED}"
            return Finding("kernel" if self.channel.stamped else "user", self._failure, reason=reason, **told)
        rtt_ms = elapsed_ns(self._sent, self._first) / 1e6
        stamped, dns_ms, lag_ns = self._first.stamp_ns is not None, rtt_ms, self._first.lag_ns
        if self._dialogue is not None and self._asked is not None and self._last is not None:
            connection, lag_ns = self._dialogue.stream.finding(), self._last.lag_ns
            stamped &= connection.clock == "kernel" and self._last.stamp_ns is not None
            dns_ms += (connection.connect_ms or 0.0) + elapsed_ns(self._asked, self._last) / 1e6
            told |= {"connect_ms": connection.connect_ms, "retransmits": connection.retransmits}
        answer = self.question.verdict(self.reply)
        found = Finding(
            "kernel" if stamped else "user",
            answer.failure,
            dns_ms=dns_ms,
            rtt_ms=rtt_ms if answer.failure is None else None,
            rcode=answer.rcode,
            ttl_s=answer.ttl_s,
            reason=answer.reason,
            lag_ms=milliseconds(lag_ns),
            **told,
        )
        return found.stepped() if self._stepped and stamped else found

    def _over(self) -> None:
        if self._dialogue is not None:
            self._dialogue.close()
        self._loop.finish(self)


def _datagram_failure(fault: OSError) -> tuple[Failure, str]:
    """Why a datagram could not be sent."""
    if isinstance(fault, socket.gaierror):
        return "unreachable", "no such interface"
    number = fault.errno or 0
    failure = network_failure(number)
    return "unreachable" if failure == "connect_refused" else failure, _datagram_words(number)


def _datagram_words(number: int) -> str:
    # Over UDP a "refused" is ICMP port unreachable: nothing listens there. REFUSED is an answer.
    return "nothing listens there" if number == errno.ECONNREFUSED else errno_words(number)
