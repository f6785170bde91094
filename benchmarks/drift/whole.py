"""Whole checks of plans that nothing has happened to: how many say that the plan is no longer right.

    python -m benchmarks.drift.whole [--plans 60] [--checks 5] [--workers 2]

Four cities are served each from the Region next to it, at a promise that holds by 3 %: 95 % of demand within
it, at the 90th percentile of delay. For each plan the agents' week before it is drawn anew, and for each
check of it a day since. Every step is the product's own, but for the store, whose rounds are handed over: a
false alarm is exit 4, whatever the reason. Told with the Wilson 95 % bounds of its share; the goal is 1 % at
most.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.drift.shapes import PER_DAY, SHAPES, Array
from planner.decide import decide
from planner.drift.checking import Asked, check_rounds
from planner.drift.pairs import pair_rounds
from planner.drift.saved_plan import read_plan
from planner.export import MEASURED, write_plan
from planner.inputs import load_inputs
from planner.measured_pairs import measured_csv
from planner.measurements import MeasurementReport, Rounds
from planner.origin import origin_document
from planner.store.query import Place
from planner.study import load_study

DAYS: Final = 7
KNOWN: Final = DAYS * PER_DAY
MADE: Final = datetime(2026, 3, 9, tzinfo=UTC)
CITIES: Final = (
    ("dublin", "IE", 53.3, -6.3),
    ("frankfurt", "DE", 50.1, 8.7),
    ("paris", "FR", 48.9, 2.3),
    ("stockholm", "SE", 59.3, 18.1),
)
SITES: Final = ("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-3")
HOME: Final = ("eu-west-1", "eu-central-1", "eu-west-3", "eu-north-1")
STUDY: Final = """\
name = "still"
[demand]
csv = "clients.csv"
peak_rps = 4000
requests_per_month = 1e9
[candidates]
include = [{sites}]
[latency]
statistic = "p90"
slo_ms = {slo}
coverage = 0.95
"""


def drawn(rng: np.random.Generator, name: str, rounds: int) -> Array:
    """(vantages, sites, rounds, samples) in ms: 20 ms to the Region next to each, 30 to the others."""
    level = np.array([[20.0 if site == home else 30.0 for site in SITES] for home in HOME])
    return np.asarray(level[:, :, None, None] * SHAPES[name](rng, (len(CITIES), len(SITES), rounds)))


def as_rounds(delays: Array) -> Rounds:
    """As they would be read from a store; the round of number :data:`KNOWN` is the first after the plan."""
    shape = delays.shape
    vantage, site, round_, sample = (axis.ravel() for axis in np.indices(shape))
    begun = np.datetime64(MADE.replace(tzinfo=None), "us")
    every = np.timedelta64(86_400_000_000 // PER_DAY, "us")
    at = begun + (round_ - KNOWN) * every + sample * np.timedelta64(1, "s")
    return Rounds(
        places=tuple(Place(f"{city}-1", *where) for city, *where in CITIES),
        sites=SITES,
        vantage=vantage.astype(np.int32),
        site=site.astype(np.int32),
        started_at=at,
        round=(round_ * shape[0] + vantage).astype(np.int64),
        rtt_ms=delays.ravel(),
    )


def checked(name: str, number: int, checks: int) -> list[str]:
    """The verdicts on one plan: "right", the reasons why it is not, or "no plan" where none keeps the promise
    by what was measured before it."""
    rng = np.random.default_rng([2026, number, *name.encode()])
    slo = 1.03 * 20.0 * float(np.quantile(SHAPES[name](rng, (8, 8, 4 * PER_DAY)), 0.9, method="higher"))
    with tempfile.TemporaryDirectory(prefix="edgeplan-") as scratch:
        directory = Path(scratch)
        rows = [f"{city},{country},{lat},{lon},1" for city, country, lat, lon in CITIES]
        (directory / "clients.csv").write_text("\n".join(["id,country,lat,lon,weight", *rows, ""]))
        sites = ", ".join(f'"{site}"' for site in SITES)
        (directory / "still.toml").write_text(STUDY.format(sites=sites, slo=round(slo, 3)))
        study = load_study(directory / "still.toml")
        whole = drawn(rng, name, KNOWN + checks * PER_DAY)
        pairs = pair_rounds(as_rounds(whole[:, :, :KNOWN]), study.latency.quantile)
        known = tuple(pair.statistic(np.ones(len(pair.at), dtype=bool)) for pair in pairs)
        inputs = load_inputs(study, own=MeasurementReport(known, 0, 0, ()))
        plan = decide(study, inputs)
        if plan.kpi is None:
            return ["no plan"] * checks
        beside = {MEASURED: measured_csv(known)}
        write_plan(plan, directory, beside, origin_document(plan, study, ["store"], MADE, directory, beside))
        saved = read_plan(directory)
        found = []
        for day in range(checks):
            begin = KNOWN + day * PER_DAY
            # Each of the days since is taken for the first: what is checked is always one day.
            seen = np.concatenate([whole[:, :, :KNOWN], whole[:, :, begin : begin + PER_DAY]], axis=2)
            asked = Asked(("store",), MADE)
            found.append(" and ".join(check_rounds(saved, study, asked, as_rounds(seen)).reasons) or "right")
        return found


def wilson(count: int, of: int) -> str:
    """A share with its Wilson 95 % bounds, in percent."""
    z = 1.959964
    middle = (count + z * z / 2) / (of + z * z)
    half = z / (of + z * z) * np.sqrt(count * (of - count) / of + z * z / 4)
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    return f"{100 * count / of:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--plans", type=int, default=60, help="of each shape")
    parser.add_argument("--checks", type=int, default=5, help="of each plan")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shape", choices=SHAPES, action="append")
    given = parser.parse_args()
    names, every = given.shape or list(SHAPES), Counter[str]()
    print("| noise | checks | exit 4 | because of |\n| --- | --- | --- | --- |")

    def row(name: str, found: Counter[str]) -> None:
        made = found.total() - found["no plan"]
        wrong = {why: n for why, n in found.items() if why not in ("right", "no plan")}
        share = wilson(sum(wrong.values()), made) if made else "-"
        print(f"| {name} | {made} | {share} | {', '.join(wrong) or '-'} |", flush=True)

    with ProcessPoolExecutor(given.workers) as pool:
        for name in names:
            work = partial(checked, name, checks=given.checks)
            found = Counter(verdict for each in pool.map(work, range(given.plans)) for verdict in each)
            row(name, found)
            every += found
    row("all", every)
    return 0


if __name__ == "__main__":
    sys.exit(main())
