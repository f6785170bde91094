"""TCP: the round trip of the SYN as the kernel timed it.

``rtt_ms`` is TCP_INFO's, read when the socket turns writable; a busy process reads it late but reads the
same, and ``lag_ms`` is how late. A connect whose SYN, or the answer to it, had to be sent again is loss
(``syn_retransmit``), however well it ended: its second would be the retransmission timer's, not the path's.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from probes.lane import Lane, connecting_lane
from probes.loop import Finding, Loop, Probe
from probes.network import Network
from probes.stream import Stream
from probes.target import Target


@dataclass(frozen=True, slots=True)
class Tcp:
    """One lane: the host's address and the target's port."""

    connects: bool = True

    def lanes(self, target: Target, network: Network) -> Iterator[Lane]:
        yield connecting_lane("tcp", target, network, _Connect, port=target.port)


class _Connect(Probe):
    """One non-blocking connect, closed with RST."""

    __slots__ = ("_address", "_kind", "_loop", "_stream")

    def __init__(self, kind: socket.AddressFamily, address: Any) -> None:
        super().__init__()
        self._kind, self._address = kind, address

    def start(self, loop: Loop) -> None:
        self._loop = loop
        self._stream = Stream(loop, self._kind, self._address, self._settled)
        self._stream.open()

    def cancel(self, loop: Loop) -> None:
        self._stream.give_up()

    def _settled(self) -> None:
        self._stream.close()
        self._loop.finish(self)

    def finding(self) -> Finding:
        stream = self._stream
        del self._stream
        return stream.finding()


TCP: Final = Tcp()
