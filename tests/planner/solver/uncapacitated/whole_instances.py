"""Small instances in whole numbers as the kernels take them, and their value counted in plain Python."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

EMPTY = 2**63 - 1
BARRED = 2**40
"""Stands for a pair that is not allowed."""


@dataclass(frozen=True)
class Whole:
    """``opening`` (n,) and ``cost`` (m, n), whole; ``status`` (n,): 1 open, -1 closed, 0 free."""

    opening: np.ndarray
    cost: np.ndarray
    status: np.ndarray
    low: int
    high: int
    price: np.ndarray
    budget: int

    @property
    def bits(self) -> int:
        return max(1, (len(self.opening) - 1).bit_length())

    @property
    def keys(self) -> np.ndarray:
        """Each client's allowed pairs, cheapest first, a cost and its site in one number."""
        m, n = self.cost.shape
        keys = np.full((m, n + 1), EMPTY, dtype=np.int64)
        for i in range(m):
            pairs = sorted(int(c) * 2**self.bits + j for j, c in enumerate(self.cost[i]) if c < BARRED)
            keys[i, : len(pairs)] = pairs
        return keys

    def value(self, choice: tuple[int, ...]) -> float:
        """What the sites in ``choice`` (n zeros and ones) cost; inf where a client has none."""
        total = sum(int(f) for f, y in zip(self.opening, choice, strict=True) if y)
        for row in self.cost:
            nearest = min((int(c) for c, y in zip(row, choice, strict=True) if y), default=BARRED)
            if nearest >= BARRED:
                return math.inf
            total += nearest
        return total

    def allows(self, choice: tuple[int, ...], *, limited: bool = True, budgeted: bool = False) -> bool:
        """Whether ``choice`` keeps what is settled and the limits asked for."""
        settled = all(s == 0 or y == (s == 1) for s, y in zip(self.status, choice, strict=True))
        within = not limited or self.low <= sum(choice) <= self.high
        spent = sum(int(b) for b, y in zip(self.price, choice, strict=True) if y)
        return settled and within and (not budgeted or spent <= self.budget)

    def choices(self, **asked: bool) -> Iterator[tuple[int, ...]]:
        """All that are allowed."""
        every = itertools.product((0, 1), repeat=len(self.opening))
        return (choice for choice in every if self.allows(choice, **asked))

    def optimum(self, **asked: bool) -> float:
        """The least value of an allowed choice, inf without one."""
        return min((self.value(choice) for choice in self.choices(**asked)), default=math.inf)


def draw(seed: int, *, settled: bool = True) -> Whole:
    """Ties in one of two, pairs barred in one of three, free and settled sites; prices from zero up."""
    random = np.random.default_rng(seed)
    m, n = int(random.integers(1, 10)), int(random.integers(1, 8))
    cost = random.choice([0, 2, 3, 9], (m, n)) if seed % 2 else random.integers(0, 60, (m, n))
    if seed % 3 == 0:
        barred = random.random((m, n)) < 0.4
        barred[np.arange(m), random.integers(n, size=m)] = False
        cost = np.where(barred, BARRED, cost)
    opening = random.choice([0, 5, 12], n) if seed % 2 else random.integers(0, 80, n)
    status = random.choice([0, 0, 0, 1, -1], n) if settled and seed % 5 < 2 else np.zeros(n)
    low = int(random.integers(0, n + 1)) if seed % 7 < 3 else 0
    high = int(random.integers(max(low, 1), n + 1)) if seed % 7 < 5 else n
    price = random.integers(0, 9, n)
    return Whole(
        opening.astype(np.int64),
        cost.astype(np.int64),
        status.astype(np.int8),
        low,
        high,
        price.astype(np.int64),
        int(random.integers(0, price.sum() + 1)),
    )
