"""What the samples of one round share: the addresses their names stand for, and sockets [I/O].

Names are resolved once per round, before any sample, by the configured resolvers themselves: what is measured
afterwards is the address a client with those resolvers would have connected to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, TypeVar

from probes.dns_dialogue import MOST_IDLE, Dialogues
from probes.dns_encrypted import EncryptedExchange
from probes.dns_exchange import Channel, Exchange
from probes.dns_wire import Query, Question, build_query, read_answer
from probes.loop import Loop, Probe, descriptors_for_probes
from probes.record import Failure
from probes.resolvers import Resolver, bootstrap
from probes.target import address_family

# Each resolver is asked in turn, and the whole row of them twice, as a stub resolver does by default.
_ATTEMPTS: Final = 2


class Closable(Protocol):
    """Something that holds a descriptor."""

    def close(self) -> None: ...


_C = TypeVar("_C", bound=Closable)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a host stands for in this round: an address, or why there is none.

    ``resolver`` and ``dns_ms`` are None when nobody had to be asked (an address, or the hosts file, which
    ``resolver`` then names "hosts"); ``dns_ms`` includes what was waited for in vain before.
    """

    address: str | None
    family: int | None
    resolver: str | None = None
    dns_ms: float | None = None
    failure: Failure | None = None
    reason: str | None = None


class Network:
    """The network as one round sees it.

    ``resolvers`` are those to measure, ``servers`` those to resolve with. ``authorities`` is a file of
    certificates trusted in addition to the system's.
    """

    def __init__(
        self,
        loop: Loop,
        *,
        resolvers: Sequence[Resolver],
        servers: Sequence[Resolver],
        hosts: Mapping[str, Sequence[str]],
        authorities: Path | None = None,
    ) -> None:
        self.loop, self.resolvers = loop, tuple(resolvers)
        self.authorities = authorities
        self._servers, self._hosts = tuple(servers), hosts
        self._resolutions: dict[tuple[str, int | None], Resolution] = {}
        self._named: dict[tuple[str, int | None], Resolution] = {}
        self._queries: dict[tuple[str, int], Query] = {}
        self._asked: set[tuple[Resolver, str, int]] = set()
        self._shared: dict[Hashable, Closable] = {}

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *_: object) -> None:
        for shared in self._shared.values():
            shared.close()
        self._shared.clear()

    @property
    def descriptors(self) -> int:
        """How many descriptors are held beside those of probes, at most."""
        return sum(MOST_IDLE if isinstance(one, Dialogues) else 1 for one in self._shared.values())

    def shared(self, key: Hashable, kind: type[_C], opened: Callable[[], _C]) -> _C:
        """The one thing under ``key`` in this round, opened on first use and closed at the end."""
        found = self._shared.get(key)
        if not isinstance(found, kind):
            found = self._shared[key] = opened()
        return found

    def prepare(self, resolver: Resolver, host: str, family: int) -> None:
        """Have at hand what :meth:`exchange` needs, so that no sample waits for it."""
        self._query(host, family)
        self._server(resolver)

    def exchange(
        self, resolver: Resolver, host: str, family: int, *, required: bool = False, fresh: bool = False
    ) -> Exchange | EncryptedExchange:
        """Ask a resolver for a host's addresses. ``required``: as in :class:`Question`; ``fresh``: on a new
        connection, where there is one."""
        asked = (resolver, host, family)
        question = Question(self._query(host, family), warm=asked in self._asked, required=required)
        self._asked.add(asked)
        server = self._server(resolver)
        if isinstance(server, Channel):
            return Exchange(server, question)
        return EncryptedExchange(server, question, fresh=fresh)

    def resolver_address(self, resolver: Resolver) -> Resolution:
        """Where a resolver is; of a named one only after :meth:`resolve`."""
        if resolver.family is not None:
            return Resolution(resolver.address, resolver.family)
        found = self._named[resolver.address, None]
        if found.failure in (None, "deadline"):
            return found
        # That would be said of the name which it was to be asked for.
        reason = f"no address of {resolver.address}: {found.reason or found.failure}"
        return replace(found, failure="unreachable", reason=reason)

    def resolution(self, host: str, family: int | None) -> Resolution:
        """What ``host`` stands for; names only after :meth:`resolve`."""
        known = address_family(host)
        return Resolution(host, known) if known is not None else self._resolutions[host, family]

    def resolve(
        self,
        names: Iterable[tuple[str, int | None]],
        *,
        rate_per_s: float,
        timeout_ms: float,
        deadline_ns: int,
    ) -> None:
        """Resolve hosts, each with the family wanted (None: either), until ``deadline_ns`` (monotonic).

        Resolvers that are named come first, and those that are not are asked for them.
        """
        pace = _Pace(rate_per_s, timeout_ms, deadline_ns)
        named = [one.address for one in (*self.resolvers, *self._servers) if one.family is None]
        self._named = self._looked_up([(name, None) for name in named], bootstrap(self._servers), pace)
        self._resolutions = self._looked_up(names, self._servers, pace)

    def _query(self, host: str, family: int) -> Query:
        name = (host, family)
        if name not in self._queries:
            self._queries[name] = build_query(host, family)
        return self._queries[name]

    def _server(self, resolver: Resolver) -> Channel | Dialogues:
        key = ("dns", resolver)
        if resolver.speaks == "udp":
            return self.shared(key, Channel, lambda: Channel(resolver, self.loop))
        found = self.resolver_address(resolver)
        return self.shared(
            key,
            Dialogues,
            lambda: Dialogues(
                resolver, self.loop, self.authorities, found.address, found.failure, found.reason
            ),
        )

    def _looked_up(
        self, names: Iterable[tuple[str, int | None]], servers: Sequence[Resolver], pace: _Pace
    ) -> dict[tuple[str, int | None], Resolution]:
        hosts: dict[tuple[str, int | None], None] = dict.fromkeys(
            (host, family) for host, family in names if address_family(host) is None
        )
        found: dict[tuple[str, int | None], Resolution] = {}
        asked = _Asked(pace.timeout_ms)
        for host, family in hosts:
            listed = [Resolution(a, address_family(a), "hosts") for a in self._hosts.get(host.lower(), ())]
            fitting = [one for one in listed if family in (None, one.family)]
            if fitting:
                found[host, family] = min(fitting, key=lambda one: one.family or 0)
            else:
                asked.want(host, (4, 6) if family is None else (family,))
        for server in tuple(servers) * _ATTEMPTS:
            wanted = asked.open_questions()
            if not wanted or time.monotonic_ns() >= pace.deadline_ns:
                break
            queries = [(name, self.exchange(server, *name)) for name in wanted]
            begin_ns = time.monotonic_ns()
            for position, (_, exchange) in enumerate(queries):
                exchange.intended_ns = begin_ns + round(position / pace.rate_per_s * 1e9)
            self.loop.run(
                [exchange for _, exchange in queries],
                timeout_ns=round(pace.timeout_ms * 1e6),
                deadline_ns=pace.deadline_ns,
                drain=_leave,
                most_in_flight=descriptors_for_probes(self.descriptors),
            )
            for name, exchange in queries:
                asked.heard(name, exchange, str(server))
        for host, family in hosts:
            if (host, family) not in found:
                found[host, family] = asked.verdict(host, family)
        return found


