"""Does a plan keep its promise as often as it says, and what does not knowing cost? On held-out measurements.

    python benchmarks/certainty.py [--trials 20] [--clients 300] [--known 0.5]

The shipped table of AWS Regions is taken for the truth: clients are cities for whom one of its vantages
speaks, sites its Regions. In each trial a part of the vantages, drawn anew, is known; the rest is modelled.
The same study is planned on that (by the estimate and by the upper bound) and on the whole table (perfect
information).

- *covers*: how often the truth's coverage lies within the plan's own 5 % to 95 %; it should 9 times in 10.
- *said* and *kept*: the mean probability that plans give themselves, and how many of them keep the promise.
- *regret*: the cost above the perfect-information plan's, of those that keep it.

Then the parts of site and place in the variance of the model's errors, for ``planner/latency/draws.py``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.certainty import certainty_of
from planner.decide import decide
from planner.demand import Demand
from planner.geo import great_circle_km
from planner.inputs import Inputs, load_inputs
from planner.latency.matrix import MODELLED, build_matrix, distance_model
from planner.measurements import PairStatistic, read_published
from planner.plan import Plan
from planner.study import Study, parse_study
from planner.tabulate import table

STUDY: Final = """
name = "held-out"
[demand]
cities = {{ countries = ["*"], top = 3000 }}
peak_rps = 20000
requests_per_month = 1.0e10
[candidates]
provider = "aws"
kinds = ["region"]
exclude = ["cn-*", "us-gov-*"]
[workload]
services = ["ec2", "ebs"]
rps_per_instance = 400
min_instances = 2
response_kb = 20
[latency]
statistic = "p50"
bound = "estimate"
slo_ms = {slo}
coverage = {coverage}
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """One plan, looked at with the truth."""

    probability: float
    inside: bool
    kept: bool
    cost: float
    best: float


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


def looked_at(study: Study, known: Inputs, truth: Inputs, best: Plan) -> Trial | None:
    """Plan on what is known, and see what the truth makes of it."""
    plan = decide(study, known, time_limit_s=30.0)
    if plan.kpi is None or best.kpi is None or study.latency.slo_ms is None:
        return None
    column = {site.id: j for j, site in enumerate(known.sites)}
    assignment = np.array([column[each.site_id] for each in plan.assignments])
    share: NDArray[np.float64] = known.demand.weight / known.demand.weight.sum()
    said = certainty_of(study, known, assignment, share)
    real = truth.matrix.estimate_ms[np.arange(len(assignment)), assignment]
    coverage = float(share[real <= study.latency.slo_ms].sum())
    assert said.coverage is not None
    assert said.probability is not None
    low, high = said.coverage
    return Trial(
        said.probability,
        low - 1e-9 <= coverage <= high + 1e-9,
        coverage >= study.latency.coverage - 1e-9,
        plan.kpi.cost_usd_month,
        best.kpi.cost_usd_month,
    )


def parts(statistics: list[PairStatistic], inputs: Inputs) -> tuple[float, float, float]:
    """Of the variance of the model's errors, in its own half widths: site, place, both together."""
    model = distance_model(inputs.sites, statistics)
    rows = [each for each in statistics if each.site_position is not None]
    origin = np.array([(each.vantage.lat, each.vantage.lon) for each in rows])
    target = np.array([each.site_position for each in rows])
    km = great_circle_km(origin[:, 0], origin[:, 1], target[:, 0], target[:, 1])
    estimate, low, high = model.predict(km)
    error = np.log(np.array([each.rtt_ms for each in rows]) / estimate)
    error = np.where(error > 0.0, error / np.log(high / estimate), error / np.log(estimate / low))
    far = km > 50.0
    error, names = error[far], [each for each, is_far in zip(rows, far, strict=True) if is_far]
    place = np.unique([each.vantage.id for each in names], return_inverse=True)[1]
    site = np.unique([each.site_id for each in names], return_inverse=True)[1]
    of_place, of_site = np.zeros(place.max() + 1), np.zeros(site.max() + 1)
    for _ in range(50):  # additive effects by turns: the table is nearly complete, so this settles at once
        rest = error - error.mean() - of_site[site]
        of_place = np.bincount(place, rest) / np.bincount(place)
        rest = error - error.mean() - of_place[place]
        of_site = np.bincount(site, rest) / np.bincount(site)
    rest = error - error.mean() - of_place[place] - of_site[site]
    total = of_site.var() + of_place.var() + rest.var()
    return float(of_site.var() / total), float(of_place.var() / total), float(rest.var() / total)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--clients", type=int, default=300)
    parser.add_argument("--known", type=float, default=0.5, help="part of the vantages")
    options = parser.parse_args()
    statistics = [each for each in read_published(0.5, "aws").statistics if each.direct]
    rows = []
    for slo, coverage in ((60.0, 0.9), (100.0, 0.95)):
        study = parse_study(STUDY.format(slo=slo, coverage=coverage), name="held-out", directory=Path())
        wide = load_inputs(study)
        inputs = load_inputs(study, demand=spoken_for(wide, options.clients))
        truth = at(inputs, study, statistics)
        best = decide(study, truth)
        trials: dict[str, list[Trial | None]] = {"estimate": [], "upper": []}
        for number in range(options.trials):
            generator = np.random.default_rng(number)
            vantages = sorted({each.vantage.id for each in statistics})
            kept = set(generator.choice(vantages, round(options.known * len(vantages)), replace=False))
            known = at(inputs, study, [each for each in statistics if each.vantage.id in kept])
            for bound, found in trials.items():
                planned = replace(study, latency=replace(study.latency, bound=bound))  # type: ignore[arg-type]
                found.append(looked_at(planned, known, truth, best))
        for bound, found in trials.items():
            some = [each for each in found if each is not None]
            regret = [each.cost / each.best - 1.0 for each in some if each.kept]
            rows.append(
                (
                    f"{coverage:.0%} within {slo:g} ms", bound, str(len(some)), str(len(found) - len(some)),
                    f"{np.mean([each.inside for each in some]):.0%}" if some else "",
                    f"{np.mean([each.probability for each in some]):.0%}" if some else "",
                    f"{np.mean([each.kept for each in some]):.0%}" if some else "",
                    f"{np.median(regret):+.1%}" if regret else "",
                )
            )  # fmt: skip
            print(rows[-1], flush=True)
    heads = ("promise", "bound", "plans", "none", "covers", "said", "kept", "regret")
    print(table(heads, rows))
    site, place, both = parts(statistics, inputs)
    print(f"\nthe model's errors: site {site:.0%}, place {place:.0%}, both together {both:.0%}")


if __name__ == "__main__":
    main()
