"""How well the distance model predicts pairs it has not seen, beside a straight line.

    python benchmarks/latency_model.py [--quantile 0.5] [--azure FILE]

The shipped AWS table is judged two ways. *Leave-vantage-out* predicts a place's pairs from a fit
without any pair that touches it, as for a client in a city nobody measured. *Leave-pair-out* predicts a
twentieth of the pairs, both directions, from the rest. The interval's coverage is counted on the same
predictions; it aims at 90 %.

With ``--azure`` a matrix of round-trip times between Azure regions, as Microsoft publishes it (first
row and column: region names; ms), is judged too, and the AWS fit is put to it as it stands: another
network, other metros.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent))

from planner.geo import fibre_ms, great_circle_km, pairwise_km
from planner.latency.estimate import fit_distance_model
from planner.latency.matrix import bound_width
from planner.measurements import read_published

Array = NDArray[np.float64]

BANDS_KM = (0, 1, 600, 1_300, 3_000, 6_000, 10_000, 20_040)

AZURE_PLACES = {
    "Australia Central": (-35.31, 149.12),
    "Australia Central 2": (-35.31, 149.12),
    "Australia East": (-33.86, 151.21),
    "Australia Southeast": (-37.81, 144.96),
    "Brazil South": (-23.55, -46.63),
    "Canada Central": (43.65, -79.38),
    "Canada East": (46.82, -71.22),
    "Central India": (18.58, 73.92),
    "Central US": (41.59, -93.62),
    "East Asia": (22.27, 114.19),
    "East US": (37.37, -79.82),
    "East US 2": (36.67, -78.39),
    "France Central": (48.86, 2.35),
    "France South": (43.30, 5.38),
    "Germany North": (53.07, 8.81),
    "Germany West Central": (50.11, 8.68),
    "Indonesia Central": (-6.21, 106.85),
    "Israel Central": (31.27, 35.02),
    "Italy North": (45.47, 9.18),
    "Japan East": (35.68, 139.77),
    "Japan West": (34.69, 135.50),
    "Jio India West": (22.47, 70.06),
    "Korea Central": (37.57, 126.98),
    "Korea South": (35.18, 129.08),
    "Malaysia West": (3.14, 101.69),
    "Mexico Central": (20.59, -100.39),
    "New Zealand North": (-36.85, 174.76),
    "North Central US": (41.88, -87.63),
    "North Europe": (53.35, -6.26),
    "Norway East": (59.91, 10.75),
    "Norway West": (58.97, 5.73),
    "Poland Central": (52.23, 21.01),
    "Qatar Central": (25.29, 51.53),
    "South Africa North": (-25.73, 28.22),
    "South Africa West": (-33.92, 18.42),
    "South Central US": (29.42, -98.49),
    "South India": (13.08, 80.27),
    "Southeast Asia": (1.35, 103.82),
    "Sweden Central": (60.67, 17.14),
    "Switzerland North": (47.38, 8.54),
    "Switzerland West": (46.20, 6.14),
    "UAE Central": (24.45, 54.38),
    "UAE North": (25.20, 55.27),
    "UK South": (51.51, -0.13),
    "UK West": (51.48, -3.18),
    "West Central US": (41.14, -104.82),
    "West Europe": (52.37, 4.90),
    "West India": (19.08, 72.88),
    "West US": (37.78, -122.42),
    "West US 2": (47.23, -119.85),
    "West US 3": (33.45, -112.07),
}
"""Rounded coordinates of the city or county that Microsoft names for each region."""


@dataclass(frozen=True, slots=True)
class Table:
    """``place`` (p, 2) latitude and longitude; pair k runs from ``start[k]`` to ``end[k]`` in
    ``rtt[k]`` ms."""

    place: Array
    start: NDArray[np.intp]
    end: NDArray[np.intp]
    rtt: Array

    @property
    def km(self) -> Array:
        a, b = self.place[self.start], self.place[self.end]
        return great_circle_km(a[:, 0], a[:, 1], b[:, 0], b[:, 1])


def aws(quantile: float) -> Table:
    statistics = read_published(quantile, "aws").statistics
    position = {s.site_id: s.site_position for s in statistics}
    number = {name: k for k, name in enumerate(position)}
    return Table(
        np.array(list(position.values()), dtype=np.float64),
        np.array([number[s.vantage.id.removeprefix("metro:")] for s in statistics]),
        np.array([number[s.site_id] for s in statistics]),
        np.array([s.rtt_ms for s in statistics]),
    )


def azure(path: Path) -> Table:
    names = list(AZURE_PLACES)
    with path.open(newline="", encoding="utf-8-sig") as file:
        cells = [
            (names.index(row["Source"]), names.index(name), float(value))
            for row in csv.DictReader(file)
            for name, value in row.items()
            if name != "Source" and value.strip()
        ]
    start, end, rtt = zip(*cells, strict=True)
    return Table(np.array(list(AZURE_PLACES.values())), np.array(start), np.array(end), np.array(rtt))


Prediction = tuple[Array, Array, Array]
Method = Callable[[Table, NDArray[np.bool_], Array], Prediction]
"""(table, which pairs to learn from, distances) -> estimate, lower, upper."""


def straight_line(table: Table, learn: NDArray[np.bool_], km: Array) -> Prediction:
    """Least squares of rtt = a + b·km; it has no interval."""
    slope, intercept = np.polyfit(table.km[learn], table.rtt[learn], 1)
    estimate = np.maximum(intercept + slope * km, fibre_ms(km))
    return estimate, np.full_like(km, np.nan), np.full_like(km, np.nan)


def distance_model(table: Table, learn: NDArray[np.bool_], km: Array) -> Prediction:
    start, end = table.place[table.start[learn]], table.place[table.end[learn]]
    return fit_distance_model(start, end, table.rtt[learn]).predict(km)


METHODS: dict[str, Method] = {"line": straight_line, "model": distance_model}


def without_vantage(table: Table) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """(learn from, predict), a place at a time."""
    for place in range(len(table.place)):
        yield (table.start != place) & (table.end != place), table.start == place


def without_pair(table: Table, folds: int = 20) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """(learn from, predict), a twentieth of the unordered pairs at a time."""
    low, high = np.minimum(table.start, table.end), np.maximum(table.start, table.end)
    of_pair = np.random.default_rng(0).integers(0, folds, (len(table.place), len(table.place)))
    fold = of_pair[low, high]
    for each in range(folds):
        yield fold != each, fold == each


def report(title: str, km: Array, rtt: Array, predicted: dict[str, Prediction]) -> None:
    print(f"\n{title}")
    print(f"{'km':>16} {'pairs':>6} " + " ".join(f"{name + ' err':>10}" for name in predicted), end="")
    print(f" {'mean err ms':>20} {'covered':>8}")
    spans = [(0, 20_040), *pairwise(BANDS_KM)]
    for low, high in spans:
        here = (km >= low) & (km < high)
        if not here.any():
            continue
        medians, means, covered = [], [], np.nan
        for name, (estimate, lower, upper) in predicted.items():
            error = np.abs(estimate[here] - rtt[here])
            medians.append(f"{np.median(error / rtt[here]):10.1%}")
            means.append(f"{name} {error.mean():.1f}")
            if np.isfinite(lower[here]).all():
                covered = float(np.mean((lower[here] <= rtt[here]) & (rtt[here] <= upper[here])))
        span = "all" if (low, high) == (0, 20_040) else f"{low} to {high}"
        print(f"{span:>16} {here.sum():>6} {' '.join(medians)} {', '.join(means):>20} {covered:>8.1%}")


def judge(name: str, table: Table) -> None:
    for title, folds in (("leave-vantage-out", without_vantage), ("leave-pair-out", without_pair)):
        predicted = {}
        for method, predict in METHODS.items():
            out = tuple(np.full(table.rtt.size, np.nan) for _ in range(3))
            for learn, held in folds(table):
                for values, part in zip(out, predict(table, learn, table.km[held]), strict=True):
                    values[held] = part
            predicted[method] = (out[0], out[1], out[2])
        report(f"{name}, {title}: median relative error", table.km, table.rtt, predicted)


def metro_range(table: Table) -> None:
    km = np.array([0.0, 20.0, 50.0, 100.0, 200.0, 400.0])
    every = np.ones(table.rtt.size, dtype=bool)
    print("\nMetro range, ms (fitted to the whole table)")
    print(f"{'km':>8} {'light':>8} {'line':>8} {'model':>8}   90 % interval")
    line, _, _ = straight_line(table, every, km)
    for row in zip(km, fibre_ms(km), line, *distance_model(table, every, km), strict=True):
        print("{:8.0f} {:8.1f} {:8.1f} {:8.1f}   {:.1f} to {:.1f}".format(*row))


def speaking_for_a_neighbour(table: Table, within_km: float = 520.0) -> None:
    """Regions at most so far apart speak for each other: the figure as it stands, or moved by the model."""
    size = len(table.place)
    apart = pairwise_km(*table.place.T, *table.place.T)
    rtt = np.full((size, size), np.nan)
    rtt[table.start, table.end] = table.rtt
    every = np.ones(table.rtt.size, dtype=bool)
    model = distance_model(table, every, apart.ravel())[0].reshape(apart.shape)
    client, speaker = np.nonzero((apart <= within_km) & (apart > 1.0))
    light = fibre_ms(apart[client])
    stands = np.maximum(rtt[speaker], light)
    moved = np.maximum(rtt[speaker] + model[client] - model[speaker], light)
    beside = np.zeros(light.shape, dtype=bool)
    beside[np.arange(client.size), client] = True
    beside[np.arange(client.size), speaker] = True
    width = bound_width(apart[client, speaker][:, None], rtt[speaker])
    print(f"\nA vantage speaks for a place up to {within_km:g} km away ({client.size} cases): mean error, ms")
    for name, values in (
        ("as it stands", stands),
        ("moved by the model", moved),
        ("modelled", model[client]),
    ):
        error = np.abs(values - rtt[client])
        print(f"{name:>20}: sites beside either {error[beside].mean():5.2f},", end=" ")
        print(f"others {error[~beside].mean():5.2f}")
    within = np.abs(moved - rtt[client]) <= width
    print(f"within its widened bounds: sites beside either {within[beside].mean():.1%}, others", end=" ")
    print(f"{within[~beside].mean():.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quantile", type=float, default=0.5, help="of the shipped table (default 0.5)")
    parser.add_argument("--azure", type=Path, help="CSV matrix of Microsoft's inter-region round-trip times")
    arguments = parser.parse_args()
    table = aws(arguments.quantile)
    judge(f"AWS p{arguments.quantile * 100:g}", table)
    metro_range(table)
    speaking_for_a_neighbour(table)
    if arguments.azure is not None:
        other = azure(arguments.azure)
        judge("Azure", other)
        every = np.ones(table.rtt.size, dtype=bool)
        predicted = {name: predict(table, every, other.km) for name, predict in METHODS.items()}
        report("Azure, as predicted by the AWS fit: median relative error", other.km, other.rtt, predicted)


if __name__ == "__main__":
    main()
