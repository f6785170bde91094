"""False alarms and delay of the drift test, for several shapes of noise, beside a CUSUM on means.

    python -m benchmarks.drift [--checks 400] [--steps 200] [--step 0.15] [--workers 2]

One check looks at pairs of some vantages and sites: a week of rounds that the plan was made from, every
quarter of an hour, and a day of rounds since, five samples each. *False alarms*: checks in which any pair or
site is found changed although none is, with the Clopper-Pearson 95 % bounds of that share; the goal is 1 % at
most. *Delay*: one pair, or every pair of one site, steps up by ``--step`` at a time of its own and is looked
at after every round; how many rounds (of each vantage) after the step the check finds it, were it one of
``--look-at`` pairs, and how often within 30.

The peer is what monitoring does: a two-sided CUSUM (Page, 1954; k = 0.5 sigma) on the round means of what was
answered, standardised by the week's mean and deviation. Its bound h is the one that Siegmund's formula
for normal, independent means (1985) gives for 1 % over the same pairs and rounds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaincinv

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.drift.shapes import PER_DAY, SHAPES, Array
from planner.drift.change import find_steps, priors_of, spreads_of, step_of
from planner.drift.families import FALSE_ALARM, fallen, site_p_value
from planner.drift.placements import Comparison, Reference, compared, joined
from planner.drift.series import Series, series_of
from planner.drift.spread import Prior

DAYS, BASE_MS, QUANTILE = 7, 40.0, 0.95
REFERENCE, RECENT = DAYS * PER_DAY, PER_DAY
START = np.datetime64("2026-03-02T00:00:00", "us")
EVERY = np.timedelta64(86_400_000_000 // PER_DAY, "us")
ORIGIN = START + REFERENCE * EVERY
WITHIN, AFTER, VANTAGES = 30, 40, 4


def series(samples: Array, first: int = 0) -> Series:
    """The rounds (k, samples) of one pair; ``first`` is the number of the first."""
    rounds, size = samples.shape
    at = START + (first + np.arange(rounds)) * EVERY
    return series_of(
        np.repeat(at, size), np.repeat(np.arange(rounds), size), BASE_MS * samples.ravel(), QUANTILE
    )


def reference(samples: Array) -> Reference:
    """Of one pair's rounds, the reference first."""
    found = Reference.of(series(samples[:REFERENCE]))
    assert found is not None
    return found


def comparison(samples: Array) -> Comparison:
    """Of one pair's rounds, the reference first and six recent ones or more after it."""
    found = compared(reference(samples), series(samples[REFERENCE:], REFERENCE))
    assert found is not None
    return found


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
    """Of one shape: checks with a false alarm, ours and the peer's, and delays in rounds, inf for never, of
    a pair, of a site, and of the peer's at that pair."""

    ours: int
    peer: int
    pair: tuple[float, ...]
    site: tuple[float, ...]
    peer_delays: tuple[float, ...]


def false_alarm(drawn: Array) -> bool:
    """Whether a whole check of (vantages, sites, rounds, samples) finds anything."""
    vantages, sites = drawn.shape[:2]
    keys = [(f"v{v}", f"s{s}") for v in range(vantages) for s in range(sites)]
    pairs = {(v, s): comparison(drawn[int(v[1:]), int(s[1:])]) for v, s in keys}
    alone = find_steps(list(pairs.values()), ORIGIN)
    of_site = {f"s{s}": joined([pairs[f"v{v}", f"s{s}"] for v in range(vantages)]) for s in range(sites)}
    whole = find_steps(list(of_site.values()), ORIGIN)
    found = fallen(
        {key: step.p_value for key, step in zip(pairs, alone, strict=True)},
        {site: step.p_value for site, step in zip(of_site, whole, strict=True)},
    )
    return bool(found.pairs or found.sites)


@dataclass(frozen=True, slots=True)
class Rest:
    """What the rest of a large check, nothing of which changes, says of days: to its pairs and to its sites,
    by figure."""

    pairs: tuple[Prior, ...]
    sites: tuple[Prior, ...]


def rest(drawn: Array) -> Rest:
    """``drawn``: of (vantages, sites, rounds, samples)."""
    pairs = [[comparison(each) for each in of_site] for of_site in drawn.swapaxes(0, 1)]
    return Rest(
        priors_of(spreads_of([pair for of_site in pairs for pair in of_site], ORIGIN)),
        priors_of(spreads_of([joined(of_site) for of_site in pairs], ORIGIN)),
    )