@dataclass(frozen=True, slots=True)
class _Pace:
    rate_per_s: float
    timeout_ms: float
    deadline_ns: int


class _Asked:
    """What has been asked so far and what came back, per (host, family)."""

    def __init__(self, timeout_ms: float) -> None:
        self._timeout_ms = timeout_ms
        self._wanted: dict[tuple[str, int], None] = {}
        self._spent_ms: dict[tuple[str, int], float] = {}
        self._heard: dict[tuple[str, int], Resolution] = {}
        self._settled: set[tuple[str, int]] = set()

    def want(self, host: str, families: Iterable[int]) -> None:
        self._wanted.update(dict.fromkeys((host, family) for family in families))

    def open_questions(self) -> list[tuple[str, int]]:
        """What has no answer yet; the IPv6 address of a host is not asked for again once IPv4 serves."""
        return [
            name
            for name in self._wanted
            if name not in self._settled
            and not (name[1] == 6 and (four := self._heard.get((name[0], 4))) is not None and four.address)
        ]

    def heard(self, name: tuple[str, int], exchange: Exchange | EncryptedExchange, resolver: str) -> None:
        finding = exchange.finding()
        spent_ms = self._timeout_ms if exchange.ending == "timeout" else finding.dns_ms
        if spent_ms is not None:
            self._spent_ms[name] = self._spent_ms.get(name, 0.0) + spent_ms
        if exchange.reply is None:
            self._heard[name] = Resolution(
                None,
                name[1],
                resolver,
                self._spent_ms.get(name),
                finding.failure or "deadline",
                finding.reason,
            )
            return
        answer = read_answer(exchange.reply)
        if answer.failure in (None, "dns_nxdomain"):
            self._settled.add(name)
        # When the clock was set meanwhile the time is lost, but the answer is not.
        dns_ms = None if finding.failure == "clock_step" else self._spent_ms.get(name)
        address = answer.addresses[0] if answer.addresses else None
        failure = answer.failure if answer.failure or address else "other"
        self._heard[name] = Resolution(address, name[1], resolver, dns_ms, failure, answer.reason)

    def verdict(self, host: str, family: int | None) -> Resolution:
        """IPv4 before IPv6; without an address, the failure that says most."""
        families = (4, 6) if family is None else (family,)
        heard = [self._heard[host, each] for each in families if (host, each) in self._heard]
        for resolution in heard:
            if resolution.address is not None:
                return resolution
        if not heard:
            return Resolution(None, family, failure="deadline")
        telling = next((resolution for resolution in heard if resolution.failure != "other"), heard[0])
        return replace(telling, family=family)


def _leave(_: list[Probe]) -> None:
    """The exchanges are read when all of them have ended."""
