"""DNS: how long each configured resolver takes to resolve the target's name.

``dns_ms`` is the whole resolution, a second question over TCP after a truncated reply included; ``rtt_ms``
is the round trip of the first datagram. Peer and port are the resolver's; family is that of the address
asked for: both, unless the target names one. A name may well have no address of a family nobody insisted on:
that is an answer (with a reason and no ttl_s), and a failure only of a target that names the family. An
address needs no resolving: such a target has no lanes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from probes.lane import Lane
from probes.loop import Probe
from probes.network import Network
from probes.resolvers import Resolver
from probes.target import Target, address_family


@dataclass(frozen=True, slots=True)
class Dns:
    """One lane per resolver and family."""

    connects: bool = False

    def lanes(self, target: Target, network: Network) -> Iterator[Lane]:
        if address_family(target.host) is None:
            for resolver in network.resolvers:
                for family in (4, 6) if target.family is None else (target.family,):
                    yield _lane(target, network, resolver, family)


def _lane(target: Target, network: Network, resolver: Resolver, family: int) -> Lane:
    def probe() -> Probe:
        return network.exchange(resolver, target.host, family, required=target.family is not None)

    return Lane(
        target,
        "dns",
        resolver.address,
        resolver.port,
        family,
        str(resolver),
        dns_ms=None,
        failure=None,
        probe=probe,
    )


DNS: Final = Dns()