def delays(drawn: Array, begin: int, look_at: int, others: Rest) -> tuple[float, float]:
    """Rounds until the first pair of a site, were it the only one that steps, is found by itself, and until
    the site is, all of whose pairs step. ``drawn``: of (vantages, rounds, samples), with the steps."""
    past = [reference(each) for each in drawn]
    recent = [series(each[REFERENCE:], REFERENCE) for each in drawn]
    pair = site = np.inf
    # Twice: the pair's site might have fallen as a whole.
    alone, whole = FALSE_ALARM / look_at / 2.0, FALSE_ALARM * len(drawn) / look_at
    for rounds in range(max(begin + 1, 6), drawn.shape[1] - REFERENCE + 1):
        cut = slice(0, rounds)
        pairs = [compared(each, now.part(cut)) for each, now in zip(past, recent, strict=True)]
        known = [each for each in pairs if each is not None]
        steps = [
            step_of(each, ORIGIN, spread, others.pairs)
            for each, spread in zip(known, spreads_of(known, ORIGIN), strict=True)
        ]
        if np.isinf(pair) and steps[0].up and steps[0].p_value <= alone:
            pair = rounds - begin
        if np.isinf(site):
            all_ = joined(known)
            step = step_of(all_, ORIGIN, spreads_of([all_], ORIGIN)[0], others.sites)
            if step.up and site_p_value([each.p_value for each in steps], step.p_value) <= whole:
                site = rounds - begin
        if np.isfinite(pair + site):
            break
    return float(pair), float(site)


def judge(name: str, checks: int, size: tuple[int, int], steps: int, step: float, look_at: int) -> Outcome:
    """Simulate one shape of noise; its own seed, so that shapes may run side by side."""
    rng, draw = np.random.default_rng([2026, *name.encode()]), SHAPES[name]
    bound, ours, peer = cusum_bound(size[0] * size[1]), 0, 0
    for _ in range(checks):
        drawn = draw(rng, (*size, REFERENCE + RECENT))
        ours += false_alarm(drawn)
        peer += any(
            cusum(each[:REFERENCE], each[REFERENCE:]).max() > bound
            for each in drawn.reshape(-1, *drawn.shape[2:])
        )
    if steps == 0:
        return Outcome(ours, peer, (), (), ())
    others = rest(draw(rng, (VANTAGES, look_at // VANTAGES, REFERENCE + 6)))
    found, peer_delays, bound = [], [], cusum_bound(look_at)
    for _ in range(steps):
        begin = int(rng.integers(0, PER_DAY - AFTER))
        drawn = draw(rng, (VANTAGES, 1, REFERENCE + begin + AFTER))[:, 0]
        drawn[:, REFERENCE + begin :] *= 1.0 + step
        found.append(delays(drawn, begin, look_at, others))
        above = np.flatnonzero(cusum(drawn[0, :REFERENCE], drawn[0, REFERENCE:])[begin:] > bound)
        peer_delays.append(float(above[0] + 1) if len(above) else np.inf)
    pair, site = zip(*found, strict=True)
    return Outcome(ours, peer, pair, site, tuple(peer_delays))


def bounds(count: int, of: int) -> str:
    """A share with its Clopper-Pearson 95 % bounds, in percent."""
    if of == 0:
        return "-"
    low = 0.0 if count == 0 else float(betaincinv(count, of - count + 1, 0.025))
    high = 1.0 if count == of else float(betaincinv(count + 1, of - count, 0.975))
    return f"{100 * count / of:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def in_words(rounds: Sequence[float]) -> str:
    """Median and nine in ten, and how many within 30 rounds."""
    if not rounds:
        return "-"
    ordered = sorted(rounds)
    middle, late = (ordered[int(np.ceil(q * len(ordered))) - 1] for q in (0.5, 0.9))
    within = sum(each <= WITHIN for each in rounds) / len(rounds)
    said = ["never" if np.isinf(each) else f"{each:.0f}" for each in (middle, late)]
    return f"{said[0]} / {said[1]} / {100 * within:.0f} %"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checks", type=int, default=400)
    parser.add_argument("--vantages", type=int, default=5)
    parser.add_argument("--sites", type=int, default=4)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--step", type=float, default=0.15)
    parser.add_argument("--look-at", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shape", choices=SHAPES, action="append")
    given = parser.parse_args()
    names = given.shape or list(SHAPES)
    print(
        f"False alarms: of {given.checks} checks of {given.vantages} vantages and {given.sites} sites. Delay"
        f" of a step of {100 * given.step:g} % at one pair, and at a site of {VANTAGES} vantages: median /"
        f" nine in ten, in rounds, and how many of {given.steps} within {WITHIN}, in a check of"
        f" {given.look_at} pairs.\n"
    )
    print("| noise | false alarms | CUSUM's | one pair | CUSUM's | a site |\n" + "| --- " * 6 + "|")
    work = partial(
        judge,
        checks=given.checks,
        size=(given.vantages, given.sites),
        steps=given.steps,
        step=given.step,
        look_at=given.look_at,
    )
    with ProcessPoolExecutor(given.workers) as pool:
        for name, found in zip(names, pool.map(work, names), strict=True):
            alarms = f"{bounds(found.ours, given.checks)} | {bounds(found.peer, given.checks)}"
            waits = " | ".join(in_words(each) for each in (found.pair, found.peer_delays, found.site))
            print(f"| {name} | {alarms} | {waits} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
