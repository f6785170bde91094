"""A study with something changed, and how its plan differs from the base plan."""

from __future__ import annotations

import copy
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from planner.plan import Plan
from planner.study import Routing, Study, StudyError, study_document, study_from_document

LARGEST_FACTOR: Final = 1e6

_TAKES_THE_PLACE_OF: Final = {"cities": "csv", "csv": "cities"}
"""In [demand], setting the one answer to "who asks?" drops the other."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What ``other`` does that ``base`` does not. Deltas are other minus base. Where either
    decided nothing there is nothing to compare: no site opens or closes, and every delta is None.

    ``minimize`` is what both make least, None where they differ in that. ``within_gap``: what each could be
    at best, between its lower bound and its objective, overlaps, so that no change of it is proven.

    ``moved_share``: share of the demand served by another site than before; clients that only one plan has
    do not count. ``cost_items_usd_month`` maps an item to its delta.
    """

    opened: tuple[str, ...]
    closed: tuple[str, ...]
    moved_share: float | None
    cost_usd_month: float | None
    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    max_ms: float | None
    coverage: float | None
    cost_items_usd_month: Mapping[str, float]
    minimize: str | None = None
    within_gap: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """What somebody asks to have changed, as arguments of a command say it (:func:`vary`)."""

    sets: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    announced: tuple[Mapping[str, Any], ...] = ()
    prices: tuple[Mapping[str, Any], ...] = ()

    def of(self, study: Study, *, demand_factor: float = 1.0) -> Study:
        """``study`` with the changes. Raises :class:`StudyError`, which names the argument."""
        return vary(
            study,
            sets=self.sets,
            without=self.without,
            announced=self.announced,
            prices=self.prices,
            demand_factor=demand_factor,
            place="--set",
        )

    def blame(self, fault: StudyError) -> StudyError:
        """``fault`` of the changed study, whose base is sound, with the argument in the place of the file."""
        return blame(fault, self.sets, self.without)

    def blame_rows(self, fault: StudyError) -> StudyError:
        """``fault`` of the changed study, whose base nobody tried: its argument only where a row is wrong."""
        added = {"--announce": self.announced, "--price": self.prices}
        argument = _argument(fault, self.sets)
        return self.blame(fault) if argument is not None and added[argument] else fault


def vary(
    study: Study,
    *,
    sets: Sequence[tuple[str, str]] = (),
    without: Sequence[str] = (),
    announced: Sequence[Mapping[str, Any]] = (),
    prices: Sequence[Mapping[str, Any]] = (),
    demand_factor: float = 1.0,
    place: str = "what-if",
) -> Study:
    """``study`` with keys set, sites excluded and demand multiplied; checked as if it had been written so.

    ``sets`` are dotted keys of the study's file and values as TOML would write them (a bare word is text;
    nothing at all takes the key away, back to its default). ``without`` are site ids or globs, ``announced``
    and ``prices`` further rows of ``[[candidates.announced]]`` and ``[[price_change]]``. ``demand_factor``
    multiplies requests, per second and per month, and DNS queries. Raises :class:`StudyError`, in which
    ``place`` stands for the file.
    """
    document = copy.deepcopy(study_document(study))
    for key, value in sets:
        _set(document, key, value, place)
    if announced:
        zones = document["candidates"].setdefault("announced", [])
        zones += [dict(zone) for zone in announced]
    if prices:
        document["price_change"] = [*document.get("price_change", ()), *map(dict, prices)]
    check_factor(demand_factor)
    directory = Path() if study.path is None else study.path.parent
    try:
        varied = study_from_document(document, name=place, directory=directory)
    except StudyError as fault:
        raise (fault if _argument(fault, sets) is None else blame(fault, sets, without)) from None
    demand, candidates = varied.demand, varied.candidates
    return replace(
        varied,
        path=study.path,
        demand=replace(
            demand,
            peak_rps=demand.peak_rps * demand_factor,
            requests_per_month=demand.requests_per_month * demand_factor,
        ),
        routing=_asked_as_often(varied.routing, demand_factor),
        candidates=replace(candidates, exclude=(*candidates.exclude, *without)),
    )


def check_factor(factor: float) -> None:
    """Raises :class:`StudyError` for so many times the demand that make no sense."""
    if not 0 < factor <= LARGEST_FACTOR:
        raise StudyError("--demand", f"{factor:g} is not a factor above 0 and up to {LARGEST_FACTOR:g}")


def zone_row(text: str) -> dict[str, str | float]:
    """A row of ``[[candidates.announced]]`` from "ID,PARENT,COUNTRY,LAT,LON", or with blanks for commas.

    Raises :class:`StudyError`.
    """
    try:
        id_, parent, country, lat, lon = text.replace(",", " ").split()
        return {"id": id_, "parent": parent, "country": country, "lat": float(lat), "lon": float(lon)}
    except ValueError:
        raise StudyError("--announce", f"{text!r} is not of the form ID,PARENT,COUNTRY,LAT,LON") from None


