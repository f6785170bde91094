"""What can be measured: one file per protocol, and the one mapping that names them all."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from probes.lane import Protocol
from probes.protocols.dns import DNS
from probes.protocols.http import HTTP
from probes.protocols.icmp import ICMP
from probes.protocols.tcp import TCP
from probes.protocols.tls import TLS

PROTOCOLS: Final[Mapping[str, Protocol]] = MappingProxyType(
    {"dns": DNS, "tcp": TCP, "tls": TLS, "http": HTTP, "icmp": ICMP}
)
