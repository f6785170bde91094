"""The seam between a protocol and the rest: a lane is one series of samples that differ in time only."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from probes.loop import Probe
from probes.network import Network
from probes.record import Failure
from probes.target import Target


@dataclass(frozen=True, slots=True)
class Lane:
    """One target measured by one protocol at one peer.

    ``probe`` makes a sample ready to be started. ``failure`` is set when there is nothing to start, because
    the name has no address: each sample is then recorded as that failure. ``dns_ms`` is what resolving the
    name took in this round.
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


class Protocol(typing.Protocol):
    """A way to measure a target. ``connects``: it needs the address its host stands for."""

    @property
    def connects(self) -> bool: ...

    def lanes(self, target: Target, network: Network) -> Iterable[Lane]:
        """The series to take of ``target``; none where the protocol does not apply to it."""
        ...
