"""The far hosts that gates measure: many addresses, and one server behind all of them [I/O]."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.agent.probers import Run, Target, edgeprobe
from tests.netlab import Netlab, Way
from tests.netlab.authority import Authority
from tests.netlab.servers import acceptor, web

LOWEST_MS, HIGHEST_MS = 5.0, 300.0
ONE_NAME = "all.netlab.test"


@contextlib.contextmanager
def tcp_lab(ways: Mapping[str, Way], **options: Any) -> Iterator[Netlab]:
    """Every address accepts on port 443 and keeps silent."""
    with Netlab(ways, **options) as lab, acceptor(lab, 443):
        yield lab


@dataclass(frozen=True, slots=True)
class Secure:
    """A lab where every address answers HTTP over TLS on port 443, and has a name of its own; ``authority``
    vouches for all of them, and for ONE_NAME."""

    lab: Netlab
    names: Mapping[str, str]
    authority: Path

    def edgeprobe(self, protocol: str, **options: Any) -> Run:
        """One round of every name."""
        targets: list[Target] = [(name, 443) for name in self.names]
        return edgeprobe(self.lab, targets, protocol, names=self.names, authority=self.authority, **options)


@contextlib.contextmanager
def secure_lab(ways: Mapping[str, Way], **options: Any) -> Iterator[Secure]:
    names = {f"t{number}.netlab.test": address for number, address in enumerate(ways)}
    with Netlab(ways, **options) as lab:
        authority = Authority(lab.directory / "authority")
        certificate = authority.issue("all", ["*.netlab.test"])
        with web(lab, tls={443: certificate}):
            yield Secure(lab, names, authority.certificate)
