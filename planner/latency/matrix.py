"""The client × site latency matrix: what is measured, what is modelled, and how far each may be off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Provenance = Literal["absent", "modelled", "measured"]
PROVENANCES: Final[tuple[Provenance, ...]] = ("absent", "modelled", "measured")
ABSENT, MODELLED, MEASURED = range(3)
"""Codes in :attr:`LatencyMatrix.provenance`, indices into :data:`PROVENANCES`."""


@dataclass(frozen=True, slots=True)
class LatencyMatrix:
    """Round-trip times, clients (m) by sites (n), in milliseconds. Arrays are read-only.

    ``estimate_ms``, ``lower_ms``, ``upper_ms``: float64 (m, n); inf where absent (or where more than the
    asked share of probes was lost). ``samples``: int64 (m, n), 0 where modelled; a published statistic of
    unknown sample count has -1. ``loss_ratio``: float64 (m, n), nan where nothing was sampled (RFC 6673).
    ``provenance``: int8 (m, n), codes above. ``vantage``: int32 (m, n), index into ``vantages`` of the one
    that speaks for the pair, -1 where modelled.
    """

    client_ids: tuple[str, ...]
    site_ids: tuple[str, ...]
    vantages: tuple[str, ...]
    quantile: float
    estimate_ms: NDArray[np.float64]
    lower_ms: NDArray[np.float64]
    upper_ms: NDArray[np.float64]
    samples: NDArray[np.int64]
    loss_ratio: NDArray[np.float64]
    provenance: NDArray[np.int8]
    vantage: NDArray[np.int32]

    def planning_ms(self, bound: Literal["estimate", "upper"]) -> NDArray[np.float64]:
        """The number a study plans with."""
        return self.estimate_ms if bound == "estimate" else self.upper_ms
