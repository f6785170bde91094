"""ICMP: the round trip of an echo, by the kernel's receive stamp.

Neither needs a port open on the far side nor tells anything of a service; many hosts leave echoes unanswered,
and routers answer them late. Datagram sockets are used where the sysctl net.ipv4.ping_group_range allows this
process to have one, else raw sockets, which want CAP_NET_RAW; where there is neither, each sample says so and
the round goes on. One socket per family serves all targets. RFC 792, RFC 4443; icmp(7), icmpv6, ip(7).
"""

from __future__ import annotations

import errno
import secrets
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from probes import kernel
from probes.lane import Lane, connecting_lane
from probes.loop import READABLE, Finding, Loop, Probe
from probes.network import Network
from probes.record import Failure
from probes.sockets import OVERFLOWED, errno_words, network_failure
from probes.stream import Arrival, Moment, elapsed_ns, milliseconds
from probes.target import Target

_NOT_PERMITTED: Final = "needs net.ipv4.ping_group_range or CAP_NET_RAW"

# type, code, checksum, identifier, sequence number
_HEAD: Final = struct.Struct("!BBHHH")
_REQUEST: Final = {4: 8, 6: 128}
_REPLY: Final = {4: 0, 6: 129}
_PROTOCOL: Final = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}

# The payload: what tells this lane's replies from anybody else's, in as many bytes as ping sends.
_TOKEN: Final = 16
_PADDING: Final = bytes(40)
_LARGEST: Final = 2048
_RECEIVE_BUFFER: Final = 4 << 20

# A flood must not keep the loop from its deadline; what is left is reported anew.
_READS_IN_A_TURN: Final = 256


@dataclass(frozen=True, slots=True)
class Icmp:
    """One lane: the host's address."""

    connects: bool = True

    def lanes(self, target: Target, network: Network) -> Iterator[Lane]:
        token = secrets.token_bytes(_TOKEN)

        def probe(kind: socket.AddressFamily, address: Any) -> Probe:
            version = 6 if kind == socket.AF_INET6 else 4
            channel = network.shared(("icmp", version), Echoes, lambda: Echoes(version, network.loop))
            return _Echo(channel, address, token)

        kernel.keep_stamping()
        yield connecting_lane("icmp", target, network, probe, port=None)


class Echoes:
    """The socket all echoes of one family go through. ``refused`` says why there is none."""

    def __init__(self, version: int, loop: Loop) -> None:
        self.refused: str | None = None
        self.stamped, self.dropped = False, 0
        self._loop, self._version = loop, version
        self._waiting: dict[int, _Echo] = {}
        self._sequence = 0
        # A datagram socket's identifier is the kernel's to choose and to check.
        self._identifier = secrets.randbelow(1 << 16)
        self._socket, self._raw = self._opened()
        if self._socket is None:
            return
        self._socket.setblocking(False)
        kernel.widen_receive_buffer(self._socket, _RECEIVE_BUFFER)
        self.stamped = kernel.stamp_receives(self._socket)
        kernel.queue_errors(self._socket)
        if self._raw:
            kernel.pass_only_icmp(self._socket, _REPLY[version])
        loop.watch(self._socket.fileno(), READABLE, self._readable)

    def send(self, echo: _Echo) -> int:
        """Send a request for ``echo``; its sequence number. Raises OSError."""
        assert self._socket is not None
        while self._sequence in self._waiting:
            self._sequence = (self._sequence + 1) & 0xFFFF
        sequence = self._sequence
        self._sequence = (sequence + 1) & 0xFFFF
        payload = echo.token + _PADDING
        packet = _HEAD.pack(_REQUEST[self._version], 0, 0, self._identifier, sequence) + payload
        # The kernel fills in every other checksum there is.
        if self._raw and self._version == 4:
            packet = packet[:2] + internet_checksum(packet).to_bytes(2, "big") + packet[4:]
        self._waiting[sequence] = echo
        echo.sent = Moment(time.time_ns(), time.monotonic_ns())
        try:
            self._socket.sendto(packet, echo.address)
        except OSError:
            del self._waiting[sequence]
            raise
        return sequence

    def count_dropped(self) -> int:
        """How many replies the kernel has dropped so far because they were not read in time."""
        if self._socket is not None:
            self.dropped = kernel.dropped(self._socket)
        return self.dropped

    def dismiss(self, sequence: int) -> None:
        """Nobody waits for this one any more."""
        self._waiting.pop(sequence, None)

    def close(self) -> None:
        """Release the socket."""
        if self._socket is not None:
            self._loop.forget(self._socket.fileno())
            self._socket.close()

    def _opened(self) -> tuple[socket.socket | None, bool]:
        family = socket.AF_INET6 if self._version == 6 else socket.AF_INET
        for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
            try:
                opened = socket.socket(family, kind, _PROTOCOL[self._version])
            except PermissionError:
                self.refused = _NOT_PERMITTED
            except OSError as fault:
                self.refused = (fault.strerror or str(fault)).lower()
            else:
                self.refused = None
                return opened, kind == socket.SOCK_RAW
        return None, False

    def _readable(self, events: int) -> None:
        assert self._socket is not None
        # An error waits in a queue of its own, and is reported beside what is readable.
        if events & ~READABLE:
            self._read_errors()
        offset_ns = kernel.realtime_offset_ns()
        for _ in range(_READS_IN_A_TURN):
            try:
                data, stamp_ns = kernel.receive(self._socket, _LARGEST)
            except BlockingIOError:
                return
            except OSError:
                # The error of one echo, told once more to the next call; the queue has said whose it is.
                continue
            echo = self._claimed(data, _REPLY[self._version], headed=self._raw and self._version == 4)
            if echo is not None:
                echo.replied(Arrival.now(stamp_ns), offset_ns)

    def _read_errors(self) -> None:
        assert self._socket is not None
        for _ in range(_READS_IN_A_TURN):
            fault = kernel.queued_error(self._socket, _LARGEST)
            if fault is None:
                return
            number, data = fault
            echo = self._claimed(data, _REQUEST[self._version])
            if echo is not None:
                echo.failed(network_failure(number), errno_words(number))

    def _claimed(self, data: bytes, kind: int, *, headed: bool = False) -> _Echo | None:
        """The echo that a message belongs to, which waits no longer; None when it is nobody's here."""
        at = (data[0] & 0x0F) * 4 if headed and data else 0
        if len(data) < at + _HEAD.size:
            return None
        found, _, _, identifier, sequence = _HEAD.unpack_from(data, at)
        if found != kind or (self._raw and identifier != self._identifier):
            return None
        echo = self._waiting.get(sequence)
        begin = at + _HEAD.size
        token = data[begin : begin + _TOKEN]
        # Some routers return no more of a message than its first eight bytes; a reply returns it all.
        if echo is None or not (token == echo.token or (kind == _REQUEST[self._version] and not token)):
            return None
        del self._waiting[sequence]
        return echo


