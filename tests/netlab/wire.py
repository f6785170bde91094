"""What went over the wire, and what it says: the truth that measurements are held against.

Stamps are nanoseconds of CLOCK_REALTIME at the near device, by the kernel: when a packet was handed to it, or
came out of it. Everything here is computed from a list of :class:`Packet` in the order of their stamps.
"""

from __future__ import annotations

import functools
import ipaddress
import math
import struct
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
SYN, RST, ACK = 0x02, 0x04, 0x10

_SENT, _RECEIVED, _LOST_OUT, _LOST_BACK = range(4)
# struct record of link.c
_RECORD = struct.Struct("=Q4B2H2I2H2H16s16s16s")
_ECHO_REQUEST, _ECHO_REPLY = (8, 128), (0, 129)


class Packet(NamedTuple):
    """One packet. ``out``: from near to far; ``lost``: the link lost it.

    A packet lost on the way back never came to the near device: its stamp is when it was lost. ``flags`` are
    TCP's, or the type of an ICMP message; ``ident`` is an ICMP echo's; ``length`` counts what TCP, UDP or
    ICMP carries, and ``head`` is the first 16 bytes of that at most.
    """

    ns: int
    out: bool
    lost: bool
    version: int
    protocol: int
    flags: int
    source: str
    source_port: int
    target: str
    target_port: int
    sequence: int
    acknowledged: int
    ident: int
    icmp_sequence: int
    length: int
    head: bytes

    @property
    def peer(self) -> tuple[str, int]:
        """The far address and port."""
        return (self.target, self.target_port) if self.out else (self.source, self.source_port)

    @property
    def connection(self) -> tuple[str, int, str, int]:
        """Near address and port, far address and port."""
        if self.out:
            return self.source, self.source_port, self.target, self.target_port
        return self.target, self.target_port, self.source, self.source_port


@functools.lru_cache(None)
def _address(raw: bytes) -> str:
    address = ipaddress.IPv6Address(raw)
    return str(address.ipv4_mapped or address)


