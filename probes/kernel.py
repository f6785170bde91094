"""What the Linux kernel knows about time: TCP_INFO and receive stamps [I/O].

The only module that knows struct offsets. Where the kernel does not tell (not Linux, or an old one) the
answer is None, and the caller falls back to its own clock and says so.

Sources: linux/tcp.h (struct tcp_info, a stable, append-only layout), socket(7), asm-generic/socket.h.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import struct
import sys
import time
from typing import Final, NamedTuple

LINUX: Final = sys.platform == "linux"

# struct tcp_info: eight bytes of state and flags, then 32-bit and 64-bit fields. Only those needed are read:
# the state, tcpi_rtt at 68, tcpi_total_retrans at 100, tcpi_data_segs_in at 152, tcpi_dsack_dups at 216.
# Kernels before 4.19 end earlier.
_TCP_INFO: Final = 11
_FIELDS: Final = struct.Struct("=B67xI28xI48xI60xI")
_EARLY_FIELDS: Final = struct.Struct("=B67xI28xI")

_ESTABLISHED: Final = 1
_SYN_SENT: Final = 2
_CLOSE_WAIT: Final = 8

# The option and its control message share a number. struct timespec has the machine's own long twice.
_SO_TIMESTAMPNS: Final = 35
_TIMESPEC: Final = struct.Struct("@ll")
_CONTROL_SPACE: Final = socket.CMSG_SPACE(_TIMESPEC.size) if LINUX else 0

_LINGER_OFF: Final = struct.pack("ii", 1, 0)


class TcpInfo(NamedTuple):
    """What the kernel says of one TCP connection; times in µs, None where it has none to tell.

    ``rtt_us`` right after a connect is the round trip of the SYN alone. ``retransmits`` counts every segment
    sent again since the first SYN, ``needless`` those of them that the peer said it had already (DSACK), and
    ``data_segments`` those with data that came.
    """

    connecting: bool
    connected: bool
    rtt_us: int | None
    retransmits: int
    data_segments: int | None = None
    needless: int | None = None

    @property
    def lost(self) -> int:
        """Segments that had to be sent again, as far as is known yet: some may turn out needless."""
        return max(self.retransmits - (self.needless or 0), 0)


def tcp_info(connection: socket.SocketType) -> TcpInfo | None:
    """The kernel's own account of ``connection``; None where there is no TCP_INFO."""
    if not LINUX:
        return None
    try:
        raw = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _FIELDS.size)
    except OSError:
        return None
    if len(raw) == _FIELDS.size:
        state, rtt, retransmits, segments, needless = _FIELDS.unpack(raw)
    elif len(raw) >= _EARLY_FIELDS.size:
        state, rtt, retransmits, segments, needless = *_EARLY_FIELDS.unpack_from(raw), None, None
    else:
        return None
    connected = state in (_ESTABLISHED, _CLOSE_WAIT)
    return TcpInfo(state == _SYN_SENT, connected, rtt or None, retransmits, segments, needless)


