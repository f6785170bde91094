"""How often the 95 % bounds of a quantile hold, on series whose true quantile is known.

    python benchmarks/bounds.py [--series 400] [--rounds 300] [--seed 1]

Prints one table: for each kind of series and quantile, how often the bounds hold that take samples for
independent; those of a moving-block bootstrap of rounds (Künsch 1989; blocks of a sixteenth of the series,
percentile intervals), which shares nothing with ours but the data; ours; and the middle 95 % of what a plan's
certainty draws (``planner/latency/resampled.py``). Then how many samples the samples are worth, and how wide
ours and the draws' middle are over the bootstrap's.

The series: rounds of five samples; *AR(1)* has half of its variance in an autoregression over rounds (φ),
on a lognormal scale; *two routes* stays on either for some rounds, 70 % of all on the shorter, 50 ms and
65 ms with noise of 1 ms; *by day* is a sine of the day, ten rounds an hour, which no batch can tell from
chance: bounds then hold too often. ``memory`` is the integrated autocorrelation time of round means, in
rounds. Exits 1 when, of series at least 20 times as long as their memory, ours hold for fewer than 93 % or
more than 99 %, by more than twice the standard error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.signal import lfilter
from scipy.special import ndtr, ndtri

from planner.latency.effective import bounded_quantile
from planner.latency.resampled import DEVIATES
from planner.latency.statistics import quantile_ranks

SAMPLES, RESAMPLED, BLOCKS = 5, 200, 16
LEAST, MOST, LONG_ENOUGH = 0.93, 0.99, 20.0
LOW = int(np.flatnonzero(DEVIATES == -1.96)[0])


@dataclass(frozen=True, slots=True)
class Kind:
    """``make`` (rng, rounds) gives round trips (rounds, 5); ``quantile`` is the true one; ``memory`` in
    rounds."""

    name: str
    make: Callable[[np.random.Generator, int], NDArray[np.float64]]
    quantile: Callable[[float], float]
    memory: float


def autoregressive(rng: np.random.Generator, rounds: int, phi: float) -> NDArray[np.float64]:
    shocks = rng.normal(size=rounds + 400)
    path = lfilter([np.sqrt(1.0 - phi**2)], [1.0, -phi], shocks)[400:]
    return np.exp(4.0 + 0.2 * (path[:, None] + rng.normal(size=(rounds, SAMPLES))) / np.sqrt(2.0))


def two_routes(rng: np.random.Generator, rounds: int, stay: float) -> NDArray[np.float64]:
    leave = (0.3 / 0.7 / stay, 1.0 / stay)
    longer, at = np.empty(rounds), int(rng.random() < 0.3)
    for number, dice in enumerate(rng.random(rounds)):
        at = 1 - at if dice < leave[at] else at
        longer[number] = at
    return 50.0 + 15.0 * longer[:, None] + rng.normal(size=(rounds, SAMPLES))


def by_day(rng: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    phase = rng.random() + np.arange(rounds) / 240.0
    return 50.0 + 5.0 * np.sin(2.0 * np.pi * phase)[:, None] + rng.exponential(2.0, size=(rounds, SAMPLES))


def _routes_quantile(share: float) -> float:
    return float(brentq(lambda x: 0.7 * ndtr(x - 50.0) + 0.3 * ndtr(x - 65.0) - share, 30.0, 90.0))


def _day_quantile(share: float) -> float:
    level = 50.0 + 5.0 * np.sin(2.0 * np.pi * (np.arange(4000) + 0.5) / 4000)
    below = lambda x: float(np.mean(-np.expm1(-np.maximum(x - level, 0.0) / 2.0)))  # noqa: E731
    return float(brentq(lambda x: below(x) - share, 40.0, 120.0))


def kinds() -> list[Kind]:
    """Memory of AR(1): (1 + φ) / (1 - φ); of two routes: 2 · 0.7 · stay, less one round."""
    autoregressions = [
        Kind(
            f"AR(1), φ = {phi:g}",
            partial(autoregressive, phi=phi),
            lambda share: float(np.exp(4.0 + 0.2 * ndtri(share))),
            (1.0 + phi) / (1.0 - phi),
        )
        for phi in (0.0, 0.5, 0.8, 0.9)
    ]
    routes = [
        Kind(
            f"two routes, {stay:g} rounds", partial(two_routes, stay=stay), _routes_quantile, 1.4 * stay - 1.0
        )
        for stay in (5.0, 10.0, 20.0)
    ]
    return [*autoregressions, *routes, Kind("by day", by_day, _day_quantile, np.inf)]


def bootstrap(rng: np.random.Generator, rtt: NDArray[np.float64], quantile: float) -> tuple[float, float]:
    """The 95 % percentile interval of the quantile, blocks of consecutive rounds drawn anew."""
    rounds = len(rtt)
    length = max(rounds // BLOCKS, 1)
    starts = rng.integers(0, rounds - length + 1, size=(RESAMPLED, -(-rounds // length)))
    drawn = (starts[:, :, None] + np.arange(length)).reshape(RESAMPLED, -1)[:, :rounds]
    rank = int(quantile_ranks(rtt.size, quantile).estimate) - 1
    values = np.partition(rtt[drawn].reshape(RESAMPLED, -1), rank, axis=1)[:, rank]
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def main() -> int:
    """Print the table; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--series", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(f"{given.series} series of {given.rounds} rounds of {SAMPLES} samples each; 95 % is promised.\n")
    print(
        "| series | memory | quantile | independent | block bootstrap | ours | drawn | worth"
        " | width over bootstrap | drawn |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    missed = False
    for kind in kinds():
        for quantile in (0.5, 0.95):
            rng, true = np.random.default_rng(given.seed), kind.quantile(quantile)
            rounds = np.repeat(np.arange(given.rounds), SAMPLES)
            held = np.zeros(4)
            worth, width, middle = [], [], []
            for _ in range(given.series):
                rtt = kind.make(rng, given.rounds)
                ours = bounded_quantile(rtt.ravel(), rounds, quantile)
                ranks, ordered = quantile_ranks(rtt.size, quantile), np.sort(rtt.ravel())
                plain = (ordered[int(ranks.lower) - 1], ordered[int(ranks.upper) - 1])
                drawn = bootstrap(rng, rtt, quantile)
                again = ours.drawn_ms[LOW], ours.drawn_ms[-1 - LOW]
                again = np.nan_to_num(again[0], nan=0.0), np.nan_to_num(again[1], nan=np.inf, posinf=np.inf)
                pairs = (plain, drawn, (ours.lower_ms, ours.upper_ms), again)
                held += [low <= true <= high for low, high in pairs]
                worth.append(ours.effective)
                width.append((ours.upper_ms - ours.lower_ms) / (drawn[1] - drawn[0]))
                middle.append((again[1] - again[0]) / (drawn[1] - drawn[0]))
            held /= given.series
            if given.rounds >= LONG_ENOUGH * kind.memory:
                error = 2.0 * np.sqrt(
                    np.array([LEAST, MOST]) * (1.0 - np.array([LEAST, MOST])) / given.series
                )
                missed |= bool(held[2] < LEAST - error[0] or held[2] > MOST + error[1])
            print(
                f"| {kind.name} | {kind.memory:.0f} | p{quantile * 100:g} | {held[0]:.1%} | {held[1]:.1%} |"
                f" {held[2]:.1%} | {held[3]:.1%} | {np.median(worth):.0f} of {rounds.size}"
                f" | {np.median(width):.2f} | {np.median(middle):.2f} |",
                flush=True,
            )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
