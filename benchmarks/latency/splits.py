"""Ways of hiding a part of a table.

- *pairs*: a tenth of the unordered pairs, both directions of each.
- *site* (or *vantage*), *measured from a tenth*: of a tenth of the places, nothing is known but what a
  tenth of the others (three at least) measured to (from) them. What the others measured between each other
  is known. The rest of their columns (rows) is predicted.
- *site* (or *vantage*), *unseen*: a place and all within 50 km of it, with everything that touches them. Only
  coordinates can then tell one such place from another.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.latency.tables import SAME_METRO_KM, Mask, Table

FOLDS = 10
SPLITS = ("pairs", "site, a tenth", "vantage, a tenth", "site, unseen", "vantage, unseen")


def hide(table: Table, split: str, seed: int = 0) -> Iterator[tuple[Mask, Mask]]:
    """(what is known, what is to be predicted), fold by fold; never a place to itself."""
    known = table.known
    off = ~np.eye(len(known), dtype=bool)
    masks = {"pairs": _pairs, "site": _places, "vantage": _places}[split.split(",")[0]]
    for learn, judge in (
        _unseen(table, split.startswith("site")) if split.endswith("unseen") else masks(known, split, seed)
    ):
        yield learn & known, judge & known & off


def _pairs(known: Mask, split: str, seed: int) -> Iterator[tuple[Mask, Mask]]:
    fold = np.random.default_rng(seed).integers(0, FOLDS, known.shape)
    fold = np.triu(fold) + np.triu(fold, 1).T
    for each in range(FOLDS):
        yield fold != each, fold == each


def _places(known: Mask, split: str, seed: int) -> Iterator[tuple[Mask, Mask]]:
    """Only of places that are known well enough to be judged by."""
    size, generator = len(known), np.random.default_rng(seed)
    known = known if split.startswith("site") else known.T
    full = np.flatnonzero(known.sum(axis=0) > size / 2)
    fold = np.full(size, -1)
    fold[generator.permutation(full)] = np.arange(full.size) % FOLDS
    for each in range(FOLDS):
        held = fold == each
        learn = np.outer(~held, ~held)
        for place in np.flatnonzero(held):
            others = np.flatnonzero(~held & known[:, place])
            learn[generator.choice(others, max(3, others.size // 10), replace=False), place] = True
        judge = np.outer(~held, held) & ~learn
        yield (learn, judge) if split.startswith("site") else (learn.T, judge.T)


def _unseen(table: Table, site: bool) -> Iterator[tuple[Mask, Mask]]:
    for place in range(len(table.rtt)):
        near = table.km[place] <= SAME_METRO_KM
        judge = np.zeros(table.rtt.shape, dtype=bool)
        judge[~near, place] = True
        yield np.outer(~near, ~near), judge if site else judge.T
