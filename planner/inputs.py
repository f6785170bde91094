"""Everything a study needs, read from disk and stores [I/O]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from planner.catalog import Price, Site
from planner.demand import Demand
from planner.latency.matrix import LatencyMatrix


@dataclass(frozen=True, slots=True)
class SitePrices:
    """What one site charges. ``outpost`` racks have no per-instance price (the term pays for them).

    ``instance_hour``: the study's instance; ``egress_gb``: to the internet, first tier;
    ``parent_gb``: site to its parent Region, one way (None for a Region: it is its own parent).
    """

    instance_hour: Price | None
    egress_gb: Price
    parent_gb: Price | None


@dataclass(frozen=True, slots=True)
class Inputs:
    """Candidates (n) in the matrix's column order, clients (m) in its row order, prices per site.

    ``set_aside`` maps a site id that was a candidate by kind but cannot be planned with to the reason.
    ``hashes`` maps each input's name to its sha256. ``jurisdictions`` maps a name to its country codes.
    """

    demand: Demand
    sites: tuple[Site, ...]
    prices: tuple[SitePrices, ...]
    matrix: LatencyMatrix
    jurisdictions: Mapping[str, frozenset[str]]
    set_aside: Mapping[str, str]
    hashes: Mapping[str, str]
    notes: tuple[str, ...]
