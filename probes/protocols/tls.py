"""TLS: the network time of a full handshake, by the kernel's receive stamps.

``rtt_ms`` is from the ClientHello to the first byte of its answer, ``tls_ms`` what the whole handshake
waited for the network: one such flight in TLS 1.3, two in TLS 1.2, the peer's cryptography included and ours
(``crypto_ms``) not. ``connect_ms`` is the TCP handshake before it. Certificates are verified, no session is
resumed. RFC 8446, RFC 5246.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from probes import kernel
from probes.lane import Lane, connecting_lane
from probes.loop import Finding, Loop, Probe
from probes.network import Network
from probes.target import Target
from probes.tls_session import client_context
from probes.tls_stream import TlsStream


@dataclass(frozen=True, slots=True)
class Tls:
    """One lane: the host's address and the target's port."""

    connects: bool = True

    def lanes(self, target: Target, network: Network) -> Iterator[Lane]:
        # Now, and not when the first connection waits for it.
        client_context((), network.authorities)
        kernel.keep_stamping()
        yield connecting_lane(
            "tls",
            target,
            network,
            lambda kind, address: _Handshake(kind, address, target.host, network.authorities),
            port=target.port,
        )


class _Handshake(Probe):
    """One connection, taken to the end of the handshake and closed with RST."""

    __slots__ = ("_address", "_authorities", "_kind", "_name", "_stream")

    def __init__(self, kind: socket.AddressFamily, address: Any, name: str, authorities: Path | None) -> None:
        super().__init__()
        self._kind, self._address = kind, address
        self._name, self._authorities = name, authorities

    def start(self, loop: Loop) -> None:
        self._stream = TlsStream(
            loop,
            self._kind,
            self._address,
            self._name,
            lambda: self._settled(loop),
            authorities=self._authorities,
        )
        self._stream.open()

    def cancel(self, loop: Loop) -> None:
        self._stream.give_up()

    def _settled(self, loop: Loop) -> None:
        self._stream.close()
        loop.finish(self)

    def finding(self) -> Finding:
        stream = self._stream
        # The loop may hold on to an ended sample for a while; what it found is a hundredth of its session.
        del self._stream
        return stream.finding()


TLS: Final = Tls()
