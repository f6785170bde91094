"""Everything a study needs, read from disk and stores [I/O]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from planner.catalog import Site, SitePrices
from planner.demand import Demand
from planner.latency.matrix import LatencyMatrix


@dataclass(frozen=True, slots=True)
class Inputs:
    """Candidates (n) in the matrix's column order, clients (m) in its row order, prices per site.

    ``set_aside`` maps a site id that was a candidate by kind but cannot be planned with to the reason.
    ``hashes`` maps each input's name to its sha256. ``jurisdictions`` maps a name to its country codes.
    ``parent_country`` maps a zone's or rack's id to the country of its parent Region, whether or not that
    Region is a candidate itself; a Region has no entry.
    """

    demand: Demand
    sites: tuple[Site, ...]
    prices: tuple[SitePrices, ...]
    matrix: LatencyMatrix
    jurisdictions: Mapping[str, frozenset[str]]
    parent_country: Mapping[str, str]
    set_aside: Mapping[str, str]
    hashes: Mapping[str, str]
    notes: tuple[str, ...]
