"""How many measurements it takes to reach the plan of perfect information: surveyed, at random, in turn.

    python -m benchmarks.survey [--trials 3] [--batch 8] [--most 240] [--first 0.05] [--study mean]
                                [--price 5]

The shipped table of AWS Regions is the truth, 33 places by 33 sites; a client stands at each place. A
twentieth of the pairs (54) is known at first, the rest is modelled from them; then a batch is measured at a
time, chosen by the policy, and the plan is decided anew. Its regret is what it is worth on the truth against
the plan decided on the truth, a promise missed at ``--price``, by default the survey's. A study is reached
where the regret is at most 1 % and stays there for three batches.

- *surveyed*: the pairs that ``edgeplan survey`` names first
- *at random*: any pairs not yet measured
- *in turn*: each place's sites one after the other, round-robin over the places
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from planner.decide import decide
from planner.demand import Client, Demand
from planner.inputs import Inputs, load_inputs
from planner.latency.matrix import build_matrix
from planner.measurements import PairStatistic, read_published
from planner.plan import Plan
from planner.study import Study, parse_study
from planner.survey import survey
from planner.survey_draws import PRICE
from planner.tabulate import table

Pair = tuple[str, str]

STUDIES: Final = {
    "mean latency, 4 sites": """
        [objective]
        minimize = "mean_latency"
        [limits]
        max_sites = 4
    """,
    "cost, 90 % within 80 ms": """
        [latency]
        statistic = "p50"
        slo_ms = 80
        coverage = 0.9
    """,
}
STUDY: Final = """
name = "survey"
[demand]
cities = { countries = ["*"], top = 3000 }
peak_rps = 2000
requests_per_month = 1.0e8
[candidates]
provider = "aws"
kinds = ["region"]
exclude = ["cn-*", "us-gov-*"]
[workload]
rps_per_instance = 1000
min_instances = 4
response_kb = 10
"""
ENOUGH: Final = 0.01
STAYS: Final = 3


def asked(parts: str) -> Study:
    """One of the studies."""
    text = STUDY + (parts if "[latency]" in parts else parts + '\n[latency]\nstatistic = "p50"\n')
    return parse_study(text, name="survey", directory=Path())


def clients_of(inputs: Inputs, statistics: list[PairStatistic]) -> Demand:
    """A client at each vantage, weighing what the cities nearest to it do."""
    vantages = list({each.vantage.id: each.vantage for each in statistics}.values())
    where = np.array([(each.lat, each.lon) for each in vantages])
    weight = np.zeros(len(vantages))
    for client in inputs.demand.clients:
        weight[np.argmin(((where - (client.lat, client.lon)) ** 2).sum(axis=1))] += client.weight
    chosen = [
        Client(each.id.replace(":", "-"), each.id, each.country, each.lat, each.lon, float(w))
        for each, w in zip(vantages, weight, strict=True)
    ]
    return Demand(tuple(chosen), weight, "the table's vantages")


def worth(study: Study, plan: Plan, truth: Inputs, price: float = PRICE) -> float:
    """What the plan comes to on the truth: mean latency, or cost, and at ``price`` what coverage lacks."""
    column = {site.id: j for j, site in enumerate(truth.sites)}
    serving = np.array([column[each.site_id] for each in plan.assignments])
    share = truth.demand.weight / truth.demand.weight.sum()
    latency = truth.matrix.estimate_ms[np.arange(len(serving)), serving]
    if study.latency.slo_ms is None:
        return float((share * latency).sum())
    assert plan.kpi is not None
    lacking = max(0.0, study.latency.coverage - float(share[latency <= study.latency.slo_ms].sum()))
    return plan.kpi.cost_usd_month * (1.0 + price * lacking)


def surveyed(study: Study, inputs: Inputs, plan: Plan, names: dict[str, str]) -> Iterator[Pair]:
    """By what the survey says."""
    for each in survey(study, inputs, plan).pairs:
        yield names[each.place], each.site_id


def measured_until_reached(
    study: Study,
    blank: Inputs,
    truth: Inputs,
    known: dict[Pair, PairStatistic],
    all_pairs: dict[Pair, PairStatistic],
    choose: Callable[[Inputs, Plan], Iterator[Pair]],
    batch: int,
    most: int,
    price: float,
) -> int | None:
    """Measurements until the regret is small and stays so; None where ``most`` are not enough."""
    best = worth(study, decide(study, truth), truth, price)
    known, taken, since = dict(known), 0, None
    while taken <= most:
        matrix = build_matrix(
            blank.demand,
            blank.sites,
            list(known.values()),
            quantile=study.latency.quantile,
            metro_km=study.latency.metro_km,
            vantage_km=study.latency.vantage_km,
        )
        inputs = replace(blank, matrix=matrix)
        plan = decide(study, inputs)
        regret = np.inf if plan.kpi is None else worth(study, plan, truth, price) / best - 1.0
        if regret <= ENOUGH:
            since = taken if since is None else since
            if taken - since >= (STAYS - 1) * batch:
                return since
        else:
            since = None
        fresh = list(
            itertools.islice(
                (pair for pair in choose(inputs, plan) if pair in all_pairs and pair not in known), batch
            )
        )
        rest = [pair for pair in all_pairs if pair not in known and pair not in fresh]
        if len(fresh) < batch:  # the survey has no more to ask: whatever is left, in order
            fresh += rest[: batch - len(fresh)]
        if not fresh:
            return since
        known |= {pair: all_pairs[pair] for pair in fresh}
        taken += len(fresh)
    return None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--most", type=int, default=240)
    parser.add_argument("--first", type=float, default=0.05, help="part of the pairs known at first")
    parser.add_argument("--price", type=float, default=PRICE, help="of a promise missed, in objectives")
    parser.add_argument("--study", default="", help="only those whose name begins so")
    options = parser.parse_args()
    statistics = [each for each in read_published(0.5, "aws").statistics if each.direct]
    rows = []
    for name, parts in STUDIES.items():
        if not name.startswith(options.study):
            continue
        study = asked(parts)
        demand = clients_of(load_inputs(study), statistics)
        inputs = load_inputs(study, demand=demand)
        sites = {site.id for site in inputs.sites}
        all_pairs = {(each.vantage.id, each.site_id): each for each in statistics if each.site_id in sites}
        whole = build_matrix(
            demand, inputs.sites, list(all_pairs.values()), quantile=study.latency.quantile,
            metro_km=study.latency.metro_km, vantage_km=study.latency.vantage_km,
        )  # fmt: skip
        truth = replace(inputs, matrix=whole)
        names = {client.id: client.name for client in demand.clients}
        found: dict[str, list[int | None]] = {"surveyed": [], "at random": [], "in turn": []}
        for trial in range(options.trials):
            generator = np.random.default_rng(trial)
            order = [list(all_pairs)[i] for i in generator.permutation(len(all_pairs))]
            known = {pair: all_pairs[pair] for pair in order[: round(options.first * len(order))]}
            vantages = sorted({pair[0] for pair in all_pairs})
            in_turn = [(v, s) for s in sorted(sites) for v in vantages]
            policies: dict[str, Callable[[Inputs, Plan], Iterator[Pair]]] = {
                "surveyed": lambda at, plan, study=study, names=names: surveyed(study, at, plan, names),  # type: ignore[misc]
                "at random": lambda at, plan, order=order: iter(order),  # type: ignore[misc]
                "in turn": lambda at, plan, order=in_turn: iter(order),  # type: ignore[misc]
            }
            for policy, choose in policies.items():
                reached = measured_until_reached(
                    study, inputs, truth, known, all_pairs, choose, options.batch, options.most, options.price
                )  # fmt: skip
                found[policy].append(reached)
                print(name, trial, policy, reached, flush=True)
        for policy, counts in found.items():
            done = [each if each is not None else np.inf for each in counts]
            rows.append(
                (name, policy, f"{np.median(done):g}", " ".join("-" if c is None else str(c) for c in counts))
            )
    print(table(("study", "policy", "median", "measurements until reached"), rows, flush_right=(2,)))


if __name__ == "__main__":
    main()