class _Echo(Probe):
    """One echo request and its reply. ``sent`` is the moment just before the send."""

    __slots__ = (
        "_arrival",
        "_channel",
        "_dropped",
        "_failure",
        "_loop",
        "_offset_ns",
        "_reason",
        "_sequence",
        "_stepped",
        "address",
        "sent",
        "token",
    )

    def __init__(self, channel: Echoes, address: Any, token: bytes) -> None:
        super().__init__()
        self._channel, self.address, self.token = channel, address, token
        self.sent = Moment(0, 0)
        self._offset_ns = self._dropped = 0
        self._sequence = -1
        self._failure: Failure | None = None
        self._reason: str | None = None
        self._arrival: Arrival | None = None
        self._stepped = False

    def start(self, loop: Loop) -> None:
        self._loop = loop
        if self._channel.refused is not None:
            self.failed("other", self._channel.refused)
            return
        self._offset_ns, self._dropped = kernel.realtime_offset_ns(), self._channel.dropped
        try:
            self._sequence = self._channel.send(self)
        except OSError as fault:
            number = fault.errno or errno.EIO
            self.failed(network_failure(number), errno_words(number))

    def replied(self, arrival: Arrival, offset_ns: int) -> None:
        """The channel has the reply; ``offset_ns`` is the clocks' when it was read."""
        self._arrival = arrival
        self._stepped = arrival.stamp_ns is not None and kernel.stepped(self._offset_ns, offset_ns)
        self._loop.finish(self)

    def failed(self, failure: Failure, reason: str | None) -> None:
        """There will be no reply."""
        # ICMP has no connection to refuse: whatever was said, the address cannot be had.
        self._failure = "unreachable" if failure in ("connect_refused", "connect_timeout") else failure
        self._reason = reason
        self._loop.finish(self)

    def cancel(self, loop: Loop) -> None:
        self._channel.dismiss(self._sequence)
        if self._channel.count_dropped() > self._dropped:
            # Its reply may have been among them.
            self._failure, self._reason = "other", OVERFLOWED
        else:
            self._failure = "icmp_timeout"

    def finding(self) -> Finding:
        arrival = self._arrival
        if arrival is None:
            return Finding("kernel" if self._channel.stamped else "user", self._failure, reason=self._reason)
        found = Finding(
            "user" if arrival.stamp_ns is None else "kernel",
            rtt_ms=milliseconds(elapsed_ns(self.sent, arrival)),
            lag_ms=milliseconds(arrival.lag_ns),
        )
        return found.stepped() if self._stepped else found


def internet_checksum(data: bytes) -> int:
    """RFC 1071, over data of even length whose checksum field is zero.

    >>> hex(internet_checksum(bytes.fromhex("0001f203f4f5f6f7")))
    '0x220d'
    """
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


ICMP: Final = Icmp()