def read_log(path: Path) -> list[Packet]:
    """The packets of a link's log, in order of their stamps."""
    data = path.read_bytes()
    records = sorted(_RECORD.iter_unpack(data[: len(data) // _RECORD.size * _RECORD.size]))
    packets: list[Packet] = []
    # The link tells of a loss on the way out after the kernel has told of the packet.
    sent: dict[tuple[Any, ...], int] = {}
    for record in records:
        kind = record[1]
        if kind == _LOST_OUT:
            at = sent[record[2:]]
            packets[at] = packets[at]._replace(lost=True)
            continue
        if kind == _SENT:
            sent[record[2:]] = len(packets)
        ns, _, version, protocol, flags, sport, tport, seq, ack, ident, iseq, length, _, head, src, tgt = (
            record
        )
        packets.append(
            Packet(
                ns,
                kind == _SENT,
                kind == _LOST_BACK,
                version,
                protocol,
                flags,
                _address(src),
                sport,
                _address(tgt),
                tport,
                seq,
                ack,
                ident,
                iseq,
                length,
                head[:length],
            )
        )
    return packets


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer. ``asked`` counts the times it was sent, ``lost`` the packets of it (answers
    too) that the link lost. ``peer`` is address and port, 0 for ICMP."""

    peer: tuple[str, int]
    local_port: int
    begin_ns: int
    end_ns: int | None = None
    asked: int = 1
    lost: int = 0
    refused: bool = False
    mark: Any = None

    @property
    def rtt_ms(self) -> float | None:
        """From the only question to the first answer; None when there was no answer or more questions."""
        return None if self.end_ns is None or self.asked != 1 else (self.end_ns - self.begin_ns) / 1e6


class _Ledger:
    """Exchanges under construction, by a key that question and answer share."""

    def __init__(self) -> None:
        self.done: list[dict[str, Any]] = []
        self._open: dict[tuple[Any, ...], dict[str, Any]] = {}

    def question(self, key: tuple[Any, ...], packet: Packet, mark: object) -> None:
        known = self._open.get(key)
        # The same key with another mark is a new question: ports and ids are used again.
        if known is None or known["mark"] != mark:
            known = self._open[key] = {
                "peer": packet.peer,
                "local_port": packet.source_port,
                "begin_ns": packet.ns,
                "asked": 0,
                "lost": 0,
                "mark": mark,
            }
            self.done.append(known)
        if "end_ns" not in known:
            known["asked"] += 1
            known["lost"] += packet.lost

    def answer(
        self, key: tuple[Any, ...], packet: Packet, mark: object = None, *, refused: bool = False
    ) -> None:
        known = self._open.get(key)
        if known is None or "end_ns" in known or (mark is not None and known["mark"] != mark):
            return
        if packet.lost:
            known["lost"] += 1
        else:
            known |= {"end_ns": packet.ns, "refused": refused}

    def exchanges(self) -> list[Exchange]:
        return [Exchange(**values) for values in self.done]


def handshakes(packets: Iterable[Packet]) -> list[Exchange]:
    """Each TCP connect: from its first SYN to the first SYN-ACK, or the RST that refuses it."""
    ledger = _Ledger()
    for packet in packets:
        if packet.protocol != TCP:
            continue
        if packet.out and packet.flags & (SYN | ACK) == SYN:
            ledger.question(packet.connection, packet, packet.sequence)
        elif not packet.out and packet.flags & (SYN | RST):
            mark = (packet.acknowledged - 1) % 2**32
            ledger.answer(packet.connection, packet, mark, refused=bool(packet.flags & RST))
    return ledger.exchanges()


def dns_exchanges(packets: Iterable[Packet], port: int = 53) -> list[Exchange]:
    """Each query over UDP and its reply, by addresses, ports and id (``mark``). Ordered by their begin."""
    ledger = _Ledger()
    for packet in packets:
        if packet.protocol != UDP or packet.peer[1] != port or len(packet.head) < 2:
            continue
        number = int.from_bytes(packet.head[:2], "big")
        key = (*packet.connection, number)
        if packet.out:
            ledger.question(key, packet, number)
        else:
            ledger.answer(key, packet)
    return ledger.exchanges()


def echoes(packets: Iterable[Packet]) -> list[Exchange]:
    """Each ICMP echo and its reply, by address, id and sequence number (``mark``). Ordered by their begin."""
    ledger = _Ledger()
    for packet in packets:
        if packet.protocol not in (ICMP, ICMPV6):
            continue
        mark = (packet.ident, packet.icmp_sequence)
        key = (packet.peer[0], *mark)
        if packet.out and packet.flags in _ECHO_REQUEST:
            ledger.question(key, packet, mark)
        elif not packet.out and packet.flags in _ECHO_REPLY:
            ledger.answer(key, packet)
    return ledger.exchanges()


def conversations(packets: Iterable[Packet], port: int | None = None) -> list[list[Packet]]:
    """The segments of each TCP connection, in order of their stamps; a new SYN begins a new conversation."""
    found: list[list[Packet]] = []
    current: dict[tuple[str, int, str, int], list[Packet]] = {}
    for packet in packets:
        if packet.protocol != TCP or (port is not None and packet.peer[1] != port):
            continue
        key = packet.connection
        first = packet.out and packet.flags & (SYN | ACK) == SYN
        if first and (key not in current or current[key][0].sequence != packet.sequence):
            current[key] = []
            found.append(current[key])
        if key in current:
            current[key].append(packet)
    return found


def _is_client_hello(packet: Packet) -> bool:
    return packet.out and packet.head[:1] == b"\x16" and packet.head[5:6] == b"\x01"


def tls_flights(packets: Iterable[Packet], port: int | None = None) -> list[Exchange]:
    """Each TLS handshake: from the ClientHello to the last segment of the server's flight, which is the last
    to arrive before the client speaks again (or at all, when it never does)."""
    found = []
    for conversation in conversations(packets, port):
        data = [packet for packet in conversation if packet.length]
        begin = next((at for at, packet in enumerate(data) if _is_client_hello(packet)), None)
        if begin is None:
            continue
        end = None
        lost = 0
        for packet in data[begin:]:
            if packet.out and end is not None and packet.sequence != data[begin].sequence:
                break
            lost += packet.lost
            if not packet.out and not packet.lost:
                end = packet.ns
        found.append(_exchange(data, data[begin], end, lost))
    return found


def first_bytes(
    packets: Iterable[Packet], port: int | None = None, *, record_over: int = 0
) -> list[Exchange]:
    """The first request of each connection and the first byte of its response: from the first sending of the
    last segment before that byte. Ordered by the begin of their connections.

    With ``record_over``, the response begins at the first segment that opens with a TLS application record
    longer than this: TLS 1.3 sends its session tickets as such records too, and only their size tells.
    """
    found = []
    for conversation in conversations(packets, port):
        data = [packet for packet in conversation if packet.length]
        asked: dict[int, Packet] = {}
        lost = 0
        for packet in data:
            if packet.out:
                if not _is_client_hello(packet):
                    asked.setdefault(packet.sequence, packet)
                lost += packet.lost
            elif asked and _opens_response(packet, record_over):
                lost += packet.lost
                if not packet.lost:
                    found.append(_exchange(data, list(asked.values())[-1], packet.ns, lost))
                    break
    return found


def _exchange(data: list[Packet], question: Packet, end_ns: int | None, lost: int) -> Exchange:
    sent = sum(packet.out and packet.sequence == question.sequence for packet in data)
    return Exchange(question.peer, question.source_port, question.ns, end_ns, sent, lost)


def _opens_response(packet: Packet, record_over: int) -> bool:
    if not record_over:
        return True
    return packet.head[:1] == b"\x17" and int.from_bytes(packet.head[3:5], "big") > record_over


def pair(
    rows: Iterable[Any],
    exchanges: Iterable[Exchange],
    key: Callable[[Any], tuple[str, int]] = lambda row: (row["peer"], row["port"] or 0),
    began: Callable[[Any], Any] = lambda row: row["started_at"],
) -> list[tuple[Any, Exchange]]:
    """Each row of an agent with its exchange: the same peer, the nth by start with the nth by begin.

    Raises ValueError when a peer has not as many exchanges as rows.
    """
    waiting: defaultdict[tuple[str, int], deque[Exchange]] = defaultdict(deque)
    for exchange in sorted(exchanges, key=lambda exchange: exchange.begin_ns):
        waiting[exchange.peer].append(exchange)
    found = []
    for row in sorted(rows, key=began):
        if not waiting[key(row)]:
            raise ValueError(f"nothing on the wire for a row of {key(row)}: {row}")
        found.append((row, waiting[key(row)].popleft()))
    left = {peer: len(rest) for peer, rest in waiting.items() if rest}
    if left:
        raise ValueError(f"on the wire and in no row: {left}")
    return found


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * share) - 1, 0)]
