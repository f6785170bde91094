"""Does a plan keep its promise as often as it says, and what does not knowing cost? On held-out measurements.

    python -m benchmarks.certainty [--trials 100] [--clients 300] [--known 0.5] [--rounds 60]

The shipped table of AWS Regions is taken for the truth: clients are cities for whom one of its vantages
speaks, sites its Regions. In each trial a part of the vantages, drawn anew, is known; the rest is modelled.
The fewest sites that reach the promised coverage are chosen exactly (``max_cover``), by the estimates, by the
upper bounds, and by the whole table (perfect information). Then the same where agents know the vantages by
samples: of half of them, and of all, rounds of five samples about the table's figure, half of whose variance
hangs together from round to round (10 % in all, φ = 0.8).

- *covers*: how often the truth's coverage lies within the plan's own 5 % to 95 %; it should 9 times in 10.
- *said* and *kept*: the mean probability that plans give themselves, and how many of them keep the promise.
- *sites*: more than perfect information opens, in the mean.
- *regret*: of as many sites as perfect information needs, chosen for the least mean latency (``p_median``) by
  what is known: how much above the least it is in truth, in the middle.

Then the errors of modelled pairs over their bounds, and the parts of site and place in their variance, which
``planner/latency/draws.py`` takes from here.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import ndtri, stdtrit

from planner.certainty import certainty_of
from planner.demand import Demand
from planner.inputs import Inputs, load_inputs
from planner.latency.effective import bounded_quantile
from planner.latency.matrix import MODELLED, build_matrix
from planner.measurements import PairDetail, PairStatistic, read_published
from planner.solver import max_cover, p_median
from planner.study import Study, parse_study
from planner.tabulate import table

STUDY: Final = """
name = "held-out"
[demand]
cities = {{ countries = ["*"], top = 3000 }}
[candidates]
provider = "aws"
kinds = ["region"]
exclude = ["cn-*", "us-gov-*"]
[latency]
statistic = "p50"
slo_ms = {slo}
coverage = {coverage}
"""
QUANTILES: Final = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
PROMISES: Final = ((60.0, 0.8), (80.0, 0.9), (120.0, 0.95))
ASKED: Final = (
    ("half published", "estimate"),
    ("half published", "upper"),
    ("half sampled", "estimate"),
    ("all sampled", "estimate"),
)
SAMPLES, SPREAD, MEMORY = 5, 0.1, 0.8


@dataclass(frozen=True, slots=True)
class Trial:
    """One plan, looked at with the truth."""

    probability: float
    inside: bool
    kept: bool
    more_sites: int
    regret: float


def spoken_for(inputs: Inputs, count: int) -> Demand:
    """The ``count`` largest clients all of whose pairs a vantage of the table speaks for."""
    known = (inputs.matrix.provenance > MODELLED).mean(axis=1) > 0.9
    chosen = np.flatnonzero(known)[:count]
    clients = tuple(inputs.demand.clients[i] for i in chosen)
    return Demand(clients, inputs.demand.weight[chosen], "cities near a vantage of the table")


def at(inputs: Inputs, study: Study, statistics: list[PairStatistic]) -> Inputs:
    """The inputs with only these statistics known."""
    matrix = build_matrix(
        inputs.demand,
        inputs.sites,
        statistics,
        quantile=study.latency.quantile,
        metro_km=study.latency.metro_km,
        vantage_km=study.latency.vantage_km,
    )
    return replace(inputs, matrix=matrix)


def fewest(latency: NDArray[np.float64], share: NDArray[np.float64], study: Study) -> NDArray[np.intp] | None:
    """Who serves each client (m,) when the fewest sites reach the promise; None where all do not."""
    slo = study.latency.slo_ms
    assert slo is not None
    for count in range(1, latency.shape[1] + 1):
        found = max_cover(share, latency <= slo, count)
        if found.objective >= study.latency.coverage - 1e-9:
            return np.asarray(found.open[latency[:, found.open].argmin(axis=1)], dtype=np.intp)
    return None


def looked_at(study: Study, known: Inputs, truth: Inputs, bound: str) -> Trial | None:
    """Plan on what is known, and see what the truth makes of it."""
    share: NDArray[np.float64] = known.demand.weight / known.demand.weight.sum()
    real, every = truth.matrix.estimate_ms, np.arange(len(share))
    planned = known.matrix.estimate_ms if bound == "estimate" else known.matrix.upper_ms
    serving, best = fewest(planned, share, study), fewest(real, share, study)
    assert best is not None
    if serving is None:
        return None
    said = certainty_of(study, known, serving, share)
    coverage = float(share[real[every, serving] <= (study.latency.slo_ms or 0.0)].sum())
    assert said.coverage is not None
    assert said.probability is not None
    low, high = said.coverage
    count = len(np.unique(best))
    chosen, ideal = (p_median(share[:, None] * each, count).open for each in (planned, real))
    by_plan = chosen[planned[:, chosen].argmin(axis=1)]
    least = float((share * real[:, ideal].min(axis=1)).sum())
    return Trial(
        said.probability,
        low - 1e-9 <= coverage <= high + 1e-9,
        coverage >= study.latency.coverage - 1e-9,
        len(np.unique(serving)) - count,
        float((share * real[every, by_plan]).sum()) / least - 1.0,
    )


def judged(study: Study, knowing: list[Inputs], truth: Inputs, bound: str) -> tuple[str, ...]:
    """What a row says of the plans of all trials."""
    found = [looked_at(study, known, truth, bound) for known in knowing]
    some = [each for each in found if each is not None]
    names = ("inside", "probability", "kept", "more_sites")
    means = [float(np.mean([getattr(each, name) for each in some])) if some else np.nan for name in names]
    regret = float(np.median([each.regret for each in some])) if some else np.nan
    counts = (str(len(some)), str(len(found) - len(some)))
    return (*counts, *(f"{mean:.0%}" for mean in means[:3]), f"{means[3]:+.1f}", f"{regret:+.1%}")


def sampled(true: PairStatistic, generator: np.random.Generator, rounds: int) -> PairStatistic:
    """The pair as an agent finds it whose samples have this figure for their median."""
    path = lfilter([np.sqrt(1.0 - MEMORY**2)], [1.0, -MEMORY], generator.normal(size=rounds + 50))[50:]
    noise = (path[:, None] + generator.normal(size=(rounds, SAMPLES))) / np.sqrt(2.0)
    rtt = (true.rtt_ms * np.exp(SPREAD * noise)).ravel()
    found = bounded_quantile(rtt, np.repeat(np.arange(rounds), SAMPLES), 0.5)
    return replace(
        true,
        rtt_ms=found.rtt_ms,
        lower_ms=found.lower_ms,
        upper_ms=found.upper_ms,
        samples=rtt.size,
        loss_ratio=0.0,
        kind="sampled",
        source="agents",
        detail=PairDetail(rounds, found.effective, 0.0, 0.0, (), found.drawn_ms),
    )


@dataclass(frozen=True, slots=True)
class Residuals:
    """Errors of modelled pairs over their bounds: ``quantiles``, how many lie inside, and the parts of
    ``site``, ``place`` and ``both`` together in their variance (each place counted once)."""

    inside: float
    quantiles: tuple[float, ...]
    site: float
    place: float
    both: float


def residuals(knowing: list[Inputs], truth: Inputs) -> Residuals:
    """Of all trials."""
    speaker = np.array([np.bincount(row[row >= 0]).argmax() for row in truth.matrix.vantage])
    first = np.unique(speaker, return_index=True)[1]  # a client for each vantage: those of one err alike
    every, shares = [], []
    for known in knowing:
        matrix = known.matrix
        estimate, low, high, real = (
            each[first]
            for each in (matrix.estimate_ms, matrix.lower_ms, matrix.upper_ms, truth.matrix.estimate_ms)
        )
        error = np.log(real / estimate)
        width = np.where(error > 0.0, np.log(high / estimate), np.log(estimate / low))
        modelled = (matrix.provenance[first] == MODELLED) & (width > 0.0)
        over = np.where(modelled, error / np.where(width > 0.0, width, 1.0), np.nan)
        every.append(over[modelled])
        new = over[modelled.mean(axis=1) > 0.9]
        of_place, of_site = np.nanmean(new, axis=1), np.nanmean(new, axis=0)
        rest = new - of_place[:, None] - of_site[None, :] + np.nanmean(new)
        parts = np.array([np.nanvar(of_site), np.nanvar(of_place), np.nanvar(rest)])
        shares.append(parts / parts.sum())
    together = np.concatenate(every)
    site, place, both = (float(part) for part in np.mean(shares, axis=0))
    quantiles = tuple(float(each) for each in np.quantile(together, QUANTILES))
    return Residuals(float((np.abs(together) <= 1.0).mean()), quantiles, site, place, both)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--clients", type=int, default=300)
    parser.add_argument("--known", type=float, default=0.5, help="part of the vantages")
    parser.add_argument("--rounds", type=int, default=60, help="of samples, where agents measure")
    options = parser.parse_args()
    statistics = [each for each in read_published(0.5, "aws").statistics if each.direct]
    vantages = sorted({each.vantage.id for each in statistics})
    study = parse_study(STUDY.format(slo=60.0, coverage=0.9), name="held-out", directory=Path())
    inputs = load_inputs(study, demand=spoken_for(load_inputs(study), options.clients))
    truth = at(inputs, study, statistics)
    knowing: dict[str, list[Inputs]] = {"half published": [], "half sampled": [], "all sampled": []}
    for number in range(options.trials):
        generator = np.random.default_rng(number)
        kept = set(generator.choice(vantages, round(options.known * len(vantages)), replace=False))
        heard = [each for each in statistics if each.vantage.id in kept]
        knowing["half published"].append(at(inputs, study, heard))
        own = [sampled(each, generator, options.rounds) for each in statistics]
        knowing["half sampled"].append(at(inputs, study, [each for each in own if each.vantage.id in kept]))
        knowing["all sampled"].append(at(inputs, study, own))
    rows = []
    for slo, coverage in PROMISES:
        promised = replace(study, latency=replace(study.latency, slo_ms=slo, coverage=coverage))
        name = f"{coverage:.0%} within {slo:g} ms"
        for what, bound in ASKED:
            rows.append((name, what, bound, *judged(promised, knowing[what], truth, bound)))
    heads = ("promise", "known", "bound", "plans", "none", "covers", "said", "kept", "sites", "regret")
    print(table(heads, rows, flush_right=range(3, 10)))
    found = residuals(knowing["half published"], truth)
    rows = [
        ("errors over their bounds", *(f"{each:+.2f}" for each in found.quantiles)),
        ("normal", *(f"{each / ndtri(0.95):+.2f}" for each in ndtri(QUANTILES))),
        ("t, 2 degrees of freedom", *(f"{each / stdtrit(2, 0.95):+.2f}" for each in stdtrit(2, QUANTILES))),
    ]
    print()
    print(table(("", *(f"{quantile:.0%}" for quantile in QUANTILES)), rows, flush_right=range(1, 8)))
    print(f"\ninside their bounds: {found.inside:.1%}")
    print(f"of their variance: site {found.site:.0%}, place {found.place:.0%}, both {found.both:.0%}")


if __name__ == "__main__":
    main()
