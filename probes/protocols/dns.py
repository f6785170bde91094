"""DNS: how long each configured resolver takes to resolve the target's name.

``dns_ms`` is the whole resolution, a second question over TCP after a truncated reply included; ``rtt_ms``
is the round trip of the first datagram. Peer and port are the resolver's; family is that of the address
asked for: both, unless the target names one. A name may well have no address of a family nobody insisted on:
that is an answer (with a reason and no ttl_s), and a failure only of a target that names the family. An
address needs no resolving: such a target has no lanes.

Over TLS and HTTPS the first sample is taken on a new connection, those after it on one that stands already
(``warm``), where there is one; see ``dns_encrypted``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from probes.lane import GAP_S, Lane
from probes.loop import Probe
from probes.network import Network
from probes.resolvers import Resolver
from probes.target import Target, address_family

# The second sample needs the connection of the first: three round trips and more.
_CONNECTING_GAP_S: Final = 1.0


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
    found = network.resolver_address(resolver)
    network.prepare(resolver, target.host, family)
    samples = itertools.count()

    def probe() -> Probe:
        return network.exchange(
            resolver,
            target.host,
            family,
            required=target.family is not None,
            fresh=next(samples) == 0,
        )

    return Lane(
        target,
        "dns",
        found.address,
        resolver.port,
        family,
        str(resolver),
        dns_ms=None,
        failure=found.failure,
        probe=probe,
        reason=found.reason,
        gap_s=GAP_S if resolver.speaks == "udp" else _CONNECTING_GAP_S,
    )


DNS: Final = Dns()
