"""How well pairs that were hidden are predicted, beside a distance fit, Vivaldi and matrix factorisation.

    python benchmarks/latency_model.py --data FOLDER [--quantile 0.5] [--only NAME]

One table: the median relative error of each method, and how many of the hidden figures our 90 % interval
held. AWS and Azure are shipped; ``FOLDER`` holds PlanetLab (``netlatency_PlanetLabData_1.txt``) and Seattle
(``netlatency_SeattleData_1.txt``, in seconds), and without it those two are left out. What is hidden stands
in ``benchmarks/latency/splits.py``. Every method sees the same; Vivaldi and the factorisation are given the
best of their settings (``peers.py``), found on a hidden part of what they may see. ``line`` and ``curve`` are
fits of distance. Where there are no coordinates, ``model`` is the pair model of ``rows.py``.

Then: AWS by distance, the metro range, a vantage that speaks for a neighbour, both networks in one study
(``benchmarks/latency/mixed.py``), and how long it takes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.latency.mixed import print_mixed
from benchmarks.latency.peers import curve, straight_line, tuned_factors, tuned_vivaldi
from benchmarks.latency.rows import predicted
from benchmarks.latency.splits import SPLITS, hide
from benchmarks.latency.tables import Array, Mask, Table, from_file, published
from planner.geo import fibre_ms
from planner.latency.matrix import bound_width
from planner.latency.pairs import PairModel, fit_pair_model

BANDS_KM = (0, 1, 600, 1_300, 3_000, 6_000, 10_000, 20_040)
PARTS = 3
"""So many parts hidden once more calibrate where there are no coordinates; the first chooses settings."""
METHODS = ("line", "curve", "vivaldi", "factors", "model")
GOAL_DISTANCE, GOAL_VIVALDI, GOAL_COVERED = 0.60, 0.80, (0.88, 0.92)


@dataclass(slots=True)
class Tally:
    """What a split gave: relative errors by method, and whether the interval held, figure by figure."""

    errors: dict[str, list[Array]] = field(default_factory=lambda: {name: [] for name in METHODS})
    held: list[Mask] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, estimate: Array, table: Table, judge: Mask) -> None:
        self.errors[name].append(np.abs(estimate[judge] / table.rtt[judge] - 1.0))

    def median(self, name: str) -> float:
        return float(np.median(np.concatenate(self.errors[name]))) if self.errors[name] else np.nan


def fitted(table: Table, learn: Mask) -> PairModel:
    """The pair model of what is known; the same once more is not fitted again."""
    return _fitted(table, learn.tobytes())


@cache
def _fitted(table: Table, learn: bytes) -> PairModel:
    assert table.place is not None
    known = np.frombuffer(learn, dtype=bool).reshape(table.rtt.shape)
    start, end = np.nonzero(known)
    return fit_pair_model(table.place[start], table.place[end], table.rtt[known])


def judged(table: Table, split: str, folds: int) -> Tally:
    """The first ``folds`` folds of a split."""
    tally = Tally()
    unseen = split.endswith("unseen")
    peers = {}
    for number, (learn, judge) in enumerate(islice(hide(table, split), folds)):
        if table.place is not None:
            estimate, lower, upper = fitted(table, learn).predict(table.place, table.place)
            tally.add("line", straight_line(table, learn), table, judge)
            tally.add("curve", curve(table, learn), table, judge)
        if not unseen:
            inner = within(table, learn, split)
            if number == 0:
                peers = {
                    "vivaldi": tuned_vivaldi(table.rtt, *inner[0]),
                    "factors": tuned_factors(table.rtt, *inner[0]),
                }
                tally.settings = {name: said for name, (said, _) in peers.items()}
            for name, (_, method) in peers.items():
                tally.add(name, method(table.rtt, learn), table, judge)
        if table.place is None:
            estimate, lower, upper, tally.settings["model"] = predicted(table.rtt, learn, inner)
        tally.add("model", estimate, table, judge)
        truth = table.rtt[judge]
        tally.held.append((lower[judge] <= truth) & (truth <= upper[judge]))
    return tally


def within(table: Table, learn: Mask, split: str) -> list[tuple[Mask, Mask]]:
    """What is known, hidden once more in the same way: several parts."""
    known = Table(table.name, np.where(learn, table.rtt, np.nan), table.place)
    return list(islice(hide(known, split, seed=1), PARTS))


def print_table(tables: list[Table], folds: dict[str, int]) -> None:
    names = ("table", "hidden", "figures", "line", "curve", "Vivaldi", "factors", "model")
    print(f"| {' | '.join(names)} | of curve | of Vivaldi | held |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    said = []
    for table in tables:
        for split in SPLITS if table.place is not None else SPLITS[:3]:
            begun = time.perf_counter()
            tally = judged(table, split, folds.get(table.name, len(table.rtt)))
            cells = [tally.median(name) for name in METHODS]
            held = float(np.concatenate(tally.held).mean())
            shares = [
                (cells[4] / cells[1], GOAL_DISTANCE),
                (cells[4] / cells[2], GOAL_VIVALDI),
            ]
            figures = sum(each.size for each in tally.held)
            row = [table.name, split, f"{figures:,}", *(percent(each) for each in cells)]
            row += [percent(share, 0) + missed(not share > goal) for share, goal in shares]
            row.append(percent(held) + missed(GOAL_COVERED[0] <= round(held, 3) <= GOAL_COVERED[1]))
            print("| " + " | ".join(row) + " |", flush=True)
            if tally.settings:
                said.append(
                    f"{table.name}, {split}: "
                    + "; ".join(f"{name} {value}" for name, value in tally.settings.items())
                )
            print(f"  {table.name}, {split}: {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    print(
        "\nMedian relative error; `of curve`, `of Vivaldi`: ours over theirs (goals: at most 60 % and 80 %);"
        " held: by the 90 % interval (goal: 88 to 92 %). (!) misses its goal."
    )
    print("\nSettings chosen:")
    for line in said:
        print(f"- {line}")


def percent(value: float, digits: int = 1) -> str:
    return "" if np.isnan(value) else f"{value:.{digits}%}"


def missed(met: bool) -> str:
    return "" if met else " (!)"


def by_distance(table: Table) -> None:
    """Places unseen: the errors by length."""
    assert table.place is not None
    estimate = {name: np.full(table.rtt.shape, np.nan) for name in ("line", "curve", "model")}
    inside = np.zeros(table.rtt.shape, dtype=bool)
    for place, (learn, _) in enumerate(hide(table, "vantage, unseen")):
        model = fitted(table, learn)
        values = model.predict(table.place[place : place + 1], table.place)
        estimate["model"][place] = values[0][0]
        inside[place] = (values[1][0] <= table.rtt[place]) & (table.rtt[place] <= values[2][0])
        for name, method in (("line", straight_line), ("curve", curve)):
            estimate[name][place] = method(table, learn)[place]
    print(f"\n{table.name}, places unseen, by distance: median relative error, and mean error in ms")
    print("| km | pairs | line | curve | model | curve ms | model ms | held |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for low, high in [(0, 20_040), *pairwise(BANDS_KM)]:
        here = (table.km >= low) & (table.km < high) & table.known
        truth = table.rtt[here]
        medians = [percent(float(np.median(np.abs(each[here] / truth - 1.0)))) for each in estimate.values()]
        means = [f"{np.abs(estimate[name][here] - truth).mean():.1f}" for name in ("curve", "model")]
        span = "all" if (low, high) == (0, 20_040) else f"{low:,} to {high:,}"
        cells = [span, f"{here.sum():,}", *medians, *means, percent(float(inside[here].mean()))]
        print("| " + " | ".join(cells) + " |")


def metro_range(table: Table) -> None:
    """Beside a measured place (Frankfurt) and where nobody measured anything."""
    assert table.place is not None
    model = fitted(table, table.known)
    print("\nMetro range, ms: a site, and a client so far north of it, by a measured place and far from all")
    print("| km | light | line | curve | Frankfurt | 90 % interval | Tashkent | 90 % interval |")
    print("| ---: | ---: | ---: | ---: | ---: | --- | ---: | --- |")
    slope, intercept = np.polyfit(table.km[table.known], table.rtt[table.known], 1)
    for km in (0.0, 20.0, 50.0, 100.0, 200.0, 400.0):
        cells = [f"{km:.0f}", *(f"{float(x):.1f}" for x in (fibre_ms(km), intercept + slope * km))]
        cells.append(f"{float(model.distance.estimate_ms(km)):.1f}")
        for lat, lon in ((50.11, 8.68), (41.31, 69.28)):
            values = model.predict([(lat + km / 111.195, lon)], [(lat, lon)])
            estimate, lower, upper = (float(each[0, 0]) for each in values)
            cells += [f"{estimate:.1f}", f"{lower:.1f} to {upper:.1f}"]
        print("| " + " | ".join(cells) + " |")


def speaking_for_a_neighbour(table: Table, within_km: float = 520.0) -> None:
    """Places at most so far apart speak for each other: the figure as it stands, or moved by the model, which
    knows nothing of the client's place."""
    assert table.place is not None
    names = ("as it stands", "moved by the curve", "moved by the model", "modelled")
    errors: dict[str, list[Array]] = {name: [] for name in names}
    widths, besides = [], []
    for client, (learn, _) in enumerate(hide(table, "vantage, unseen")):
        near = np.flatnonzero((table.km[client] <= within_km) & (table.km[client] > 1.0))
        if not near.size:
            continue
        model = fitted(table, learn)
        plain, light = model.distance.estimate_ms(table.km), fibre_ms(table.km[client])
        every = model.estimate_ms(table.place, table.place)
        for speaker in near:
            figure = table.rtt[speaker]
            for name, value in (
                ("as it stands", figure),
                ("moved by the curve", figure + plain[client] - plain[speaker]),
                ("moved by the model", figure + every[client] - every[speaker]),
                ("modelled", every[client]),
            ):
                errors[name].append(np.abs(np.maximum(value, light) - table.rtt[client]))
            widths.append(bound_width(table.km[client, speaker], figure))
            beside = np.zeros(len(figure), dtype=bool)
            beside[[client, speaker]] = True
            besides.append(beside)
    beside, width = np.concatenate(besides), np.concatenate(widths)
    print(f"\nA vantage speaks for a place up to {within_km:g} km away ({len(widths)} cases): mean error, ms")
    print("| | sites beside either | other sites |\n| --- | ---: | ---: |")
    for name, each in errors.items():
        error = np.concatenate(each)
        print(f"| {name} | {np.nanmean(error[beside]):.1f} | {np.nanmean(error[~beside]):.1f} |")
    inside = np.concatenate(errors["moved by the model"]) <= width
    print(f"within its widened bounds: {inside.mean():.1%}")


