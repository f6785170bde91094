"""Sites: the rows of ``sites.csv`` and what the APIs say of Regions and zones.

The APIs tell which sites there are, their ids, and whether one must opt in. They do not tell where a site
is: a new one waits in ``pending_sites.csv``, which no plan reads, until somebody has written there what is
missing.
A site that is listed no longer keeps its row, for other files speak of it, but is no candidate any more.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from planner.refresh.answers import REGIONS, ZONES, Answers, RegionSeen, ZoneSeen
from planner.refresh.rows import Cells, cited

PENDING: Final = "pending_sites.csv"

OPEN: Final = "ga"
LEGACY: Final = "legacy"
GONE: Final = "unverified"
OWN: Final = "own"
"""Source of what somebody wrote into ``pending_sites.csv``."""

_OPTS: Final = {"opt-in-not-required": "enabled_by_default"}
_APART: Final = "separate_partition"
_ID: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
_MISSED: Final = "not listed by "
_BEFORE: Final = ", legacy before"
"""Ends the note of a site that went while it was legacy: the API would not say so if it came back."""


@dataclass(frozen=True, slots=True)
class SiteChange:
    """One thing that is not as it was. ``what``: new, gone, changed, needs (held back for what is missing),
    refused (what the API says cannot be written)."""

    site: str
    what: str
    column: str = ""
    was: str = ""
    now: str = ""


@dataclass(frozen=True, slots=True)
class Sites:
    """``rows`` for ``sites.csv``, ``pending`` for ``pending_sites.csv``, ``hosts`` of new Regions."""

    rows: tuple[Cells, ...]
    pending: tuple[Cells, ...]
    hosts: Mapping[str, str]
    changes: tuple[SiteChange, ...]
    confirmed: int


def compare_sites(
    rows: Iterable[Cells],
    pending: Iterable[Cells],
    answers: Answers,
    *,
    groups_in_use: Collection[str],
    countries: Mapping[str, str],
) -> Sites:
    """``groups_in_use`` are the names that other files speak of; ``countries`` name to ISO code."""
    waiting = {row["site_id"]: row for row in pending}
    everything: tuple[RegionSeen | ZoneSeen, ...] = (*answers.regions, *answers.zones)
    seen = {each.id: each for each in everything}
    changes: list[SiteChange] = []
    kept: list[Cells] = []
    confirmed = 0
    for row in rows:
        each = seen.pop(row["site_id"], None)
        if each is not None and row["partition"] == answers.partition:
            now, said = _updated(row, each, answers.as_of, groups_in_use)
            confirmed += not said
        elif _was_asked(row, answers):
            now, said = _gone(row, answers.as_of)
        else:
            now, said = row, ()
        kept.append(now)
        changes += said
    held: list[Cells] = []
    hosts: dict[str, str] = {}
    fresh = [(each, _fresh(each, answers, countries)) for _, each in sorted(seen.items())]
    # Regions first: a zone needs the row of its parent.
    for each, bare in sorted(fresh, key=lambda pair: pair[1]["kind"] != "region"):
        if not _ID.fullmatch(each.id):
            changes.append(SiteChange(each.id, "refused", "site_id", now="is no id of a site"))
            continue
        row = _completed(bare, waiting.get(each.id, {}))
        needs = [column for column in _needed(row) if not row[column]]
        if row["parent"] and row["parent"] not in {other["site_id"] for other in kept}:
            needs.append("its parent's row")
        if needs:
            held.append(row)
            changes.append(SiteChange(each.id, "needs", row["kind"], row["name"], ", ".join(needs)))
            continue
        kept.append(row)
        changes.append(SiteChange(each.id, "new", row["kind"], now=row["name"]))
        if isinstance(each, RegionSeen) and each.endpoint:
            hosts[each.id] = each.endpoint
    changes += [
        SiteChange(site, "gone", "pending", now="waited for its coordinates, and is listed no longer")
        for site, row in waiting.items()
        if site not in {row["site_id"] for row in (*held, *kept)} and _was_asked(row, answers)
    ]
    silent = [row for site, row in waiting.items() if site not in seen and not _was_asked(row, answers)]
    known = {row["site_id"] for row in kept}
    held += [row for row in silent if row["site_id"] not in known]
    return Sites(tuple(kept), tuple(held), hosts, tuple(changes), confirmed)


def _was_asked(row: Cells, answers: Answers) -> bool:
    """Whether the APIs would have named the site."""
    if row["partition"] != answers.partition:
        return False
    return row["kind"] == "region" or row["parent"] in answers.zones_of


def _updated(
    row: Cells, each: RegionSeen | ZoneSeen, as_of: str, groups_in_use: Collection[str]
) -> tuple[Cells, tuple[SiteChange, ...]]:
    now = cited(row, REGIONS if isinstance(each, RegionSeen) else ZONES, as_of)
    note = row.get("note", "")
    if row["status"] in ("planned", GONE) and _is_open(each):
        parts = note.split("; ")
        missed = [part for part in parts if part.startswith(_MISSED)]
        was_legacy = any(part.endswith(_BEFORE) for part in missed)
        now["status"] = LEGACY if was_legacy else OPEN
        now["note"] = "; ".join(part for part in parts if part and part not in missed)
    # A partition of its own takes an account of its own, which the API does not count as opting in.
    told = {"opt_in": "" if row.get("opt_in") == _APART else _opt_in(each)}
    refused: tuple[SiteChange, ...] = ()
    if isinstance(each, ZoneSeen):
        told |= {"zone_id": each.zone_id, "network_border_group": each.border_group}
        group = row["network_border_group"]
        if group not in (each.border_group, each.id) and group in groups_in_use:
            told.pop("network_border_group")
            words = f"{each.border_group}, but other files name {group}"
            refused = (SiteChange(each.id, "refused", "network_border_group", group, words),)
    elif not row.get("dns_suffix"):
        told["dns_suffix"] = _suffix(each)
    now |= {column: text for column, text in told.items() if text}
    columns = ("status", *told)
    changed = tuple(
        SiteChange(each.id, "changed", column, row.get(column, ""), now.get(column, ""))
        for column in columns
        if row.get(column, "") != now.get(column, "")
    )
    return now, (*changed, *refused)


def _is_open(each: RegionSeen | ZoneSeen) -> bool:
    return isinstance(each, RegionSeen) or each.state in ("available", "information", "")


def _gone(row: Cells, as_of: str) -> tuple[Cells, tuple[SiteChange, ...]]:
    """A site that ought to have been named and was not. What was doubtful before says so still."""
    if row["status"] not in (OPEN, LEGACY):
        return row, ()
    source = REGIONS if row["kind"] == "region" else ZONES
    missed = f"{_MISSED}{source} on {as_of}{_BEFORE if row['status'] == LEGACY else ''}"
    note = "; ".join(part for part in (missed, row.get("note", "")) if part)
    now = cited(row, source, as_of) | {"status": GONE, "note": note}
    return now, (SiteChange(row["site_id"], "gone", "status", row["status"], GONE),)


def _fresh(each: RegionSeen | ZoneSeen, answers: Answers, countries: Mapping[str, str]) -> Cells:
    """What the API says of a site the catalog does not know."""
    zone = each if isinstance(each, ZoneSeen) else None
    return {
        "site_id": each.id,
        "kind": zone.kind if zone else "region",
        "name": (zone.name if zone else "") or each.id,
        "parent": zone.region if zone else "",
        "metro": "",
        "country": countries.get(each.country, ""),
        "lat": "",
        "lon": "",
        "coordinates": "",
        "status": OPEN,
        "partition": answers.partition,
        "network_border_group": (zone.border_group if zone else "") or each.id,
        "zone_id": zone.zone_id if zone else "",
        "dns_suffix": "" if isinstance(each, ZoneSeen) else _suffix(each),
        "opt_in": _opt_in(each),
        "announced": "",
        "carrier": "",
        "source": ZONES if zone else REGIONS,
        "as_of": answers.as_of,
        "note": "",
    }


def _completed(bare: Cells, written: Mapping[str, str]) -> Cells:
    """``bare`` with what somebody wrote where the API says nothing."""
    own = ("metro", "country", "lat", "lon", "coordinates", "announced", "carrier", "note")
    more = {column: text for column in own if (text := written.get(column, "").strip())}
    if not more:
        return bare
    row = bare | more
    if row["lat"] and not row["coordinates"]:
        row["coordinates"] = "approximate"
    return row | {"source": f"{bare['source']};{OWN}"}


def _needed(row: Cells) -> tuple[str, ...]:
    """The mobile network of a Wavelength Zone says who can reach it."""
    place = ("lat", "lon", "metro", "country")
    return (*place, "carrier") if row["kind"] == "wavelength_zone" else place


def _opt_in(each: RegionSeen | ZoneSeen) -> str:
    """Whether one must opt in: of the site, not of the account that asks."""
    if not each.opt_in:
        return ""
    return _OPTS.get(each.opt_in, "opt_in" if isinstance(each, RegionSeen) else "zone_group_opt_in")


def _suffix(region: RegionSeen) -> str:
    """``ec2.eu-west-1.amazonaws.com`` -> ``amazonaws.com``."""
    return region.endpoint.partition(f".{region.id}.")[2]
