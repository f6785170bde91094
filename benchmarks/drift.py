"""False alarms and delay of the drift test, for several shapes of noise, beside a CUSUM on means.

    python -m benchmarks.drift [--checks 1000] [--pairs 30] [--steps 200] [--step 0.15] [--workers 2]

One check looks at ``--pairs`` pairs of vantage and site: a week of rounds that the plan was made from, every
quarter of an hour, and a day of rounds since, five samples each. *False alarms*: checks in which any pair is
found changed although none is, with the Clopper-Pearson 95 % bounds of that share; the goal is 1 % at most.
*Delay*: one pair steps up by ``--step`` at a time of its own and is looked at after every round; how many
rounds after the step it is found, at the level that the whole check leaves the first of its pairs, and how
often within 30. ``--look-at`` says of how many pairs that check is.

The peer is what monitoring does: a two-sided CUSUM (Page, 1954; k = 0.5 sigma) on the round means of what was
answered, standardised by the week's mean and deviation. Its bound h is the one that Siegmund's formula
for normal, independent means (1985) gives for 1 % over the same pairs and rounds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betaincinv

sys.path.insert(0, str(Path(__file__).parent.parent))

from planner.drift.change import FALSE_ALARM, Series, find_step, significant

Array = NDArray[np.float64]
Shape = Callable[[np.random.Generator, int], Array]

PER_DAY, DAYS, SAMPLES, BASE_MS, QUANTILE = 96, 7, 5, 40.0, 0.95
REFERENCE, RECENT = DAYS * PER_DAY, PER_DAY
START = np.datetime64("2026-03-02T00:00:00", "us")
WITHIN = 30


def _hours(rounds: int) -> Array:
    return 2 * np.pi * np.arange(rounds)[:, None] / PER_DAY


def _independent(rng: np.random.Generator, rounds: int, deviation: float) -> Array:
    return np.exp(deviation * rng.standard_normal((rounds, SAMPLES)))


def _one_round_alike(rng: np.random.Generator, rounds: int, deviation: float) -> Array:
    """The samples of one round share most of their noise."""
    shared = rng.standard_normal((rounds, 1))
    return np.exp(deviation * (0.9 * shared + 0.44 * rng.standard_normal((rounds, SAMPLES))))


def _heavy(rng: np.random.Generator, rounds: int) -> Array:
    """Queueing now and then, with a tail that has no variance."""
    return 1.0 + 0.05 * rng.pareto(1.3, (rounds, SAMPLES))


def _diurnal(rng: np.random.Generator, rounds: int) -> Array:
    course = 1.0 + 0.2 * np.sin(_hours(rounds))
    return course * np.exp(0.03 * course * rng.standard_normal((rounds, SAMPLES)))


def _sluggish(rng: np.random.Generator, rounds: int) -> Array:
    """From round to round half of the deviation stays."""
    level, noise = np.zeros(rounds), rng.standard_normal(rounds)
    for at in range(rounds):
        level[at] = 0.5 * level[at - 1] + 0.866 * noise[at]
    return np.exp(0.05 * (level[:, None] + 0.5 * rng.standard_normal((rounds, SAMPLES))))


def _lossy(rng: np.random.Generator, rounds: int) -> Array:
    delays = np.exp(0.05 * rng.standard_normal((rounds, SAMPLES)))
    return np.where(rng.random((rounds, SAMPLES)) < 0.05, np.inf, delays)


def _two_routes(rng: np.random.Generator, rounds: int) -> Array:
    """Each round takes one of two routes, 12 % apart."""
    route = np.where(rng.random((rounds, 1)) < 0.5, 1.0, 1.12)
    return route * np.exp(0.02 * rng.standard_normal((rounds, SAMPLES)))


def _worst(rng: np.random.Generator, rounds: int) -> Array:
    """Daily course, alike within rounds, a tail without variance and losses, all at once."""
    delays = _diurnal(rng, rounds) * _one_round_alike(rng, rounds, 0.04) + 0.03 * rng.pareto(
        1.3, (rounds, SAMPLES)
    )
    return np.where(rng.random((rounds, SAMPLES)) < 0.02, np.inf, delays)


SHAPES: dict[str, Shape] = {
    "normal, 3 %": partial(_independent, deviation=0.03),
    "normal, 10 %": partial(_independent, deviation=0.10),
    "normal, 20 %": partial(_independent, deviation=0.20),
    "rounds alike, 5 %": partial(_one_round_alike, deviation=0.05),
    "rounds alike, 10 %": partial(_one_round_alike, deviation=0.10),
    "no variance (Pareto 1.3)": _heavy,
    "daily course of ±20 %": _diurnal,
    "5 % lost": _lossy,
    "two routes, 12 % apart": _two_routes,
    "course, alike, tail, losses": _worst,
    "autocorrelated rounds (0.5)": _sluggish,
}


def series(samples: Array, first: int = 0) -> Series:
    """Median and quantile of each round, as ``edgeplan check`` takes them; round ``first`` is the first."""
    ordered = np.sort(samples, axis=1)
    picked = [int(np.ceil(q * SAMPLES - 1e-9)) - 1 for q in (0.5, QUANTILE)]
    at = START + (first + np.arange(len(samples))) * np.timedelta64(86_400_000_000 // PER_DAY, "us")
    return Series(at, BASE_MS * ordered[:, picked].T)


def means(samples: Array) -> Array:
    """Of what was answered in each round; a round without an answer is left out of the peer's sums."""
    answered = np.isfinite(samples)
    total = np.where(answered, samples, 0.0).sum(axis=1)
    return np.divide(
        total, answered.sum(axis=1), out=np.full(len(samples), np.nan), where=answered.any(axis=1)
    )


