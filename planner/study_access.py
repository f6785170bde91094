"""The table ``[access]`` of a study: what lies between a client and the first router of its provider."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from probes.strict_toml import Table

ACCESS: Final = ("wired", "wifi", "cellular", "satellite")
"""Kinds of access line, each a row of ``data/access.csv``."""

Shares = tuple[tuple[str, float], ...]
"""Kinds of access line with the share of requests on each; what is left has a line that adds nothing."""


@dataclass(frozen=True, slots=True)
class AccessLine:
    """What a ``kind`` of line adds to a round trip, in ms: one's own figures, in place of the shipped."""

    kind: str
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Access:
    """The last mile, which no data centre's measurements hold: ``shares`` for everybody, but for the clients
    of the data classes in ``classes``, the first of theirs. ``included``: ids or globs of the vantages that
    stand behind such a line themselves."""

    shares: Shares = ()
    classes: tuple[tuple[str, Shares], ...] = ()
    lines: tuple[AccessLine, ...] = ()
    included: tuple[str, ...] = ()

    @property
    def adds(self) -> bool:
        """Whether anybody has a line that adds anything."""
        return bool(self.shares) or any(shares for _, shares in self.classes)


def read_access(table: Table) -> Access:
    """The access lines. Raises the table's error."""
    shares, included = _shares(table), table.texts("included", ())
    classes = tuple(_of_class(each) for each in table.tables("class"))
    lines = tuple(_line(each) for each in table.tables("line"))
    table.close()
    for key, names in (("class", [name for name, _ in classes]), ("line", [line.kind for line in lines])):
        for name in names:
            if names.count(name) > 1:
                raise table.fault(key, f"{name!r} is given {names.count(name)} times")
    if included and not shares and not classes:
        raise table.fault("included", "goes with the share of a kind of line, and none is given")
    return Access(shares, classes, lines, included)


def _shares(table: Table) -> Shares:
    given = tuple((kind, table.number(kind, 0.0, low=0, high=1)) for kind in ACCESS)
    total = math.fsum(share for _, share in given)
    if total > 1.0 + 1e-9:
        raise table.fault(ACCESS[0], f"the shares of {', '.join(ACCESS)} add up to {total:g}, more than 1")
    return tuple((kind, share) for kind, share in given if share > 0)


def _of_class(table: Table) -> tuple[str, Shares]:
    found = table.text("name"), _shares(table)
    table.close()
    return found


def _line(table: Table) -> AccessLine:
    line = AccessLine(
        kind=table.text("kind", choices=ACCESS),
        p50_ms=table.number("p50_ms", above=0, high=1e5),
        p95_ms=table.number("p95_ms", above=0, high=1e5),
    )
    table.close()
    if line.p95_ms < line.p50_ms:
        raise table.fault("p95_ms", f"{line.p95_ms:g} is less than p50_ms, {line.p50_ms:g}")
    return line
