"""The line between an Outpost and its parent Region, as an agent on the rack's premises saw it. Pure.

An Outpost lives on its service link: AWS asks for a round trip of at most 175 ms (AWS Outposts User Guide,
network readiness; read 2026).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from probes.record import Measurement, is_loss
from probes.series import quantile

LIMIT_MS: Final = 175.0
"""The longest round trip AWS asks for."""

# Whose round trip stands for the link, best first, as in the planner. A dns row times a resolver.
_PROTOCOLS: Final = ("tcp", "icmp", "tls", "http")


@dataclass(frozen=True, slots=True)
class ServiceLink:
    """What one round says of the link to the Region ``parent``.

    ``protocol`` is whose round trips these are; None where no sample speaks of the link, and ``p95_ms`` is
    then None as well. A lost sample counts as infinitely late: ``p95_ms`` is inf where more than one in
    twenty was lost.
    """

    parent: str
    protocol: str | None
    sent: int
    lost: int
    p95_ms: float | None

    @property
    def loss_ratio(self) -> float | None:
        """Lost of sent (RFC 6673); None where nothing was sent."""
        return self.lost / self.sent if self.sent else None

    @property
    def sound(self) -> bool | None:
        """Whether p95 is within what AWS asks for; None where nothing is known."""
        return None if self.p95_ms is None else self.p95_ms <= LIMIT_MS

    def in_words(self) -> str:
        """One line for a person.

        >>> ServiceLink("eu-south-2", "tcp", 10, 0, 212.4).in_words()
        'service link to eu-south-2: p95 212 ms, above the 175 ms AWS asks for'
        """
        name = f"service link to {self.parent}"
        if self.p95_ms is None:
            return f"{name}: not measured in this round"
        lost = f", {self.lost} of {self.sent} lost" if self.lost else ""
        if math.isinf(self.p95_ms):
            words = f"{self.lost} of {self.sent} lost, so p95 is not within"
            return f"{name}: {words} the {LIMIT_MS:g} ms AWS asks for"
        verdict = "within" if self.sound else "above"
        digits = 2 if abs(self.p95_ms - LIMIT_MS) < 1 else 1 if self.p95_ms < 10 else 0
        return f"{name}: p95 {self.p95_ms:.{digits}f} ms{lost}, {verdict} the {LIMIT_MS:g} ms AWS asks for"


def service_link(rows: Iterable[Measurement], parent: str) -> ServiceLink:
    """What the rows of a round, as judged, say of the link to the site ``parent``."""
    series: dict[str, list[float]] = {}
    for row in rows:
        if row.site != parent or row.protocol not in _PROTOCOLS:
            continue
        if row.failure is not None and not is_loss(row):
            continue
        lost = row.failure is not None or row.rtt_ms is None
        series.setdefault(row.protocol, []).append(math.inf if lost else row.rtt_ms or 0.0)
    protocol = next((name for name in _PROTOCOLS if name in series), None)
    if protocol is None:
        return ServiceLink(parent, None, 0, 0, None)
    times = series[protocol]
    return ServiceLink(parent, protocol, len(times), times.count(math.inf), quantile(times, 0.95))
