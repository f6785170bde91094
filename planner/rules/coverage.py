"""Σ_i s_i Σ_{j: l_ij ≤ slo_ms} x_ij ≥ coverage."""

from __future__ import annotations

import numpy as np

from planner.rules.effect import Effect, Facts, Row
from planner.wording import percent


def effects(facts: Facts) -> tuple[Effect, ...]:
    """The latency SLO: this share of demand is served within it."""
    promise = facts.study.latency
    if promise.slo_ms is None:
        return ()
    within = (facts.latency_ms <= promise.slo_ms).astype(np.float64)
    words = f"{percent(promise.coverage)} of demand within {promise.slo_ms:g} ms ({promise.statistic})"
    return (Effect("coverage", words, rows=(Row(promise.coverage, np.inf, pair=within),)),)