def speed(table: Table) -> None:
    """Seconds of a fit and of a prediction."""
    assert table.place is not None
    start, end = (each[:1000] for each in np.nonzero(table.known))
    begun = time.perf_counter()
    model = fit_pair_model(table.place[start], table.place[end], table.rtt[start, end])
    fit = time.perf_counter() - begun
    generator = np.random.default_rng(0)
    clients = np.column_stack((generator.uniform(-60, 70, 5000), generator.uniform(-180, 180, 5000)))
    begun = time.perf_counter()
    model.predict(clients, clients[:300])
    seconds = time.perf_counter() - begun
    print(f"\nFitting 1,000 pairs: {fit:.2f} s; predicting 5,000 clients x 300 sites: {seconds:.2f} s")


def tables_in(data: Path | None, quantile: float) -> Iterator[Table]:
    yield published("AWS", "aws", quantile)
    yield published("Azure", "azure")
    if data is not None:
        yield from_file("PlanetLab", data / "netlatency_PlanetLabData_1.txt", 1.0)
        yield from_file("Seattle", data / "netlatency_SeattleData_1.txt", 1000.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quantile", type=float, default=0.5, help="of the shipped AWS table (default 0.5)")
    parser.add_argument("--data", type=Path, help="the folder that holds PlanetLab and Seattle")
    parser.add_argument("--only", nargs="*", help="of the first table, these: AWS Azure PlanetLab Seattle")
    arguments = parser.parse_args()
    tables = {each.name: each for each in tables_in(arguments.data, arguments.quantile)}
    # PlanetLab is large: one fold of it hides 24,000 figures.
    print_table(
        [each for name, each in tables.items() if not arguments.only or name in arguments.only],
        {"PlanetLab": 1, "Seattle": 5},
    )
    by_distance(tables["AWS"])
    metro_range(tables["AWS"])
    speaking_for_a_neighbour(tables["AWS"])
    print_mixed(tables["AWS"], tables["Azure"])
    speed(tables["AWS"])


if __name__ == "__main__":
    main()
