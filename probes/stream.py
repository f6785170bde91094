"""One TCP connection that never blocks: connected by the kernel's clock, read with its receive stamps [I/O].

Whoever opens one is called back: ``settled`` once when connecting has come to an end, then, after
:meth:`Stream.listen`, ``readable`` whenever there is something to read. Closing sends RST.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from probes import kernel
from probes.loop import READABLE, WRITABLE, Finding, Loop
from probes.record import Clock, Failure
from probes.sockets import errno_words, network_failure

# The peer answered the SYN, and broke the connection off before we looked: the round trip stands.
_BROKEN_OFF: Final = frozenset({errno.ECONNRESET, errno.EPIPE})

_WHOLE_QUEUE: Final = 1 << 18

# A peer that sends faster than it is read must not keep the loop from all others, and from its deadline.
_READS_IN_A_TURN: Final = 16

# RFC 6298: a SYN that is not answered within this is sent again.
_FIRST_TIMEOUT_US: Final = 1_000_000


class Moment(NamedTuple):
    """The same instant by two clocks, in ns: CLOCK_REALTIME, which receive stamps are of, and
    CLOCK_MONOTONIC."""

    wall_ns: int
    monotonic_ns: int


class Arrival(NamedTuple):
    """When bytes came: the kernel's stamp (ns of CLOCK_REALTIME) or None, and when they were read (ns of
    CLOCK_MONOTONIC). ``lag_ns`` is how long they waited to be read, None without a stamp."""

    stamp_ns: int | None
    monotonic_ns: int
    lag_ns: int | None

    @classmethod
    def now(cls, stamp_ns: int | None) -> Arrival:
        """Of bytes read just now."""
        lag_ns = None if stamp_ns is None else time.time_ns() - stamp_ns
        return cls(stamp_ns, time.monotonic_ns(), 0 if lag_ns is not None and lag_ns < 0 else lag_ns)


def elapsed_ns(sent: Moment, arrived: Arrival) -> int:
    """From a sending to an arrival: by the kernel's stamp where there is one, else by our own clock."""
    if arrived.stamp_ns is None:
        return arrived.monotonic_ns - sent.monotonic_ns
    return arrived.stamp_ns - sent.wall_ns


def milliseconds(ns: int | None) -> float | None:
    """Nanoseconds as milliseconds; None stays."""
    return None if ns is None else ns / 1e6


