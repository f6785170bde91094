"""What is measured: one endpoint of one site, and the rules for the names and addresses it may have."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from ipaddress import ip_address

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)

# IDNA2003, which Python has, and IDNA2008 make different names of these (RFC 5894, section 7.2): sharp s, the
# final sigma, and the joiners.
_DEVIATES = re.compile("[\u00df\u1e9e\u03c2\u200c\u200d]")


@dataclass(frozen=True, slots=True)
class Target:
    """One endpoint that speaks for a site.

    ``host`` is an address, or a name in ASCII; ``family`` is 4, 6, or None for either (4 preferred);
    ``path`` is what http asks for, and ``scheme`` how. ``lat`` and ``lon`` say where the site is, in degrees,
    where it is the user's own or the catalog's place for it is not wanted: both or none.
    """

    site: str
    host: str
    port: int
    protocols: tuple[str, ...]
    path: str | None = None
    family: int | None = None
    lat: float | None = None
    lon: float | None = None
    scheme: str | None = None

    @property
    def secure(self) -> bool:
        """Whether http goes over TLS: as ``scheme`` says, else unless the port is 80."""
        return self.port != 80 if self.scheme is None else self.scheme == "https"


@functools.lru_cache(maxsize=4096)
def address_family(host: str) -> int | None:
    """4 or 6 when ``host`` is an IP address, None when it is a name.

    >>> address_family("192.0.2.1"), address_family("2001:db8::1"), address_family("example.org")
    (4, 6, None)
    """
    try:
        return ip_address(host).version
    except ValueError:
        return None


def ascii_host(host: str) -> str:
    """A host as resolvers, certificates and servers know it: internationalised labels as A-labels.

    See RFC 5890. An address stays as it is. Raises ValueError for what is neither an address nor a name a
    resolver can be asked for.

    >>> ascii_host("bücher.example"), ascii_host("ec2.us-east-1.amazonaws.com"), ascii_host("2001:db8::1")
    ('xn--bcher-kva.example', 'ec2.us-east-1.amazonaws.com', '2001:db8::1')
    """
    if address_family(host) is not None:
        return host
    if _DEVIATES.search(host):
        raise ValueError(f"{host!r} is a different name by IDNA2003 and IDNA2008: write its A-label, xn--...")
    try:
        plain = host.encode("idna").decode("ascii")
    except UnicodeError:
        plain = ""
    name = plain.removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise ValueError(f"{host!r} is not a host name or an address")
    return plain


def is_host(host: str) -> bool:
    """Whether ``host`` is an IP address or a host name a resolver can be asked for.

    >>> is_host("ec2.us-east-1.amazonaws.com"), is_host("https://example.org"), is_host("10.0.0.300")
    (True, False, False)
    """
    try:
        ascii_host(host)
    except ValueError:
        return False
    return True
