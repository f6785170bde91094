"""Σ_{j ∈ sizes of a rack} y_j ≤ 1, for each Outpost that comes in sizes."""

from __future__ import annotations

import numpy as np

from planner.rules.effect import Effect, Facts, Row


def effects(facts: Facts) -> tuple[Effect, ...]:
    """A rack is bought in one of its sizes: they are candidates of their own, of which one at most opens."""
    found, ids = [], [site.id for site in facts.inputs.sites]
    for post in facts.study.candidates.outposts:
        mine = np.array([site_id in post.site_ids for site_id in ids], dtype=np.float64)
        if mine.sum() > 1:
            row = Row(-np.inf, 1.0, site=mine)
            found.append(Effect(f"one_size[{post.id}]", f"{post.id} in one size at most", rows=(row,)))
    return tuple(found)
