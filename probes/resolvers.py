"""Which DNS servers to ask: addresses from the configuration, or what the system itself would ask [I/O]."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal

from probes.target import address_family, ascii_host, is_host

SYSTEM: Final = "system"
DNS_PORT: Final = 53
TLS_PORT: Final = 853
HTTPS_PORT: Final = 443
RESOLV_CONF: Final = Path("/etc/resolv.conf")
HOSTS: Final = Path("/etc/hosts")

# resolv.conf(5): at most three name servers are asked, and with none the one on this machine.
_MAX_SERVERS = 3
_LOCAL_SERVER = "127.0.0.1"


_PLAIN = re.compile(r"\[([^\]]+)\](?::(\d{1,5}))?|([^:]+):(\d{1,5})|(.+)")
_URL = re.compile(r"(tls|https)://(?:\[([^\]]+)\]|([^][/:#]+))(?::(\d{1,5}))?(/[!-\"$-~]*)?(?:#(.+))?")


@dataclass(frozen=True, slots=True, order=True)
class Resolver:
    """One DNS server; ``str()`` gives it as a configuration would name it.

    ``speaks`` is udp (and TCP for what a datagram cannot hold), tls (RFC 7858) or https (RFC 8484), which
    asks for ``path`` and whose ``address`` may be a host name. ``name`` is what the certificate of an address
    must be for, where that is not the address.
    """

    address: str
    port: int = DNS_PORT
    speaks: Literal["udp", "tls", "https"] = "udp"
    name: str = ""
    path: str = ""

    @property
    def family(self) -> int | None:
        """4 or 6; None when it has to be resolved first."""
        return address_family(self.address)

    @property
    def server_name(self) -> str:
        """Whom the certificate must be for."""
        return self.name or self.address

    def __str__(self) -> str:
        usual = {"udp": DNS_PORT, "tls": TLS_PORT, "https": HTTPS_PORT}[self.speaks]
        bracketed = self.family == 6 and (self.speaks != "udp" or self.port != usual)
        host = f"[{self.address}]" if bracketed else self.address
        port = "" if self.port == usual else f":{self.port}"
        scheme = "" if self.speaks == "udp" else f"{self.speaks}://"
        return f"{scheme}{host}{port}{self.path}{self.name and '#'}{self.name}"


def parse_resolver(text: str) -> Resolver | None:
    """A resolver from "1.1.1.1", "1.1.1.1:5353", "::1", "[::1]" or "[::1]:5353"; from
    "tls://1.1.1.1#one.one.one.one" or "tls://[::1]:8853"; from "https://dns.google/dns-query" or
    "https://8.8.8.8/dns-query#dns.google". None when it is none of these.

    >>> str(parse_resolver("[::1]:5353")), parse_resolver("::1").address, parse_resolver("one.one")
    ('[::1]:5353', '::1', None)
    """
    if "://" in text:
        return _encrypted(text)
    found = _PLAIN.fullmatch(text)
    if found is None:
        return None
    address = found[1] or found[3] or found[5]
    port = int(found[2] or found[4] or DNS_PORT)
    family = address_family(address)
    if family is None or not 1 <= port <= 65535 or (found[1] is not None and family != 6):
        return None
    return Resolver(str(ip_address(address)), port)


def _encrypted(text: str) -> Resolver | None:
    found = _URL.fullmatch(text)
    if found is None:
        return None
    scheme, bracketed, plain, digits, path, name = found.groups()
    host = bracketed or plain
    family = address_family(host)
    port = int(digits or (TLS_PORT if scheme == "tls" else HTTPS_PORT))
    if not is_host(host) or (family == 6) != (bracketed is not None) or not 1 <= port <= 65535:
        return None
    if name is not None and (family is None or not is_host(name) or address_family(name) is not None):
        return None
    address = ascii_host(host) if family is None else str(ip_address(host))
    name = None if name is None else ascii_host(name)
    if scheme == "tls":
        return None if family is None or path is not None else Resolver(address, port, "tls", name or "")
    return None if path is None else Resolver(address, port, "https", name or "", path)


def system_resolvers(path: Path = RESOLV_CONF) -> tuple[Resolver, ...]:
    """The name servers of a resolv.conf, in its order; the one on this machine when it names none."""
    found: list[Resolver] = []
    for words in _words(path):
        resolver = parse_resolver(words[1]) if len(words) > 1 and words[0] == "nameserver" else None
        if resolver is not None:
            found.append(resolver)
    return tuple(found[:_MAX_SERVERS]) or (Resolver(_LOCAL_SERVER),)


def expand(
    names: Sequence[str], path: Path = RESOLV_CONF
) -> tuple[tuple[Resolver, ...], tuple[Resolver, ...]]:
    """The resolvers to measure, and those to resolve targets with, each in order and without repeats.

    Of the system's name servers only the first is measured: it is the one a program on this host waits for.
    The others are its fallbacks, so they serve for resolving.
    """
    measured: list[Resolver] = []
    asked: list[Resolver] = []
    for name in names:
        one = parse_resolver(name)
        servers = system_resolvers(path) if name == SYSTEM or one is None else (one,)
        measured.append(servers[0])
        asked += servers
    return tuple(dict.fromkeys(measured)), tuple(dict.fromkeys(asked))


def bootstrap(servers: Sequence[Resolver], path: Path = RESOLV_CONF) -> tuple[Resolver, ...]:
    """Whom to ask for the address of a resolver that is named: the plain ones, else the system's."""
    return tuple(one for one in servers if one.speaks == "udp") or system_resolvers(path)


def hosts_file(path: Path = HOSTS) -> dict[str, tuple[str, ...]]:
    """Names (in lower case) to addresses, as the hosts file of the system gives them."""
    found: dict[str, tuple[str, ...]] = {}
    for address, *names in _words(path):
        try:
            ip_address(address)
        except ValueError:
            continue
        for name in names:
            found[name.lower()] = (*found.get(name.lower(), ()), address)
    return found


def _words(path: Path) -> list[list[str]]:
    """The words of each line that holds any, comments aside; none when the file is not there."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    lines = (re.split(r"[#;]", line, maxsplit=1)[0].split() for line in text.splitlines())
    return [words for words in lines if words]