def reset_on_close(connection: socket.SocketType) -> None:
    """Make close() send RST: no lingering states here, and nothing for the peer to wait for."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)


def acknowledge_at_once(connection: socket.SocketType) -> None:
    """Acknowledge what comes next without waiting for something to send along; lasts for a while. tcp(7)."""
    if LINUX:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


_STAMP_TRIES: Final = 25
_STAMP_WAIT_S: Final = 0.002


def stamp_receives(receiver: socket.SocketType) -> bool:
    """Ask the kernel to stamp what arrives; False where it cannot."""
    if not LINUX:
        return False
    try:
        receiver.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    keep_stamping()
    return True


@functools.cache
def keep_stamping() -> socket.socket | None:
    """A socket that stays open so that the kernel goes on stamping; None where there is no loopback.

    The first socket of a machine to ask for stamps switches stamping on from a kernel worker, a moment later;
    until then a packet is stamped when it is read and not when it arrived. So wait, once, until a stamp is
    seen to be older than the reading: better before the first sample than in it.
    """
    if not LINUX:
        return None
    keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        keeper.bind(("127.0.0.1", 0))
        keeper.settimeout(0.1)
        keeper.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        for _ in range(_STAMP_TRIES):
            keeper.sendto(b"", keeper.getsockname())
            time.sleep(_STAMP_WAIT_S)
            _, stamp_ns = receive(keeper, 1)
            if stamp_ns is not None and time.time_ns() - stamp_ns >= _STAMP_WAIT_S * 0.5e9:
                break
    except OSError:
        keeper.close()
        return None
    return keeper


def receive(receiver: socket.SocketType, size: int, flags: int = 0) -> tuple[bytes, int | None]:
    """What arrived (at most ``size`` bytes) and when, in ns of CLOCK_REALTIME; None without a stamp.

    On a stream the stamp is that of the last segment read. Raises what ``recvmsg`` raises.
    """
    if not LINUX:
        return receiver.recv(size, flags), None
    data, control, _, _ = receiver.recvmsg(size, _CONTROL_SPACE, flags)
    for level, kind, value in control:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(value) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(value)
            return data, seconds * 1_000_000_000 + nanoseconds
    return data, None


# SO_RCVBUF stops at net.core.rmem_max, which holds a few hundred datagrams; this one wants CAP_NET_ADMIN.
_SO_RCVBUFFORCE: Final = 33

# socket(7), linux/sock_diag.h: nine 32-bit figures, the last of them datagrams dropped.
_SO_MEMINFO: Final = 55
_MEMINFO: Final = struct.Struct("=9I")


def widen_receive_buffer(receiver: socket.socket, size: int) -> None:
    """Let ``size`` bytes wait to be read, or as many as this process may ask for."""
    if LINUX:
        with contextlib.suppress(OSError):
            receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
            return
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def dropped(receiver: socket.socket) -> int:
    """How many datagrams found no room in the receive buffer so far; 0 where the kernel does not tell."""
    if not LINUX:
        return 0
    try:
        raw = receiver.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
    except OSError:
        return 0
    return int(_MEMINFO.unpack(raw)[-1]) if len(raw) == _MEMINFO.size else 0


# struct sock_extended_err: errno, origin, type, code, padding, info, data. ip(7), ipv6(7), linux/errqueue.h
_RECVERR: Final = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
_EXTENDED_ERROR: Final = struct.Struct("=IBBBBII")
_ERROR_QUEUE: Final = 0x2000
_ERROR_SPACE: Final = 256


def queue_errors(receiver: socket.socket) -> None:
    """Keep ICMP errors, with what they are about, for :func:`queued_error`; without a kernel that does,
    nothing."""
    if LINUX:
        level, option = _RECVERR[receiver.family]
        receiver.setsockopt(level, option, 1)


def queued_error(receiver: socket.socket, size: int) -> tuple[int, bytes] | None:
    """The next ICMP error on a datagram or raw socket: its errno, and what had been sent; None when there is
    none."""
    if not LINUX:
        return None
    try:
        data, control, _, _ = receiver.recvmsg(size, _ERROR_SPACE, _ERROR_QUEUE)
    except OSError:
        return None
    for level, kind, value in control:
        if (level, kind) == _RECVERR[receiver.family] and len(value) >= _EXTENDED_ERROR.size:
            return _EXTENDED_ERROR.unpack_from(value)[0], data
    return 0, data


# ICMP_FILTER (raw(7)) and ICMPV6_FILTER (RFC 3542, where a set bit blocks as well on Linux).
_SOL_RAW: Final = 255
_FILTER: Final = 1


def pass_only_icmp(receiver: socket.socket, kind: int) -> None:
    """Let a raw ICMP socket see messages of one type; its error queue is not touched."""
    if not LINUX:
        return
    if receiver.family == socket.AF_INET:
        receiver.setsockopt(_SOL_RAW, _FILTER, struct.pack("=I", ~(1 << kind) & 0xFFFFFFFF))
    else:
        blocked = [0xFFFFFFFF] * 8
        blocked[kind >> 5] &= ~(1 << (kind & 31)) & 0xFFFFFFFF
        receiver.setsockopt(socket.IPPROTO_ICMPV6, _FILTER, struct.pack("=8I", *blocked))


# Two clocks cannot be read at once: a reading counts when the monotonic clock moved less than this around it.
_TIGHT_NS: Final = 20_000
_READINGS: Final = 8


def realtime_offset_ns() -> int:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC: it changes when somebody sets the clock, and only then.

    Slewing (NTP) moves both clocks alike. The tightest of a few readings is used, so that being scheduled
    away between the two does not look like a step.
    """
    best_spread, best = -1, 0
    for _ in range(_READINGS):
        before = time.monotonic_ns()
        realtime = time.time_ns()
        spread = time.monotonic_ns() - before
        if best_spread < 0 or spread < best_spread:
            best_spread, best = spread, realtime - before - spread // 2
        if spread < _TIGHT_NS:
            break
    return best


# Well above what reading two clocks can err by, well below what would matter in a round trip.
_STEP_NS: Final = 200_000


def stepped(offset_before_ns: int, offset_after_ns: int) -> bool:
    """Whether the clock was set between two readings of :func:`realtime_offset_ns`."""
    return abs(offset_after_ns - offset_before_ns) > _STEP_NS
