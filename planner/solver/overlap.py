"""Rules that overlap: what one forbids another forbids as well, so that dropping one alone saves little.

A row a is implied by a row b with the same coefficients of clients: for y ≥ 0,
pair·x + a·y = (pair·x + b·y) − (b − a)·y ≤ high_b where a ≤ b, and likewise from below.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.rules import Effect
from planner.rules.effect import Row


def also_held_by(problem: Problem, effect: Effect) -> tuple[str, ...]:
    """The other rules that each hold all that ``effect`` forbids of pairs and sites, or one of its rows."""
    return tuple(
        other.rule
        for other in problem.effects
        if other.rule != effect.rule and (_forbids(effect, other) or _implies(effect, other))
    )


def _forbids(effect: Effect, other: Effect) -> bool:
    """Whether ``effect`` forbids some sites or pairs, and ``other`` every one of them."""
    mine, theirs = _allowed(effect), _allowed(other)
    if mine is None or theirs is None or bool(mine.all()):
        return False
    binds_as_much = other.of_backups or not effect.of_backups
    return binds_as_much and not bool((theirs & ~mine).any())


def _allowed(effect: Effect) -> NDArray[np.bool_] | None:
    """(1, n) or (m, n) where clients may be served, as far as the masks say; None without one."""
    if effect.sites is None:
        return effect.pairs
    return effect.sites[None, :] if effect.pairs is None else effect.pairs & effect.sites


def _implies(effect: Effect, other: Effect) -> bool:
    return any(_implied(mine, theirs) for mine in effect.rows for theirs in other.rows)


def _implied(mine: Row, theirs: Row) -> bool:
    """Whether whatever keeps ``theirs`` keeps ``mine``. Not of rows about money, which falls with volume."""
    if mine.pair is None or theirs.pair is None or mine.volume or theirs.volume:
        return False
    if mine.pair.shape != theirs.pair.shape or not np.array_equal(mine.pair, theirs.pair):
        return False
    if mine.instance is not None or theirs.instance is not None:
        return False
    zero = np.zeros(mine.pair.shape[-1])
    more = (zero if theirs.site is None else theirs.site) - (zero if mine.site is None else mine.site)
    above = np.isinf(mine.high) or (theirs.high <= mine.high and bool((more >= 0).all()))
    below = np.isinf(mine.low) or (theirs.low >= mine.low and bool((more <= 0).all()))
    return bool(above and below)
