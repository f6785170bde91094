"""One study: a TOML file, validated, frozen [I/O]."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from planner.catalog import shipped_providers, usual_instance
from planner.datadir import data_dir
from planner.jurisdictions import load_countries
from planner.study_access import Access, AccessLine, read_access
from planner.study_candidates import read_candidates
from planner.study_names import by_provider, countries
from planner.study_resilience import read_home, read_network, read_resilience, read_routing
from planner.study_rules import read_rule
from planner.study_supposed import read_price_change
from planner.study_values import (
    MINIMIZE,
    STATISTICS,
    CandidateSpec,
    CapacityRule,
    DemandSpec,
    GroupRule,
    HomeTier,
    LatencyObjective,
    Limits,
    Minimize,
    Network,
    OutpostSpec,
    ProgramRule,
    ResidencyRule,
    Resilience,
    Routing,
    Rule,
    Selector,
    Study,
    StudyError,
    TagsRule,
    Workload,
)
from planner.study_writing import study_document, study_toml
from probes.strict_toml import Table, parse_toml, read_toml

__all__ = [
    "MINIMIZE",
    "STATISTICS",
    "Access",
    "AccessLine",
    "CandidateSpec",
    "CapacityRule",
    "DemandSpec",
    "GroupRule",
    "HomeTier",
    "LatencyObjective",
    "Limits",
    "Minimize",
    "Network",
    "OutpostSpec",
    "ProgramRule",
    "ResidencyRule",
    "Resilience",
    "Routing",
    "Rule",
    "Selector",
    "Study",
    "StudyError",
    "TagsRule",
    "Workload",
    "load_study",
    "parse_study",
    "shipped_studies",
    "study_document",
    "study_from_document",
    "study_toml",
]

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


def _study(table: Table, directory: Path) -> Study:
    name = table.text("name")
    if not name.isprintable():
        raise table.fault("name", f"{name!r} holds a control character")
    title, summary = table.text("title", ""), table.text("summary", "")
    demand = _demand(table.table("demand"), directory)
    candidates, premium = read_candidates(table.table("candidates"))
    study = Study(
        name=name,
        title=title,
        summary=summary,
        demand=demand,
        candidates=candidates,
        local_zone_premium=premium,
        workload=_workload(table.table("workload", {}), candidates.providers),
        latency=_latency(table.table("latency", {})),
        minimize=_minimize(table.table("objective", {})),
        budget_usd_per_month=_budget(table.table("budget", {})),
        limits=_limits(table.table("limits", {})),
        current_open=_current(table.table("current", {})),
        rules=tuple(read_rule(rule) for rule in table.tables("rule")),
        prices=_file(table, "prices", directory),
        price_changes=tuple(read_price_change(change) for change in table.tables("price_change")),
        network=read_network(table.table("network", {})),
        resilience=read_resilience(table.table("resilience", {})),
        routing=read_routing(table.table("routing")) if table.has("routing") else None,
        access=read_access(table.table("access", {})),
    )
    table.close()
    _check_size(table, study.demand, study.workload)
    return study


def _file(table: Table, key: str, directory: Path) -> Path | None:
    name = table.text(key, None)
    if name is not None and not name.isprintable():
        raise table.fault(key, f"{name!r} holds a control character")
    return None if name is None else directory / name


def _demand(table: Table, directory: Path) -> DemandSpec:
    if table.has("cities") == table.has("csv"):
        raise table.fault("cities", 'give either cities = { ... } or csv = "...", and not both')
    cities = table.table("cities", {})
    default = DemandSpec()
    spec = DemandSpec(
        countries=countries(cities, "countries", default.countries, {*load_countries(), "*"}),
        top=cities.number("top", default.top, low=1, whole=True),
        csv=_file(table, "csv", directory),
        peak_rps=table.number("peak_rps", default.peak_rps, above=0, high=1e12),
        requests_per_month=table.number("requests_per_month", default.requests_per_month, low=0, high=1e18),
    )
    cities.close()
    table.close()
    return spec


def _workload(table: Table, providers: tuple[str, ...]) -> Workload:
    default = Workload()
    # "ec2" is a name of one provider's; this one every list of services has.
    services = default.services if providers == ("aws",) else ("virtual-machine",)
    workload = Workload(
        services=table.texts("services", services),
        instance=by_provider(table, "instance", _usual(table, providers), providers, shipped_providers()),
        rps_per_instance=table.number("rps_per_instance", default.rps_per_instance, low=0.001, high=1e9),
        min_instances=table.number("min_instances", default.min_instances, low=0, high=1e6, whole=True),
        response_kb=table.number("response_kb", default.response_kb, low=0, high=1e9),
        home_share=table.number("home_share", default.home_share, low=0, high=1),
        headroom=table.number("headroom", default.headroom, low=0, high=100),
        commitment=table.text("commitment", default.commitment),
        committed_share=table.number("committed_share", default.committed_share, low=0, high=1),
        cross_zone_kb=table.number("cross_zone_kb", default.cross_zone_kb, low=0, high=1e9),
        home=read_home(table.table("home")) if table.has("home") else None,
    )
    shared = table.has("committed_share") or workload.committed_share != default.committed_share
    table.close()
    if shared and workload.commitment is None:
        raise table.fault("committed_share", "is a share paid under commitment, which names none")
    return workload


def _usual(table: Table, providers: tuple[str, ...]) -> str | tuple[tuple[str, str], ...]:
    """The type of a study that names none: one for each of several providers, as their catalogs say."""
    if table.has("instance"):
        return ""
    usual = {provider: usual_instance(provider) for provider in providers}
    missing = [provider for provider, instance in usual.items() if instance is None]
    if missing:
        raise table.fault("instance", f"is required: nothing is usual of {', '.join(missing)}")
    found = {provider: instance for provider, instance in usual.items() if instance is not None}
    return next(iter(found.values())) if len(found) == 1 else tuple(sorted(found.items()))


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
        min_utilisation=table.number("min_utilisation", 0.0, low=0, high=1),
        max_utilisation=table.number("max_utilisation", 1.0, above=0, high=1),
    )
    table.close()
    if limits.min_utilisation > limits.max_utilisation:
        words = f"{limits.min_utilisation:g} is more than max_utilisation, {limits.max_utilisation:g}"
        raise table.fault("min_utilisation", words)
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