def price_row(text: str) -> dict[str, Any]:
    """A row of ``[[price_change]]`` from "ITEM=X1.3" or "ITEM@SITES=X1.3", with the X or without.

    Raises :class:`StudyError`.
    """
    what, _, times = text.rpartition("=")
    item, at, sites = (part.strip() for part in what.partition("@"))
    try:
        if not item or bool(at) != bool(sites):
            raise ValueError
        factor = float(times.strip().lower().removeprefix("x"))
    except ValueError:
        raise StudyError("--price", f"{text!r} is not of the form ITEM=X1.3 or ITEM@SITES=X1.3") from None
    return {"item": item, "factor": factor} | ({"sites": [sites]} if sites else {})


def _asked_as_often(routing: Routing | None, factor: float) -> Routing | None:
    """So many times the DNS queries: who asks for the service asks where it is."""
    if routing is None or routing.queries_per_month is None:
        return routing
    return replace(routing, queries_per_month=routing.queries_per_month * factor)


def _set(document: dict[str, Any], key: str, value: str, place: str) -> None:
    *tables, last = key.split(".")
    if not all((*tables, last)):
        raise StudyError(place, f"{key!r} is not a dotted key such as latency.slo_ms")
    table = document
    for depth, name in enumerate(tables, start=1):
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            raise StudyError(
                place, "is not a table; change it in the study's file", column=".".join(tables[:depth])
            )
        table = inner
    if value.strip():
        table[last] = _value(value)
        if tables[:1] == ["demand"]:
            document["demand"].pop(_TAKES_THE_PLACE_OF.get((*tables, last)[1]), None)
    else:
        table.pop(last, None)
        if key == "latency.slo_ms":
            table.pop("coverage", None)


def _value(text: str) -> Any:
    """``text`` as a TOML value; what is not one is a bare word, and means itself."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text.strip()
    return parsed["value"] if len(parsed) == 1 else text.strip()


def difference(base: Plan, other: Plan) -> Difference:
    """How ``other`` differs from ``base``."""
    before, after = set(base.open), set(other.open)
    decided = base.kpi is not None and other.kpi is not None

    def delta(name: str) -> float | None:
        return float(getattr(other.kpi, name) - getattr(base.kpi, name)) if decided else None

    minimize = base.minimize if decided and base.minimize == other.minimize else None
    items = dict.fromkeys((*base.cost_items, *other.cost_items)) if decided else {}
    return Difference(
        opened=tuple(sorted(after - before)) if decided else (),
        closed=tuple(sorted(before - after)) if decided else (),
        moved_share=_moved_share(base, other) if decided else None,
        cost_usd_month=delta("cost_usd_month"),
        mean_ms=delta("mean_ms"),
        p50_ms=delta("p50_ms"),
        p95_ms=delta("p95_ms"),
        max_ms=delta("max_ms"),
        coverage=delta("coverage"),
        cost_items_usd_month={
            item: other.cost_items.get(item, 0.0) - base.cost_items.get(item, 0.0) for item in items
        },
        minimize=minimize,
        within_gap=minimize is not None and _overlap(base, other),
    )


def _overlap(base: Plan, other: Plan) -> bool:
    """Whether the ranges that proof leaves to the two best objectives overlap.

    Where the objectives are one and the same number, nothing has changed either.
    """
    bounds = (base.lower_bound, base.objective, other.lower_bound, other.objective)
    low, high, other_low, other_high = (math.nan if bound is None else bound for bound in bounds)
    return other_low <= high and low <= other_high


def blame(fault: StudyError, sets: Sequence[tuple[str, str]], without: Sequence[str]) -> StudyError:
    """``fault`` of a varied study whose base is sound, with what was asked for in the place of the file."""
    if fault.column == "candidates.exclude" and any(fault.message.startswith(repr(site)) for site in without):
        return StudyError("--without", fault.message, nearest=fault.nearest)
    argument = _argument(fault, sets)
    if argument is not None:
        key = (fault.column or "").partition("].")[2] or None
        return StudyError(argument, fault.message, column=key, nearest=fault.nearest)
    keys = [key for key, _ in sets]
    by_key = fault.column in keys or (bool(keys) and not without)
    return StudyError(
        "--set" if by_key else "what-if", fault.message, column=fault.column, nearest=fault.nearest
    )


def _argument(fault: StudyError, sets: Sequence[tuple[str, str]]) -> str | None:
    """The argument that adds rows to the array that ``fault`` is about."""
    arrays = {"candidates.announced": "--announce", "price_change": "--price"}
    set_whole = [key for key, _ in sets]
    column = fault.column or ""
    return next((arrays[key] for key in arrays if column.startswith(key) and key not in set_whole), None)


def _moved_share(base: Plan, other: Plan) -> float:
    before = {served.client_id: served.site_id for served in base.assignments}
    both = [served for served in other.assignments if served.client_id in before]
    total = math.fsum(served.weight for served in both)
    moved = math.fsum(served.weight for served in both if before[served.client_id] != served.site_id)
    return moved / total if total > 0 else 0.0
