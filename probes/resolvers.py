"""Which DNS servers to ask: addresses from the configuration, or what the system itself would ask [I/O]."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

SYSTEM: Final = "system"
DNS_PORT: Final = 53
RESOLV_CONF: Final = Path("/etc/resolv.conf")
HOSTS: Final = Path("/etc/hosts")

# resolv.conf(5): at most three name servers are asked, and with none the one on this machine.
_MAX_SERVERS = 3
_LOCAL_SERVER = "127.0.0.1"


@dataclass(frozen=True, slots=True, order=True)
class Resolver:
    """One DNS server; ``str()`` gives it as a configuration would name it."""

    address: str
    port: int = DNS_PORT

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4

    def __str__(self) -> str:
        if self.port == DNS_PORT:
            return self.address
        return f"[{self.address}]:{self.port}" if self.family == 6 else f"{self.address}:{self.port}"


def parse_resolver(text: str) -> Resolver | None:
    """A resolver from "1.1.1.1", "1.1.1.1:5353", "::1", "[::1]" or "[::1]:5353"; None when it is neither.

    >>> str(parse_resolver("[::1]:5353")), parse_resolver("::1").address, parse_resolver("one.one")
    ('[::1]:5353', '::1', None)
    """
    found = re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?|([^:]+):(\d{1,5})|(.+)", text)
    if found is None:
        return None
    address = found[1] or found[3] or found[5]
    port = int(found[2] or found[4] or DNS_PORT)
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if not 1 <= port <= 65535 or (found[1] is not None and parsed.version != 6):
        return None
    return Resolver(str(parsed), port)


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