def cusum(reference: Array, recent: Array) -> Array:
    """The larger of both one-sided sums after each recent round."""
    past, up, down, found = means(reference), 0.0, 0.0, []
    centre, deviation = np.nanmean(past), np.nanstd(past)
    for score in (means(recent) - centre) / deviation:
        if np.isfinite(score):
            up, down = max(0.0, up + score - 0.5), max(0.0, down - score - 0.5)
        found.append(max(up, down))
    return np.array(found)


def cusum_bound(pairs: int) -> float:
    """h for a false alarm in 1 % of checks of so many pairs, by Siegmund's average run length."""
    wanted = 2 * pairs * RECENT / FALSE_ALARM
    return float(brentq(lambda h: 2 * (np.exp(h + 1.166) - h - 2.166) - wanted, 0.0, 60.0))


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one shape: checks with a false alarm, ours and the peer's, and delays in rounds, inf for never."""

    ours: int
    peer: int
    delays: tuple[float, ...]
    peer_delays: tuple[float, ...]


def judge(name: str, checks: int, pairs: int, steps: int, step: float, look_at: int) -> Outcome:
    """Simulate one shape of noise; its own seed, so that shapes may run side by side."""
    rng, draw = np.random.default_rng([2026, *name.encode()]), SHAPES[name]
    bound, ours, peer = cusum_bound(pairs), 0, 0
    for _ in range(checks):
        values, over = [], False
        for _ in range(pairs):
            drawn = draw(rng, REFERENCE + RECENT)
            found = find_step(series(drawn[:REFERENCE]), series(drawn[REFERENCE:], REFERENCE))
            values.append(1.0 if found is None else found.p_value)
            over |= bool(cusum(drawn[:REFERENCE], drawn[REFERENCE:]).max() > bound)
        ours += any(significant(values))
        peer += over
    delays, peer_delays, bound = [], [], cusum_bound(look_at)
    for _ in range(steps):
        begin = int(rng.integers(0, PER_DAY - WITHIN - 10))
        drawn = draw(rng, REFERENCE + begin + WITHIN + 10)
        drawn[REFERENCE + begin :] *= 1.0 + step
        reference, recent = series(drawn[:REFERENCE]), series(drawn[REFERENCE:], REFERENCE)
        found_at = (
            rounds - begin
            for rounds in range(begin + 1, len(recent.at) + 1)
            if (found := find_step(reference, recent.part(slice(0, rounds)))) is not None
            and found.up
            and found.p_value <= FALSE_ALARM / look_at
        )
        delays.append(float(next(found_at, np.inf)))
        above = np.flatnonzero(cusum(drawn[:REFERENCE], drawn[REFERENCE:])[begin:] > bound)
        peer_delays.append(float(above[0] + 1) if len(above) else np.inf)
    return Outcome(ours, peer, tuple(delays), tuple(peer_delays))


def bounds(count: int, of: int) -> str:
    """A share with its Clopper-Pearson 95 % bounds, in percent."""
    low = 0.0 if count == 0 else float(betaincinv(count, of - count + 1, 0.025))
    high = 1.0 if count == of else float(betaincinv(count + 1, of - count, 0.975))
    return f"{100 * count / of:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def in_words(delays: Sequence[float]) -> str:
    """Median and nine in ten, and how many within 30 rounds."""
    ordered = sorted(delays)
    middle, late = (ordered[int(np.ceil(q * len(ordered))) - 1] for q in (0.5, 0.9))
    within = sum(delay <= WITHIN for delay in delays) / len(delays)
    said = ["never" if np.isinf(each) else f"{each:.0f}" for each in (middle, late)]
    return f"{said[0]} / {said[1]} / {100 * within:.0f} %"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checks", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--step", type=float, default=0.15)
    parser.add_argument("--look-at", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shape", choices=SHAPES, action="append")
    given = parser.parse_args()
    names = given.shape or list(SHAPES)
    print(
        f"False alarms: of {given.checks} checks of {given.pairs} pairs each. Delay of a step of"
        f" {100 * given.step:g} %: median / nine in ten, in rounds, and how many of {given.steps} within"
        f" {WITHIN}, in a check of {given.look_at} pairs.\n"
    )
    print("| noise | false alarms | CUSUM's | delay | CUSUM's |\n| --- | --- | --- | --- | --- |")
    work = partial(
        judge,
        checks=given.checks,
        pairs=given.pairs,
        steps=given.steps,
        step=given.step,
        look_at=given.look_at,
    )
    with ProcessPoolExecutor(given.workers) as pool:
        for name, found in zip(names, pool.map(work, names), strict=True):
            alarms = f"{bounds(found.ours, given.checks)} | {bounds(found.peer, given.checks)}"
            print(
                f"| {name} | {alarms} | {in_words(found.delays)} | {in_words(found.peer_delays)} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
