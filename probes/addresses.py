"""What an address tells: whether a public host can have it, and in which of some named networks it is. Pure.

What stands in :data:`NOWHERE` is by the registries of special-purpose addresses (RFC 6890 and its updates;
IANA, read 2026-11), and not by ``ipaddress``, whose list differs between versions of Python.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NOWHERE: Final[tuple[tuple[str, str], ...]] = (
    ("0.0.0.0/8", "an unspecified"),
    ("10.0.0.0/8", "a private"),
    ("100.64.0.0/10", "a shared (CGNAT)"),
    ("127.0.0.0/8", "a loopback"),
    ("169.254.0.0/16", "a link-local"),
    ("172.16.0.0/12", "a private"),
    ("192.0.0.0/24", "a reserved"),
    ("192.0.2.0/24", "a documentation"),
    ("192.168.0.0/16", "a private"),
    ("198.18.0.0/15", "a benchmarking"),
    ("198.51.100.0/24", "a documentation"),
    ("203.0.113.0/24", "a documentation"),
    ("224.0.0.0/4", "a multicast"),
    ("240.0.0.0/4", "a reserved"),
    ("::/128", "an unspecified"),
    ("::1/128", "a loopback"),
    ("100::/64", "a discard-only"),
    ("2001:2::/48", "a benchmarking"),
    ("2001:db8::/32", "a documentation"),
    ("3fff::/20", "a documentation"),
    ("fc00::/7", "a unique local"),
    ("fe80::/10", "a link-local"),
    ("fec0::/10", "a site-local"),
    ("ff00::/8", "a multicast"),
)
"""What no public host can have as its address, and what such an address is."""

# RFC 6052: a network that translates IPv6 to IPv4 carries the true address in the last four bytes.
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")


class Prefixes:
    """Which of some named networks an address is in; the longest prefix decides."""

    def __init__(self, named: Iterable[tuple[Network, str]]) -> None:
        self._by_length: dict[tuple[int, int], dict[int, str]] = {}
        self._lists: set[tuple[str, int]] = set()
        for network, name in named:
            key = (network.version, network.max_prefixlen - network.prefixlen)
            self._by_length.setdefault(key, {})[int(network.network_address) >> key[1]] = name
            self._lists.add((name, network.version))
        self._keys = sorted(self._by_length)

    def name(self, address: Address) -> str | None:
        """The name of the network that holds the address, if any does."""
        number = int(address)
        for version, host_bits in self._keys:
            if version == address.version:
                found = self._by_length[version, host_bits].get(number >> host_bits)
                if found is not None:
                    return found
        return None

    def lists(self, name: str, version: int) -> bool:
        """Whether any network of that name is known in IPv4 (4) or IPv6 (6)."""
        return (name, version) in self._lists


def true_address(text: str) -> Address:
    """An address, or the IPv4 address it stands for. Raises ValueError.

    >>> true_address("64:ff9b::3.5.0.1"), true_address("::ffff:10.0.0.1")
    (IPv4Address('3.5.0.1'), IPv4Address('10.0.0.1'))
    """
    address = ip_address(text)
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _TRANSLATED else address


def nowhere() -> Prefixes:
    """The addresses no public host has, each named by what it is."""
    return Prefixes((ip_network(text), what) for text, what in NOWHERE)