class Stream:
    """A connection to ``address`` (what ``connect`` takes). After the end of connecting ``failure`` says why
    there is none, or None; ``reason`` adds the system's words.

    ``talks`` is whether data will follow; what arrives is then stamped. ``info`` is what the kernel says of
    the connection, ``connect_ms`` how long connecting took: the kernel's round trip of the SYN, or this
    process's own clock where the kernel has none to tell or a SYN was sent again. ``lag_ms`` is how much
    later than the kernel this process noticed.
    """

    __slots__ = (
        "_address",
        "_begun_ns",
        "_crammed",
        "_kind",
        "_loop",
        "_readable",
        "_settled",
        "_socket",
        "_talks",
        "_turn",
        "_unsent",
        "connect_ms",
        "failure",
        "info",
        "lag_ms",
        "reason",
        "stamped",
    )

    def __init__(
        self,
        loop: Loop,
        kind: socket.AddressFamily,
        address: Any,
        settled: Callable[[], None],
        *,
        talks: bool = False,
    ) -> None:
        self._loop, self._kind, self._address = loop, kind, address
        self._settled: Callable[[], None] | None = settled
        self._readable: Callable[[], None] | None = None
        self._talks = talks
        self._socket: socket.SocketType | None = None
        self._begun_ns = 0
        # What the send buffer had no room for, and whether it is waited for.
        self._unsent, self._crammed = b"", False
        self._turn = _READS_IN_A_TURN
        self.stamped = False
        self.info: kernel.TcpInfo | None = None
        self.failure: Failure | None = None
        self.reason: str | None = None
        self.connect_ms: float | None = None
        self.lag_ms: float | None = None

    @property
    def clock(self) -> Clock:
        """Whose clock timed connecting, or would have where it failed."""
        timed = self.info is not None and (self.info.rtt_us is not None or self.failure is not None)
        return "kernel" if timed else "user"

    def open(self) -> None:
        """Begin to connect; ``settled`` may be called before this returns."""
        try:
            # The class beneath socket.socket has all the calls needed, and opens and closes in half the time.
            opened = socket.SocketType(self._kind, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as fault:
            self._fail(fault.errno or errno.EIO)
            self._report()
            return
        self._socket = opened
        kernel.reset_on_close(opened)
        if self._talks:
            self.stamped = kernel.stamp_receives(opened)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._begun_ns = time.monotonic_ns()
        error = opened.connect_ex(self._address)
        if error == errno.EINPROGRESS:
            self._loop.watch(opened.fileno(), WRITABLE, self._connected)
        else:
            self._end_connecting(opened, error)
            self._report()

    def give_up(self) -> None:
        """Time is up: note what there is to note, and close."""
        opened = self._socket
        if opened is None:
            return
        info = kernel.tcp_info(opened)
        self.info = info or self.info
        if self.connect_ms is not None:
            pass  # it is what came after that took too long
        elif info is not None and info.connected:
            # Connected in time by the kernel's clock; it is this process that had no time to notice.
            self._judge(info, time.monotonic_ns())
        else:
            self._fail(errno.ETIMEDOUT)
        self.close()

    def listen(self, readable: Callable[[], None]) -> None:
        """Call back when there is something to read, from now on."""
        self._readable = readable
        if self._socket is not None:
            self._loop.watch(self._socket.fileno(), READABLE, self._ready)

    def send(self, data: bytes) -> Moment:
        """Send all of ``data``, now or as soon as there is room; the moment just before. Raises OSError."""
        moment = Moment(time.time_ns(), time.monotonic_ns())
        self._unsent += data
        self._send_on()
        if self._socket is not None:
            # Some peers hold an answer back until what they sent before is acknowledged; that waits for no
            # timer of ours.
            kernel.acknowledge_at_once(self._socket)
        return moment

    def receive(self, size: int) -> tuple[bytes, Arrival] | None:
        """At most ``size`` bytes and when the last of them came; no bytes at the end of the stream, None when
        there is nothing yet, or enough for now: the rest is reported anew. Raises OSError."""
        if self._socket is None or not self._turn:
            return None
        self._turn -= 1
        try:
            data, stamp_ns = kernel.receive(self._socket, size)
        except BlockingIOError:
            return None
        return data, Arrival.now(stamp_ns)

    def resent(self) -> int | None:
        """Segments sent again up to now; None where the kernel does not tell."""
        if self._socket is not None:
            self.info = kernel.tcp_info(self._socket) or self.info
        return None if self.info is None else self.info.retransmits

    def finding(self) -> Finding:
        """Connecting alone; ``rtt_ms`` is the round trip of the SYN."""
        return Finding(
            self.clock,
            self.failure,
            rtt_ms=self.connect_ms if self.failure is None else None,
            connect_ms=self.connect_ms,
            retransmits=None if self.info is None else self.info.retransmits,
            reason=self.reason,
            lag_ms=self.lag_ms,
        )

    def latest_ns(self) -> int | None:
        """The stamp of the last byte that waits to be read; None where none does."""
        if self._socket is None:
            return None
        try:
            return kernel.receive(self._socket, _WHOLE_QUEUE, socket.MSG_PEEK)[1]
        except OSError:
            return None

    def ask_kernel(self) -> kernel.TcpInfo | None:
        """Bring ``info`` up to date."""
        if self._socket is not None:
            self.info = kernel.tcp_info(self._socket) or self.info
        return self.info

    def close(self) -> None:
        """Break the connection off; nobody is called back any more."""
        # Each of these may be a method of who holds this stream, and a circle keeps all of it in memory.
        self._settled = self._readable = None
        if self._socket is not None:
            if self._talks:
                # What was sent again since connecting counts too.
                self.ask_kernel()
            self._loop.forget(self._socket.fileno(), closing=True)
            self._socket.close()
            self._socket = None

    def _connected(self, _: int) -> None:
        if self._socket is not None and self._end_connecting(self._socket, 0):
            self._report()

    def _report(self) -> None:
        if self._settled is not None:
            self._settled()

    def _end_connecting(self, opened: socket.SocketType, error: int) -> bool:
        """Note how connecting ended; False when it has not: the event was of a descriptor that had this
        number a moment before."""
        now_ns = time.monotonic_ns()
        self.info = info = kernel.tcp_info(opened)
        # The kernel's state already says that there is no error; that saves a system call per sample.
        if not error and not (info is not None and info.connected):
            error = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not error and info is not None and info.connecting:
                return False
        if error in _BROKEN_OFF and info is not None and info.rtt_us is not None:
            error = 0
        if error:
            self._fail(error)
        else:
            self._judge(info, now_ns)
        return True

    def _judge(self, info: kernel.TcpInfo | None, now_ns: int) -> None:
        elapsed_ms = (now_ns - self._begun_ns) / 1e6
        self.connect_ms = elapsed_ms
        if info is None:
            return
        # Where the answer is lost, the peer sends it again a second later, and so do we the SYN. If the
        # peer's comes first, nothing here was sent twice; the kernel's second-long round trip gives it away.
        if info.retransmits or (info.rtt_us is not None and info.rtt_us >= _FIRST_TIMEOUT_US):
            self.failure = "syn_retransmit"
        elif info.rtt_us is not None:
            self.connect_ms = info.rtt_us / 1000
            self.lag_ms = max(elapsed_ms - self.connect_ms, 0.0)

    def _fail(self, number: int) -> None:
        self.failure = network_failure(number)
        self.reason = errno_words(number) if self.failure == "other" else None

    def _ready(self, events: int) -> None:
        self._turn = _READS_IN_A_TURN
        if self._unsent and events & WRITABLE:
            try:
                self._send_on()
            except OSError:
                # Reading says what became of the connection, and gives what the peer had sent before.
                self._unsent = b""
        if events & ~WRITABLE and self._readable is not None:
            self._readable()

    def _send_on(self) -> None:
        opened = self._socket
        if opened is None:
            return
        with contextlib.suppress(BlockingIOError):
            self._unsent = self._unsent[opened.send(self._unsent) :]
        if self._crammed != bool(self._unsent):
            self._crammed = not self._crammed
            self._loop.watch(opened.fileno(), READABLE | WRITABLE * self._crammed, self._ready)
