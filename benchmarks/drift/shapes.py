"""Shapes of noise: what the rounds of a check's pairs look like while nothing changes.

A shape draws the delays of ``vantages`` x ``sites`` pairs over some rounds, as (vantages, sites, rounds,
samples), 1 in the middle. In most each pair is on its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Shape = Callable[[np.random.Generator, tuple[int, int, int]], Array]

PER_DAY: Final = 96
SAMPLES: Final = 5


def _course(size: tuple[int, int, int]) -> Array:
    return np.asarray(1.0 + 0.2 * np.sin(2 * np.pi * np.arange(size[2])[:, None] / PER_DAY))


def _independent(rng: np.random.Generator, size: tuple[int, int, int], deviation: float) -> Array:
    return np.exp(deviation * rng.standard_normal((*size, SAMPLES)))


def _one_round_alike(rng: np.random.Generator, size: tuple[int, int, int], deviation: float) -> Array:
    """The samples of one round share most of their noise."""
    shared = rng.standard_normal((*size, 1))
    return np.exp(deviation * (0.9 * shared + 0.44 * rng.standard_normal((*size, SAMPLES))))


def _heavy(rng: np.random.Generator, size: tuple[int, int, int]) -> Array:
    """Queueing now and then, with a tail that has no variance."""
    return 1.0 + 0.05 * rng.pareto(1.3, (*size, SAMPLES))


def _diurnal(rng: np.random.Generator, size: tuple[int, int, int]) -> Array:
    course = _course(size)
    return np.asarray(course * np.exp(0.03 * course * rng.standard_normal((*size, SAMPLES))))


def _sluggish(rng: np.random.Generator, size: tuple[int, int, int], kept: float = 0.5) -> Array:
    """From round to round so much of the deviation stays."""
    level = rng.standard_normal(size)
    for at in range(1, size[2]):
        level[..., at] = kept * level[..., at - 1] + np.sqrt(1.0 - kept**2) * level[..., at]
    return np.exp(0.05 * (level[..., None] + 0.5 * rng.standard_normal((*size, SAMPLES))))


def _lossy(rng: np.random.Generator, size: tuple[int, int, int]) -> Array:
    delays = np.exp(0.05 * rng.standard_normal((*size, SAMPLES)))
    return np.where(rng.random((*size, SAMPLES)) < 0.05, np.inf, delays)


def _rounds_lost(rng: np.random.Generator, size: tuple[int, int, int]) -> Array:
    """One round in a hundred loses every probe, and the rest hardly vary: ties but for the rare."""
    delays = np.round(1.0 + 0.002 * rng.standard_normal((*size, SAMPLES)), 2)
    return np.where(rng.random((*size, 1)) < 0.01, np.inf, delays)


def _two_routes(rng: np.random.Generator, size: tuple[int, int, int]) -> Array:
    """Each round takes one of two routes, 12 % apart."""
    route = np.where(rng.random((*size, 1)) < 0.5, 1.0, 1.12)
    return np.asarray(route * np.exp(0.02 * rng.standard_normal((*size, SAMPLES))))


def _worst(rng: np.random.Generator, size: tuple[int, int, int]) -> Array:
    """Daily course, alike within rounds, a tail without variance and losses, all at once."""
    delays = _diurnal(rng, size) * _one_round_alike(rng, size, 0.04)
    delays = delays + 0.03 * rng.pareto(1.3, (*size, SAMPLES))
    return np.where(rng.random((*size, SAMPLES)) < 0.02, np.inf, delays)


def _days(rng: np.random.Generator, size: tuple[int, int, int], stray: float, by: str) -> Array:
    """Rounds differ by 5 %, and whole days by a part of that: each pair's, or each vantage's."""
    vantages, sites, rounds = size
    level = rng.standard_normal((vantages, sites if by == "pair" else 1, rounds // PER_DAY + 1))
    of_day = np.repeat(level, PER_DAY, axis=2)[:, :, :rounds]
    return np.exp(0.05 * (rng.standard_normal(size) + stray * of_day))[..., None] * np.exp(
        0.01 * rng.standard_normal((*size, SAMPLES))
    )


def _sites_together(rng: np.random.Generator, size: tuple[int, int, int]) -> Array:
    """All vantages see most of what a round of a site is."""
    shared = rng.standard_normal((1, *size[1:], 1))
    return np.exp(0.05 * (0.8 * shared + 0.6 * rng.standard_normal((*size, SAMPLES))))


SHAPES: Final[dict[str, Shape]] = {
    "normal, 3 %": partial(_independent, deviation=0.03),
    "normal, 10 %": partial(_independent, deviation=0.10),
    "normal, 20 %": partial(_independent, deviation=0.20),
    "rounds alike, 5 %": partial(_one_round_alike, deviation=0.05),
    "rounds alike, 10 %": partial(_one_round_alike, deviation=0.10),
    "no variance (Pareto 1.3)": _heavy,
    "daily course of ±20 %": _diurnal,
    "5 % lost": _lossy,
    "1 % of rounds lost, else alike": _rounds_lost,
    "two routes, 12 % apart": _two_routes,
    "course, alike, tail, losses": _worst,
    "autocorrelated rounds (0.5)": _sluggish,
    "autocorrelated rounds (0.8)": partial(_sluggish, kept=0.8),
    "a site's pairs stray together": _sites_together,
    "a pair's days differ by 0.3": partial(_days, stray=0.3, by="pair"),
    "a vantage's days differ by 0.3": partial(_days, stray=0.3, by="vantage"),
}
