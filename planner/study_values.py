"""What a study is: the frozen values its TOML file is read into."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

from planner.catalog import OutpostTerms
from probes.strict_toml import InputError

STATISTICS: Final = ("p50", "p75", "p90", "p95", "p99")
"""The usual choices of a statistic; any whole percentile from p50 to p99 is one."""

Minimize = Literal["cost", "mean_latency", "max_latency"]
MINIMIZE: Final[tuple[str, ...]] = get_args(Minimize)


class StudyError(InputError):
    """The study asks for something unknown, malformed or out of range."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Which clients or which sites a rule speaks of; any given criterion matches (union)."""

    jurisdictions: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResidencyRule:
    """These clients only from those sites; a zone's or rack's parent Region must qualify as well."""

    clients: Selector
    sites: Selector


@dataclass(frozen=True, slots=True)
class ProgramRule:
    """These clients only from sites inside every one of these certification programs."""

    clients: Selector
    programs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DemandSpec:
    """Embedded cities (``countries``, ``top``) or the user's own CSV (``csv``, resolved to a path)."""

    countries: tuple[str, ...] = ("*",)
    top: int = 2000
    csv: Path | None = None
    peak_rps: float = 1000.0
    requests_per_month: float = 1.0e8


@dataclass(frozen=True, slots=True)
class OutpostSpec:
    """A rack on the user's own premises."""

    id: str
    country: str
    lat: float
    lon: float
    parent: str
    terms: OutpostTerms


@dataclass(frozen=True, slots=True)
class CandidateSpec:
    """``include`` and ``exclude`` are ids or globs. Status other than ga needs the exact id included."""

    providers: tuple[str, ...] = ("aws",)
    kinds: tuple[str, ...] = ("region",)
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    outposts: tuple[OutpostSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class Workload:
    """What one request needs, and how the service is sized."""

    services: tuple[str, ...] = ("ec2",)
    instance: str = "m5.xlarge"
    rps_per_instance: float = 400.0
    min_instances: int = 2
    response_kb: float = 40.0
    home_share: float = 0.0


@dataclass(frozen=True, slots=True)
class LatencyObjective:
    """The promise: ``coverage`` of demand within ``slo_ms``, and nobody above ``max_ms``.

    ``vantage_km`` says how far a vantage may speak for clients of its own country; within ``metro_km`` it
    speaks for anyone. ``None`` means no such limit on latency.
    """

    statistic: str = "p50"
    bound: Literal["estimate", "upper"] = "estimate"
    slo_ms: float | None = None
    coverage: float = 0.95
    max_ms: float | None = None
    metro_km: float = 100.0
    vantage_km: float = 500.0

    @property
    def quantile(self) -> float:
        """0.95 for "p95"."""
        return int(self.statistic[1:]) / 100.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How many sites, and how many may differ from what runs today; with nothing running, each one does."""

    min_sites: int = 1
    max_sites: int | None = None
    max_changes: int | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """One question: for whom, among which sites, promising what, under which rules, minimising what."""

    name: str
    demand: DemandSpec
    candidates: CandidateSpec
    workload: Workload = field(default_factory=Workload)
    latency: LatencyObjective = field(default_factory=LatencyObjective)
    minimize: Minimize = "cost"
    budget_usd_per_month: float | None = None
    limits: Limits = field(default_factory=Limits)
    current_open: tuple[str, ...] = ()
    rules: tuple[ResidencyRule | ProgramRule, ...] = ()
    local_zone_premium: float = 0.20
    title: str = ""
    summary: str = ""
    path: Path | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the study asks for that does less than it seems to."""
        notes = [
            f"rule[{position}] speaks of clients of class {', '.join(rule.clients.classes)}: cities carry no"
            " classes, so none is selected by class; give the clients as demand.csv"
            for position, rule in enumerate(self.rules, start=1)
            if rule.clients.classes and self.demand.csv is None
        ]
        if self.limits.max_changes is not None and not self.current_open:
            notes.append("limits.max_changes counts every open site: [current] names none that runs today")
        return tuple(notes)
