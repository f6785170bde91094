"""x_ij = 0 where l_ij > max_ms."""

from __future__ import annotations

from planner.rules.effect import Effect, Facts


def effects(facts: Facts) -> tuple[Effect, ...]:
    """Nobody is served from farther than this, whatever the coverage; but in a failure, from a backup."""
    limit = facts.study.latency.max_ms
    if limit is None:
        return ()
    near = facts.latency_ms <= limit
    return (Effect("max_ms", f"no client above {limit:g} ms", pairs=near, of_backups=False),)
