"""Instance types by place: rows of ``services.csv`` and what the API offers.

A row names a family that is offered in every size any Region has, and single types of the others. A place of
which the API names no type keeps its rows: it may be closed to the account, which is not the same as empty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from planner.refresh.answers import OFFERINGS, RACK_ITEMS, Answers
from planner.refresh.rows import Cells, cited

SERVICE: Final = "ec2"
RACK: Final = "outpost"


@dataclass(frozen=True, slots=True)
class OfferChange:
    """What a place offers and did not, or the other way round, by family or type.

    ``first``: nothing was known of what it offers. ``lacks``: the priced types that it does not offer.
    """

    site: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    first: bool
    offered: int
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Offers:
    """``rows`` for ``services.csv``; ``untold`` are the zones of which no type was named."""

    rows: tuple[Cells, ...]
    changes: tuple[OfferChange, ...]
    untold: tuple[str, ...]
    confirmed: int


def compare_offers(
    rows: Iterable[Cells], sites: Iterable[Cells], answers: Answers, priced: Collection[str]
) -> Offers:
    """``sites`` as they are now; ``priced`` are the instance types that plans may ask for."""
    kept, changes, untold = list(rows), [], []
    listed = {each.id for each in answers.regions} | {each.id for each in answers.zones}
    sizes = _sizes(answers.offerings.values())
    confirmed = 0
    for site in sites:
        place = site["site_id"]
        asked = (place if site["kind"] == "region" else site["parent"]) in answers.zones_of
        types = answers.offerings.get(place, frozenset())
        if not asked or place not in listed or site["partition"] != answers.partition:
            continue
        if not types:
            untold.append(place)
            continue
        lacks = tuple(sorted(set(priced) - types))
        change = _claim(kept, site, types, sizes, answers.as_of, lacks)
        confirmed += change is None
        changes += [change] if change else []
    if answers.rack_families:
        change, whole = _racks(kept, answers)
        confirmed += whole and change is None
        changes += [change] if change else []
    return Offers(tuple(kept), tuple(changes), tuple(untold), confirmed)


def _sizes(offered: Iterable[frozenset[str]]) -> Mapping[str, frozenset[str]]:
    """By family, every type of it that is offered anywhere."""
    found: dict[str, set[str]] = defaultdict(set)
    for types in offered:
        for each in types:
            found[each.partition(".")[0]].add(each)
    return {family: frozenset(types) for family, types in found.items()}


def _named(types: frozenset[str], sizes: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """``types`` by family where it is whole, else one by one."""
    families = {each.partition(".")[0] for each in types}
    whole = {family for family in families if sizes.get(family, frozenset({""})) <= types}
    return frozenset(whole | {each for each in types if each.partition(".")[0] not in whole})


def _claim(
    rows: list[Cells],
    row_of_site: Cells,
    types: frozenset[str],
    sizes: Mapping[str, frozenset[str]],
    as_of: str,
    lacks: tuple[str, ...],
) -> OfferChange | None:
    """Write what a site offers into ``rows``; None when that is what stood there, in whatever words."""
    kind, site, group = (row_of_site[column] for column in ("kind", "site_id", "network_border_group"))
    names = _named(types, sizes)
    mine = next((at for at, row in enumerate(rows) if _is_about(row, kind, site)), None)
    cell = ";".join(sorted(names))
    if mine is not None:
        had = _families(rows[mine])
        row = {**rows[mine], "offered": "yes", "verified": "yes", "families": cell, "note": ""}
        rows[mine] = row | {"source": OFFERINGS, "as_of": as_of}
    else:
        # Of two claims as specific as each other the first decides, so a zone goes before its group.
        had = frozenset()
        place = next((at for at, row in enumerate(rows) if _is_about(row, kind, group)), None)
        rows.insert(
            _last(rows, kind) if place is None else place,
            {
                "service": SERVICE,
                "kind": kind,
                "partition": "",
                "site": site,
                "offered": "yes",
                "verified": "yes",
                "families": cell,
                "source": OFFERINGS,
                "as_of": as_of,
                "note": "",
            },
        )
    before = _spelt(had, sizes)
    if before == types:
        return None
    added, removed = (_named(each, sizes) for each in (types - before, before - types))
    return OfferChange(site, tuple(sorted(added)), tuple(sorted(removed)), not had, len(names), lacks)


def _spelt(names: frozenset[str], sizes: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The types that are meant by families and types; a name nobody offers any more stands for itself."""
    return frozenset[str]().union(*(sizes.get(name, frozenset({name})) for name in names))


def _racks(rows: list[Cells], answers: Answers) -> tuple[OfferChange | None, bool]:
    """Write what racks can be ordered with, where the catalog speaks of all of them; and whether that is the
    whole of it. What some Regions say of it adds to the families named, and takes none away; a row that names
    none speaks of all of them."""
    whole = not answers.racks_untold
    at = next((at for at, row in enumerate(rows) if _is_about(row, RACK, "")), None)
    if at is None:
        return None, False
    had = _families(rows[at])
    has = answers.rack_families if whole else had and had | answers.rack_families
    if whole or has != had:
        rows[at] = cited(rows[at], RACK_ITEMS, answers.as_of) | {"families": ";".join(sorted(has))}
    if had == has:
        return None, whole
    added, removed = tuple(sorted(has - had)), tuple(sorted(had - has))
    return OfferChange(RACK, added, removed, not had, len(has), ()), whole


def _is_about(row: Cells, kind: str, site: str) -> bool:
    return (row["service"], row["kind"], row["site"]) == (SERVICE, kind, site)


def _families(row: Cells) -> frozenset[str]:
    return frozenset(name.strip() for name in row.get("families", "").split(";") if name.strip())


def _last(rows: list[Cells], kind: str) -> int:
    """Behind the last claim about instances at that kind of site."""
    mine = [at for at, row in enumerate(rows) if (row["service"], row["kind"]) == (SERVICE, kind)]
    return mine[-1] + 1 if mine else len(rows)
