"""What has been measured, as one statistic per vantage and site [I/O].

Two sources: the agents' stores (sampled; read with DuckDB) and the shipped published tables (already
percentiles, over a period somebody else chose).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Vantage:
    """Where a probe ran."""

    id: str
    country: str
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class PairStatistic:
    """The ``quantile`` of round-trip time from one vantage to one site, with its bounds, in milliseconds.

    ``samples`` counts probes including lost ones; -1 when the publisher does not say. Lost probes count as
    +inf in the quantile. ``direct`` is False when the asked quantile was not itself measured or published
    but derived from others (such a pair counts as modelled). ``kind`` is "sampled" (own agents) or
    "published".
    """

    vantage: Vantage
    site_id: str
    quantile: float
    rtt_ms: float
    lower_ms: float
    upper_ms: float
    samples: int
    loss_ratio: float
    kind: Literal["sampled", "published"]
    direct: bool
    source: str


@dataclass(frozen=True, slots=True)
class MeasurementReport:
    """What was read: statistics, and what was set aside with its reason."""

    statistics: tuple[PairStatistic, ...]
    rows: int
    damaged: int
    complaints: tuple[str, ...]
