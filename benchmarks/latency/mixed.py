"""Two providers' networks in one study: a model for each of them, or one for both.

Hidden are a tenth of the pairs of both tables, or a place in both (every third one) with all within 50 km of
it. *Alone* knows only the network that is asked about, *beside* knows both by a model for each
(``planner/latency/networks.py``), *pooled* by one.

Then what a network's own few pairs are worth, beside another that is known whole, and how each predicts the
other that it knows nothing of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np

from benchmarks.latency.splits import hide
from benchmarks.latency.tables import SAME_METRO_KM, Array, Mask, Table
from planner.catalog import Site
from planner.geo import pairwise_km
from planner.latency.networks import NetworkModels, network_models, pair_model
from planner.latency.pairs import PairModel
from planner.measurements import PairStatistic, Vantage

Known = tuple[Table, Mask]
FEW = (60, 120, 200, 400)
DRAWS = 3


def site(table: Table, number: int) -> Site:
    """The place of that number as a site."""
    assert table.place is not None
    lat, lon = table.place[number].tolist()
    name = f"{table.name}-{number}"
    return Site(
        id=name,
        provider=table.name,
        kind="region",
        name=name,
        parent=None,
        metro=name,
        country="XX",
        lat=lat,
        lon=lon,
        status="ga",
        partition=table.name,
        network_border_group=name,
        services=frozenset(),
        programs=frozenset(),
        source="benchmark",
        as_of="",
        tags={},
    )


def statistics(table: Table, learn: Mask) -> Iterator[PairStatistic]:
    """What is known, as a study reads it."""
    assert table.place is not None
    for start, end in zip(*np.nonzero(learn & table.known), strict=True):
        here = Vantage(f"{table.name}:{start}", "XX", *table.place[start].tolist())
        rtt = float(table.rtt[start, end])
        yield PairStatistic(
            vantage=here,
            site_id=f"{table.name}-{end}",
            quantile=0.5,
            rtt_ms=rtt,
            lower_ms=rtt,
            upper_ms=rtt,
            samples=-1,
            loss_ratio=np.nan,
            kind="published",
            direct=True,
            source="benchmark",
            site_position=tuple(table.place[end].tolist()),
            provider=table.name,
        )


def taught(asked: Table, *known: Known) -> tuple[list[Site], list[PairStatistic]]:
    """The sites of the one that is asked about, and all that is known."""
    return [site(asked, number) for number in range(len(asked.rtt))], [
        each for table, learn in known for each in statistics(table, learn)
    ]


def own(asked: Table, *known: Known) -> tuple[Array, Array, Array]:
    """Estimate, lower and upper bound by a model for each network."""
    sites, heard = taught(asked, *known)
    return network_models(sites, heard).predict(asked.place, sites)


def pooled(asked: Table, *known: Known) -> tuple[Array, Array, Array]:
    """By one model for all."""
    sites, heard = taught(asked, *known)
    return NetworkModels({asked.name: pair_model(sites, heard)}).predict(asked.place, sites)


def looked_at(asked: Table, judge: Mask, found: tuple[Array, Array, Array]) -> tuple[Array, Mask]:
    """Relative errors, and whether the intervals held."""
    estimate, lower, upper = (each[judge] for each in found)
    truth = asked.rtt[judge]
    return np.abs(estimate / truth - 1.0), (lower <= truth) & (truth <= upper)


def cases(asked: Table, other: Table, split: str) -> Iterator[tuple[Mask, Mask, Mask]]:
    """What is known of either, and what of ``asked`` is to be predicted."""
    assert asked.place is not None
    assert other.place is not None
    if split == "pairs":
        for (learn, judge), (beside, _) in zip(hide(asked, split), hide(other, split), strict=True):
            yield learn, beside, judge
        return
    for place, (learn, judge) in islice(enumerate(hide(asked, split)), 0, None, 3):
        away = pairwise_km(*asked.place[[place]].T, *other.place.T)[0] > SAME_METRO_KM
        yield learn, other.known & np.outer(away, away), judge


def print_mixed(one: Table, other: Table) -> None:
    """All tables of this module."""
    print("\nTwo networks in one study: median relative error, and what the 90 % intervals held")
    print("| network | hidden | alone | | beside | | pooled | |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for asked, beside in ((one, other), (other, one)):
        for split in ("pairs", "vantage, unseen"):
            found: list[list[tuple[Array, Mask]]] = [[], [], []]
            for learn, more, judge in cases(asked, beside, split):
                for number, each in enumerate(
                    (
                        own(asked, (asked, learn)),
                        own(asked, (asked, learn), (beside, more)),
                        pooled(asked, (asked, learn), (beside, more)),
                    )
                ):
                    found[number].append(looked_at(asked, judge, each))
            print(f"| {asked.name} | {split} | " + " | ".join(map(cells, found)) + " |", flush=True)
    print_few(one, other)
    print("\nA network of which nothing is known, as another predicts it")
    print("| network | taught by | line | curve | model | held as at home | held as borrowed |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for asked, teacher in ((other, one), (one, other)):
        print_unknown(asked, teacher)


def print_few(known: Table, asked: Table) -> None:
    """What some pairs of a network say of the rest of it: by themselves, or with another's."""
    print(f"\n{asked.name}, few of its pairs known and all of {known.name}")
    print("| pairs | its own alone | | both pooled | | held as borrowed |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    off = asked.known & ~np.eye(len(asked.rtt), dtype=bool)
    for count in FEW:
        found: list[list[tuple[Array, Mask]]] = [[], [], []]
        for seed in range(DRAWS):
            chosen = np.random.default_rng(seed).permutation(np.argwhere(off))[:count]
            learn = np.zeros(off.shape, dtype=bool)
            learn[tuple(chosen.T)] = True
            judge = off & ~learn & ~learn.T
            sites, heard = taught(asked, (known, known.known), (asked, learn))
            mine = [each for each in heard if each.provider == asked.name]
            both = pair_model(sites, heard)
            for number, model in enumerate((pair_model(sites, mine), both, replace(both, foreign=True))):
                found[number].append(looked_at(asked, judge, model.predict(asked.place, asked.place)))
        held = f"{np.concatenate([inside for _, inside in found[2]]).mean():.1%}"
        print(f"| {count} | {cells(found[0])} | {cells(found[1])} | {held} |", flush=True)


def print_unknown(asked: Table, teacher: Table) -> None:
    """One row."""
    judge = asked.known & ~np.eye(len(asked.rtt), dtype=bool)
    model: PairModel = pair_model(*taught(asked, (teacher, teacher.known)))
    truth, km = asked.rtt[judge], asked.km[judge]
    slope, intercept = np.polyfit(teacher.km[teacher.known], teacher.rtt[teacher.known], 1)
    line, curve = intercept + slope * km, model.distance.estimate_ms(km)
    home, away = (
        looked_at(asked, judge, each.predict(asked.place, asked.place))
        for each in (model, replace(model, foreign=True))
    )
    medians = [
        f"{np.median(each):.1%}" for each in (np.abs(line / truth - 1), np.abs(curve / truth - 1), home[0])
    ]
    held = f"{home[1].mean():.1%} | {away[1].mean():.1%}"
    print(f"| {asked.name} | {teacher.name} | {' | '.join(medians)} | {held} |")


def cells(found: list[tuple[Array, Mask]]) -> str:
    """Median error and share held, as two cells."""
    error, held = (np.concatenate(each) for each in zip(*found, strict=True))
    return f"{np.median(error):.1%} | {held.mean():.1%}"
