"""The seam between a protocol and the rest: a lane is one series of samples that differ in time only."""

from __future__ import annotations

import socket
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from probes.loop import Probe
from probes.network import Network
from probes.record import Failure
from probes.sockets import numeric_address
from probes.target import Target

# So that one burst of congestion or one busy moment of the peer does not decide about all samples.
GAP_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Lane:
    """One target measured by one protocol at one peer.

    ``probe`` makes a sample ready to be started. ``failure`` is set when there is nothing to start, because
    the name has no address: each sample is then recorded as that failure, for that ``reason``. ``dns_ms`` is
    what resolving the name took in this round. Samples stand ``gap_s`` apart where the deadline allows.
    """

    target: Target
    protocol: str
    peer: str | None
    port: int | None
    family: int | None
    resolver: str | None
    dns_ms: float | None
    failure: Failure | None
    probe: Callable[[], Probe]
    reason: str | None = None
    gap_s: float = GAP_S


def connecting_lane(
    protocol: str,
    target: Target,
    network: Network,
    probe: Callable[[socket.AddressFamily, Any], Probe],
    *,
    port: int | None,
) -> Lane:
    """The lane of a protocol that goes to the address its host stands for. ``probe`` is given that address as
    ``connect`` takes it; it is not called where the host has none."""
    found = network.resolution(target.host, target.family)
    kind = socket.AF_INET6 if found.family == 6 else socket.AF_INET
    failure, address = found.failure, None
    if found.address is not None:
        try:
            address = numeric_address(found.address, port or 0, kind)
        except OSError:
            failure = "unreachable"
    return Lane(
        target,
        protocol,
        found.address,
        port,
        found.family,
        found.resolver,
        found.dns_ms,
        failure,
        probe=lambda: probe(kind, address),
        reason=found.reason,
    )


class Protocol(typing.Protocol):
    """A way to measure a target. ``connects``: it needs the address its host stands for."""

    @property
    def connects(self) -> bool: ...

    def lanes(self, target: Target, network: Network) -> Iterable[Lane]:
        """The series to take of ``target``; none where the protocol does not apply to it."""
        ...
