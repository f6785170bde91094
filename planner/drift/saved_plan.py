"""A plan as it was written to a directory, read back to be checked [I/O]."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from planner.costs import COST_ITEMS
from planner.csv_rows import Row, read_rows
from planner.export import ASSIGNMENT_COLUMNS, MEASURED, PLACEMENT_COLUMNS, as_written
from planner.measured_pairs import read_measured
from planner.measurements import PairStatistic
from planner.study import Study, study_from_document
from probes.strict_toml import InputError

PLAN: Final = "plan.json"
ASSIGNMENTS: Final = "assignments.csv"
PLACEMENTS: Final = "placements.csv"
_USD: Final = "_usd_month"


class SavedPlanError(InputError):
    """A directory that holds no plan, or one that is damaged or cannot be checked."""


@dataclass(frozen=True, slots=True)
class Served:
    """Who serves a client, as planned: its site, its backup if any, and the latency in ms."""

    site: str
    backup: str | None
    latency_ms: float


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """What a plan promised. ``served``: by client; ``costs``: by site, USD a month by item; ``open``: sites
    that run, ``standby`` beside them the Region that stands by, if any.

    ``made``: when, with its time zone, None in a plan that does not say; ``study``: what was asked, None
    likewise; ``stores``: URLs of the measurements it was made from. ``policy``, ``home``, ``strategy``: how
    clients find their site, where the stateful tier stands, what is done when a Region is lost.
    ``measured``: of each pair what the plan was made from, None in a plan that does not say.
    """

    directory: Path
    name: str
    made: datetime | None
    study: Study | None
    stores: tuple[str, ...]
    open: tuple[str, ...]
    served: Mapping[str, Served]
    costs: Mapping[str, Mapping[str, float]]
    minimize: str
    objective: float
    gap: float
    coverage: float
    cost_usd_month: float
    standby: str | None = None
    policy: str | None = None
    home: str | None = None
    strategy: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    measured: tuple[PairStatistic, ...] | None = None


def read_plan(path: Path) -> SavedPlan:
    """The plan whose plan.json that is, or which stands in that directory, with the files beside it.

    Raises :class:`SavedPlanError` where a file is missing, damaged or not the one that was written, and for a
    plan that decided nothing.
    """
    file = path / PLAN if path.is_dir() else path
    document = _document(file)
    hashes = document.get("files")
    told = isinstance(hashes, dict) and MEASURED in hashes
    for name in (ASSIGNMENTS, PLACEMENTS, *((MEASURED,) if told else ())):
        _check_hash(file.with_name(name), hashes)
    costs, standby = _placements(file.with_name(PLACEMENTS))
    served = _assignments(file.with_name(ASSIGNMENTS))
    try:
        made, kpi = document.get("made"), document["kpi"]
        if kpi is None:
            raise SavedPlanError(file, "decided nothing, so there is nothing to check")
        routing, home, recovery = (document.get(key) for key in ("routing", "home", "recovery"))
        plan = SavedPlan(
            directory=file.parent,
            name=str(document["study"]),
            made=None if made is None else datetime.fromisoformat(made["at"]),
            study=None if made is None else _study(file, made),
            stores=() if made is None else tuple(map(str, made["measurements"])),
            open=tuple(map(str, document["open"])),
            served=served,
            costs=costs,
            minimize=str(document["minimize"]),
            objective=float(document["objective"]),
            gap=float(document["gap"]),
            coverage=float(kpi["coverage"]),
            cost_usd_month=float(kpi["cost_usd_month"]),
            standby=standby,
            policy=None if routing is None else str(routing["policy"]),
            home=None if home is None else str(home["region"]),
            strategy=None if recovery is None else str(recovery["strategy"]),
            inputs={str(name): str(digest) for name, digest in document["inputs"].items()},
            measured=read_measured(file.with_name(MEASURED), SavedPlanError) if told else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        if isinstance(fault, InputError):
            raise
        what = f"has no {fault}" if isinstance(fault, KeyError) else str(fault)
        raise SavedPlanError(file, f"is no plan of edgeplan's: {what}") from None
    if plan.made is not None and plan.made.tzinfo is None:
        raise SavedPlanError(file, f"{plan.made.isoformat()} says no time zone", column="made.at")
    for site in sorted({*plan.open} ^ (costs.keys() - {standby} | ({*plan.open} & {standby}))):
        raise SavedPlanError(
            file, f"{site!r} is open here or in {PLACEMENTS}, and not in both", column="open"
        )
    known = {*plan.open, *costs}
    for client, each in served.items():
        if each.site not in known:
            raise SavedPlanError(
                file.with_name(ASSIGNMENTS), f"{client} is at {each.site}, which the plan does not open"
            )
    return plan


def _document(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_bytes())
    except OSError as fault:
        raise SavedPlanError(file, fault.strerror or str(fault)) from None
    except ValueError as fault:  # not JSON, or not UTF-8
        raise SavedPlanError(file, f"is damaged: {fault}") from None
    if not isinstance(document, dict):
        raise SavedPlanError(file, "is no plan of edgeplan's")
    return document


def _check_hash(file: Path, hashes: object) -> None:
    try:
        content = file.read_bytes()
    except OSError as fault:
        raise SavedPlanError(file, fault.strerror or str(fault)) from None
    wanted = hashes.get(file.name) if isinstance(hashes, dict) else None
    if wanted is not None and hashlib.sha256(content).hexdigest() != wanted:
        raise SavedPlanError(file, f"is not the file that {PLAN} was written with: its hash is another")


def _study(file: Path, made: Mapping[str, Any]) -> Study:
    """The study as it stands in the plan; a file that it names is looked for where the study stood."""
    place = file.parent / str(made["file"])
    study = study_from_document(made["study"], name=f"{file}, made.study", directory=place.parent)
    return replace(study, path=place)


def _assignments(file: Path) -> Mapping[str, Served]:
    found: dict[str, Served] = {}
    for row in read_rows(file, ASSIGNMENT_COLUMNS, ("routed_site_id",), SavedPlanError):
        client = as_written(row.text("client_id"))
        if client in found:
            raise row.fault("client_id", f"{client!r} stands in more than one row")
        found[client] = Served(
            site=as_written(row.text("site_id")),
            backup=_optional(row, "backup_site_id"),
            latency_ms=row.number("latency_ms", float("inf"), low=0),
        )
    return found


def _placements(file: Path) -> tuple[Mapping[str, Mapping[str, float]], str | None]:
    """What each site costs by item, and which one stands by; a standby that is open has one sum."""
    costs: dict[str, dict[str, float]] = {}
    standby = None
    optional = ("decided_by", *(f"{item}{_USD}" for item in COST_ITEMS))
    for row in read_rows(file, PLACEMENT_COLUMNS, optional, SavedPlanError):
        site = as_written(row.text("site_id"))
        bill = costs.setdefault(site, {})
        for item in COST_ITEMS:
            bill[item] = bill.get(item, 0.0) + row.number(f"{item}{_USD}", 0.0)
        if row.text("role") == "standby":
            standby = site
    return costs, standby


def _optional(row: Row, column: str) -> str | None:
    cell = row.text(column, None)
    return None if cell is None else as_written(cell)
