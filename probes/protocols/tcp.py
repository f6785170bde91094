"""TCP: the round trip of the SYN as the kernel timed it.

``rtt_ms`` is TCP_INFO's, read when the socket turns writable; a busy process reads it late but reads the
same. ``connect_ms`` is this process's own clock from connect() to noticing. A connect whose SYN had to be
sent again is loss (``syn_retransmit``), however well it ended: its second would be the retransmission
timer's, not the path's.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from probes import kernel
from probes.lane import Lane
from probes.loop import WRITABLE, Finding, Loop, Probe
from probes.network import Network
from probes.record import Clock
from probes.sockets import network_failure, numeric_address
from probes.target import Target

# The peer answered the SYN, and broke the connection off before we looked: the round trip stands.
_BROKEN_OFF: Final = frozenset({errno.ECONNRESET, errno.EPIPE})


@dataclass(frozen=True, slots=True)
class Tcp:
    """One lane: the host's address and the target's port."""

    connects: bool = True

    def lanes(self, target: Target, network: Network) -> Iterator[Lane]:
        found = network.resolution(target.host, target.family)
        kind = socket.AF_INET6 if found.family == 6 else socket.AF_INET
        failure, address = found.failure, None
        if found.address is not None:
            try:
                address = numeric_address(found.address, target.port, kind)
            except OSError:
                failure = "unreachable"
        yield Lane(
            target,
            "tcp",
            found.address,
            target.port,
            found.family,
            found.resolver,
            found.dns_ms,
            failure,
            probe=lambda: _Connect(kind, address),
        )


class _Connect(Probe):
    """One non-blocking connect, closed with RST."""

    __slots__ = ("_address", "_begun_ns", "_connected_ns", "_error", "_info", "_kind", "_socket")

    def __init__(self, kind: socket.AddressFamily, address: Any) -> None:
        super().__init__()
        self._kind, self._address = kind, address
        self._socket: socket.socket | None = None
        self._info: kernel.TcpInfo | None = None
        self._error = 0
        self._begun_ns = self._connected_ns = 0

    def start(self, loop: Loop) -> None:
        try:
            opened = socket.socket(self._kind, socket.SOCK_STREAM)
        except OSError as fault:
            self._error = fault.errno or errno.EIO
            loop.finish(self)
            return
        self._socket = opened
        opened.setblocking(False)
        kernel.reset_on_close(opened)
        self._begun_ns = time.monotonic_ns()
        error = opened.connect_ex(self._address)
        if error == errno.EINPROGRESS:
            loop.watch(opened.fileno(), WRITABLE, lambda _: self._settled(loop))
        else:
            self._settled(loop, error)

    def cancel(self, loop: Loop) -> None:
        self._error = errno.ETIMEDOUT
        if self._socket is None:
            return
        self._info = info = kernel.tcp_info(self._socket)
        if info is not None and info.connected:
            # Connected in time by the kernel's clock; it is this process that had no time to notice.
            self._error, self._connected_ns = 0, time.monotonic_ns()
        self._close(loop, self._socket)

    def _settled(self, loop: Loop, error: int = 0) -> None:
        now_ns = time.monotonic_ns()
        opened = self._socket
        if opened is None:
            return
        self._info = info = kernel.tcp_info(opened)
        # The kernel's state already says that there is no error; that saves a system call per sample.
        if not error and not (info is not None and info.connected):
            error = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error in _BROKEN_OFF and info is not None and info.rtt_us is not None:
            error = 0
        self._error = error
        if not error:
            self._connected_ns = now_ns
        self._close(loop, opened)
        loop.finish(self)

    def _close(self, loop: Loop, opened: socket.socket) -> None:
        loop.forget(opened.fileno())
        opened.close()
        self._socket = None

    def finding(self) -> Finding:
        info = self._info
        retransmits = None if info is None else info.retransmits
        clock: Clock = "user" if info is None else "kernel"
        if self._error:
            return Finding(clock, network_failure(self._error), retransmits=retransmits)
        connect_ms = round((self._connected_ns - self._begun_ns) / 1e6, 6)
        if retransmits:
            return Finding(clock, "syn_retransmit", connect_ms=connect_ms, retransmits=retransmits)
        if info is None or info.rtt_us is None:
            return Finding("user", rtt_ms=connect_ms, connect_ms=connect_ms, retransmits=retransmits)
        return Finding(clock, rtt_ms=info.rtt_us / 1000, connect_ms=connect_ms, retransmits=retransmits)


TCP: Final = Tcp()
