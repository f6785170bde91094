"""One study: a TOML file, validated, frozen [I/O].

Whatever the format knows but this version does not enforce is refused by name: a rule that is read and
then forgotten would be a promise nobody keeps.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from planner.catalog import SITE_KINDS, OutpostTerms
from planner.datadir import data_dir
from planner.jurisdictions import load_countries, load_jurisdictions, nearest_country
from planner.study_values import (
    MINIMIZE,
    STATISTICS,
    CandidateSpec,
    DemandSpec,
    LatencyObjective,
    Limits,
    Minimize,
    OutpostSpec,
    ProgramRule,
    ResidencyRule,
    Selector,
    Study,
    StudyError,
    Workload,
)
from planner.study_writing import study_document, study_toml
from probes.strict_toml import InputError, Table, parse_toml, read_toml

__all__ = [
    "MINIMIZE",
    "STATISTICS",
    "CandidateSpec",
    "DemandSpec",
    "LatencyObjective",
    "Limits",
    "Minimize",
    "OutpostSpec",
    "ProgramRule",
    "ResidencyRule",
    "Selector",
    "Study",
    "StudyError",
    "Workload",
    "load_study",
    "parse_study",
    "shipped_studies",
    "study_document",
    "study_from_document",
    "study_toml",
]

NOT_ENFORCED: Final = "is not enforced by this version"

MOST_INSTANCES: Final = 1_000_000


def load_study(path: str | Path) -> Study:
    """The study in a file. Raises :class:`StudyError` on anything unknown, malformed or out of range."""
    file = Path(path)
    return replace(_study(read_toml(file, StudyError), file.parent), path=file)


def parse_study(text: str, *, name: str, directory: Path) -> Study:
    """The study in TOML ``text``; ``name`` stands for the file in complaints.

    A relative ``demand.csv`` is taken from ``directory``.
    """
    return _study(parse_toml(text, name, StudyError), directory)


def study_from_document(document: Mapping[str, Any], *, name: str, directory: Path) -> Study:
    """The study in a parsed TOML document, with the same checks as :func:`parse_study`."""
    return _study(Table(dict(document), name, "", StudyError), directory)


def shipped_studies() -> tuple[Path, ...]:
    """The studies that ship with edgeplan, in the order of their file names."""
    return tuple(sorted((data_dir() / "studies").glob("*.toml")))


def _providers() -> tuple[str, ...]:
    return tuple(sorted(path.name for path in (data_dir() / "providers").iterdir() if path.is_dir()))


def _study(table: Table, directory: Path) -> Study:
    _refuse_unenforced(table)
    name = table.text("name")
    if not name.isprintable():
        raise table.fault("name", f"{name!r} holds a control character")
    title, summary = table.text("title", ""), table.text("summary", "")
    demand = _demand(table.table("demand"), directory)
    candidates, premium = _candidates(table.table("candidates"))
    study = Study(
        name=name,
        title=title,
        summary=summary,
        demand=demand,
        candidates=candidates,
        local_zone_premium=premium,
        workload=_workload(table.table("workload", {})),
        latency=_latency(table.table("latency", {})),
        minimize=_minimize(table.table("objective", {})),
        budget_usd_per_month=_budget(table.table("budget", {})),
        limits=_limits(table.table("limits", {})),
        current_open=_current(table.table("current", {})),
        rules=tuple(_rule(rule) for rule in table.tables("rule")),
    )
    table.close()
    _check_size(table, study.demand, study.workload)
    return study


def _refuse_unenforced(table: Table) -> None:
    """Refuse what the format knows but no rule enforces yet, before anything else is read."""
    resilience = table.table("resilience", {})
    survive = resilience.text("survive", "none", choices=("none", "site", "metro", "region"))
    if survive != "none":
        raise resilience.fault("survive", f"{survive!r} {NOT_ENFORCED}")
    for key in ("backup_within_ms", "rto", "rpo"):
        if resilience.has(key):
            raise resilience.fault(key, NOT_ENFORCED)
    resilience.close()
    if table.has("routing"):
        routing = table.table("routing")
        for key in ("policy", "ttl_s"):
            if routing.has(key):
                raise routing.fault(key, NOT_ENFORCED)
        routing.close()
        raise table.fault("routing", NOT_ENFORCED)


def _demand(table: Table, directory: Path) -> DemandSpec:
    if table.has("cities") == table.has("csv"):
        raise table.fault("cities", 'give either cities = { ... } or csv = "...", and not both')
    csv = table.text("csv", None)
    if csv is not None and not csv.isprintable():
        raise table.fault("csv", f"{csv!r} holds a control character")
    cities = table.table("cities", {})
    default = DemandSpec()
    spec = DemandSpec(
        countries=_countries(cities, "countries", default.countries, {*load_countries(), "*"}),
        top=cities.number("top", default.top, low=1, whole=True),
        csv=None if csv is None else directory / csv,
        peak_rps=table.number("peak_rps", default.peak_rps, low=0, high=1e12),
        requests_per_month=table.number("requests_per_month", default.requests_per_month, low=0, high=1e18),
    )
    cities.close()
    table.close()
    return spec


def _candidates(table: Table) -> tuple[CandidateSpec, float]:
    default = CandidateSpec()
    spec = CandidateSpec(
        providers=_several(table, "provider", default.providers, _providers(), "provider"),
        kinds=_several(table, "kinds", default.kinds, SITE_KINDS, "kind of site"),
        include=_several(table, "include", default.include),
        exclude=table.texts("exclude", default.exclude),
        outposts=tuple(_outpost(outpost) for outpost in table.tables("outpost")),
    )
    for id_, count in Counter(outpost.id for outpost in spec.outposts).items():
        if count > 1:
            raise table.fault("outpost", f"{count} outposts have the id {id_!r}")
    premium = table.number("local_zone_premium", 0.20, low=0, high=10)
    table.close()
    return spec, premium


def _outpost(table: Table) -> OutpostSpec:
    id_, country = table.text("id"), table.text("country")
    if country not in load_countries():
        raise _country_fault(table, "country", country)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", id_):
        raise table.fault("id", f"{id_!r} is not made of letters, digits, dots, dashes and underscores")
    spec = OutpostSpec(
        id=id_,
        country=country,
        lat=table.number("lat", low=-90, high=90),
        lon=table.number("lon", low=-180, high=180),
        parent=table.text("parent"),
        terms=OutpostTerms(
            capacity_rps=table.number("capacity_rps", above=0, high=1e12),
            upfront_usd=table.number("upfront_usd", low=0, high=1e12),
            monthly_usd=table.number("monthly_usd", low=0, high=1e12),
            term_months=table.number("term_months", low=1, high=1200, whole=True),
            host=table.text("host", None),
        ),
    )
    table.close()
    return spec


def _workload(table: Table) -> Workload:
    default = Workload()
    workload = Workload(
        services=table.texts("services", default.services),
        instance=table.text("instance", default.instance),
        rps_per_instance=table.number("rps_per_instance", default.rps_per_instance, low=0.001, high=1e9),
        min_instances=table.number("min_instances", default.min_instances, low=0, high=1e6, whole=True),
        response_kb=table.number("response_kb", default.response_kb, low=0, high=1e9),
        home_share=table.number("home_share", default.home_share, low=0, high=1),
    )
    table.close()
    return workload


def _check_size(table: Table, demand: DemandSpec, workload: Workload) -> None:
    """A fleet beyond every cloud is a slip of the pen, and no integer programme would survive it."""
    instances = demand.peak_rps / workload.rps_per_instance
    if instances > MOST_INSTANCES:
        words = (
            f"{workload.rps_per_instance:g} makes {instances:.3g} instances of {demand.peak_rps:g} requests"
        )
        raise table.fault(
            "workload.rps_per_instance", f"{words} a second; at most {MOST_INSTANCES:,} are planned"
        )


def _latency(table: Table) -> LatencyObjective:
    default = LatencyObjective()
    covers_nothing = table.has("coverage") and not table.has("slo_ms")
    latency = LatencyObjective(
        statistic=_statistic(table, default.statistic),
        bound=table.text("bound", default.bound, choices=("estimate", "upper")),
        slo_ms=table.number("slo_ms", None, above=0),
        coverage=table.number("coverage", default.coverage, above=0, high=1),
        max_ms=table.number("max_ms", None, above=0),
        metro_km=table.number("metro_km", default.metro_km, low=0),
        vantage_km=table.number("vantage_km", default.vantage_km, low=0),
    )
    table.close()
    if covers_nothing:
        raise table.fault("coverage", "is a share of demand within slo_ms, which is not given")
    return latency


def _statistic(table: Table, default: str) -> str:
    statistic: str = table.text("statistic", default)
    if not re.fullmatch("p[5-9][0-9]", statistic):
        raise table.fault(
            "statistic",
            f"{statistic!r} is not a percentile from p50 to p99",
            STATISTICS if re.fullmatch("[Pp]?[5-9][0-9]%?", statistic) else (),
            statistic,
        )
    return statistic


def _minimize(table: Table) -> Minimize:
    minimize: Minimize = table.text("minimize", "cost", choices=MINIMIZE)
    table.close()
    return minimize


def _budget(table: Table) -> float | None:
    budget: float | None = table.number("usd_per_month", None, above=0, high=1e15)
    table.close()
    return budget


def _limits(table: Table) -> Limits:
    limits = Limits(
        min_sites=table.number("min_sites", 1, low=1, whole=True),
        max_sites=table.number("max_sites", None, low=1, whole=True),
        max_changes=table.number("max_changes", None, low=0, whole=True),
    )
    table.close()
    if limits.max_sites is not None and limits.min_sites > limits.max_sites:
        raise table.fault("min_sites", f"{limits.min_sites} is more than max_sites, {limits.max_sites}")
    return limits


def _current(table: Table) -> tuple[str, ...]:
    open_: tuple[str, ...] = table.texts("open", ())
    table.close()
    for id_, count in Counter(open_).items():
        if count > 1:
            raise table.fault("open", f"{id_!r} stands {count} times")
    return open_


def _rule(table: Table) -> ResidencyRule | ProgramRule:
    kind = table.text("kind", choices=("residency", "program", "tags"))
    if kind == "tags":
        raise table.fault("kind", f"'tags' {NOT_ENFORCED}")
    clients = _selector(table.table("clients"), ("jurisdictions", "countries", "classes"))
    rule: ResidencyRule | ProgramRule
    if kind == "residency":
        rule = ResidencyRule(clients, _selector(table.table("sites"), ("jurisdictions", "countries")))
    else:
        rule = ProgramRule(clients, _several(table, "programs", ...))
    table.close()
    return rule


def _selector(table: Table, criteria: Sequence[str]) -> Selector:
    if not any(table.has(key) for key in criteria):
        table.close()
        raise table.fault(criteria[0], f"give at least one of {', '.join(criteria)}")
    selector = Selector(
        jurisdictions=_several(table, "jurisdictions", None, load_jurisdictions(), "jurisdiction"),
        countries=_countries(table, "countries", None, load_countries()),
        classes=_several(table, "classes", None) if "classes" in criteria else (),
    )
    table.close()
    return selector


def _several(
    table: Table, key: str, default: Any, valid: Collection[str] = (), what: str = ""
) -> tuple[str, ...]:
    """At least one string, each one of ``valid`` where given; a default of None means none when absent."""
    given: tuple[str, ...] | None = table.texts(key, default)
    if given is None:
        return ()
    if not given:
        raise table.fault(key, "is empty")
    for name in given:
        if valid and name not in valid:
            raise table.fault(key, f"{name!r} is not a known {what}", valid, name)
    return given


def _countries(
    table: Table, key: str, default: tuple[str, ...] | None, valid: Collection[str]
) -> tuple[str, ...]:
    given = _several(table, key, default)
    for name in given:
        if name not in valid:
            raise _country_fault(table, key, name)
    return given


def _country_fault(table: Table, key: str, name: str) -> InputError:
    hint = nearest_country(name)
    return table.fault(key, f"{name!r} is not a known ISO 3166 country code", (hint,) if hint else (), hint)
