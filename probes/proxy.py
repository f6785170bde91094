"""One round trip for all sites: the mark of a proxy that answers in their place. Pure.

A transparent proxy completes every handshake itself, so all sites seem equally far. Of a real network that
cannot be: sites that are far apart are not at one distance from anybody. Only much evidence counts, so that
no real vantage is ever taken for a proxied one: many places, most of those that were measured, which light
alone tells apart by far more than the whole of them differ.

At every vantage of the published AWS matrices (``data/latency``, p50 and p90), the twelve places that look
most alike differ by more than five times what :data:`HAIR` allows; at every one of Azure's (azscout's table
of Microsoft's round trips, 2026-03, whole milliseconds), by more than 2.5 times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from probes.light import Place

PLACES: Final = 12
"""Of fewer places it is not said: eight can truly be at nearly one distance."""

MOST: Final = 0.8
"""The share of all places measured that must look alike; a few may bypass a proxy, or be on the same LAN."""

SPREAD_MS: Final = 40.0
"""By so much light to the nearest and to the farthest of them must differ: about 4,000 km of distance."""

HAIR: Final = 0.08
"""They look alike when their round trips differ by no more than this share of what light differs by."""


@dataclass(frozen=True, slots=True)
class Proxied:
    """The sites that seem equally far. ``places`` of them look alike to within ``width_ms``."""

    sites: frozenset[str]
    places: int
    width_ms: float


@dataclass(frozen=True, slots=True)
class Reached:
    """One site as a round found it: its least round trip, its place, and what light takes there and back."""

    rtt_ms: float
    place: Place
    light_ms: float


def proxied(reached: Mapping[str, Reached]) -> Proxied | None:
    """Those of the sites, by id, that a proxy answered for; None where it does not look so."""
    # Sites of one metro are one place, or two neighbours would count as evidence.
    nearest: dict[Place, Reached] = {}
    for site in reached.values():
        if site.place not in nearest or site.rtt_ms < nearest[site.place].rtt_ms:
            nearest[site.place] = site
    places = sorted(nearest.values(), key=lambda site: site.rtt_ms)
    window = _narrowest(places, max(PLACES, math.ceil(MOST * len(places))))
    if window is None:
        return None
    lights = [site.light_ms for site in window]
    spread_ms = max(lights) - min(lights)
    hair_ms = HAIR * spread_ms
    first_ms, last_ms = window[0].rtt_ms, window[-1].rtt_ms
    if spread_ms < SPREAD_MS or last_ms - first_ms > hair_ms:
        return None
    # What is a hair off the others was answered by the same proxy, in a moment when it was slower.
    alike = frozenset(
        name for name, site in reached.items() if first_ms - hair_ms <= site.rtt_ms <= last_ms + hair_ms
    )
    return Proxied(alike, len(window), last_ms - first_ms)


def _narrowest(ordered: Sequence[Reached], count: int) -> Sequence[Reached] | None:
    """The ``count`` neighbours of an ordered sequence that differ least; None when there are not so many."""
    if len(ordered) < count:
        return None
    first = min(
        range(len(ordered) - count + 1),
        key=lambda start: ordered[start + count - 1].rtt_ms - ordered[start].rtt_ms,
    )
    return ordered[first : first + count]
