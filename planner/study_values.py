"""What a study is: the frozen values its TOML file is read into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

from planner.catalog import OutpostTerms
from planner.study_access import Access
from planner.study_supposed import AnnouncedZone, PriceChange
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
class TagsRule:
    """A client only from sites whose tag ``key`` has the value of its own, as ABAC compares them.

    ``clients`` None: those that carry the tag. A selected client without it may be served by no site.
    """

    key: str
    clients: Selector | None = None


GroupBy = Literal["metro", "country", "parent", "provider", "jurisdiction"]
GROUPS_BY: Final[tuple[str, ...]] = get_args(GroupBy)


@dataclass(frozen=True, slots=True)
class GroupRule:
    """Open sites counted by group: in each ``at_most`` so many, and in at least ``at_least`` of them one.

    ``kinds``: of these kinds of site only. By jurisdiction, the groups are ``jurisdictions``, and a site may
    stand in several.
    """

    by: GroupBy
    kinds: tuple[str, ...] = ()
    jurisdictions: tuple[str, ...] = ()
    at_most: int | None = None
    at_least: int | None = None


@dataclass(frozen=True, slots=True)
class CapacityRule:
    """Each open site among ``sites`` (ids or globs) carries ``min_rps`` to ``max_rps`` requests a second."""

    sites: tuple[str, ...]
    min_rps: float | None = None
    max_rps: float | None = None


Rule = ResidencyRule | ProgramRule | TagsRule | GroupRule | CapacityRule
RULE_KINDS: Final[Mapping[str, type[Rule]]] = {
    "residency": ResidencyRule,
    "program": ProgramRule,
    "tags": TagsRule,
    "group": GroupRule,
    "capacity": CapacityRule,
}


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
    """A rack on the user's own premises. With ``sizes`` (name and terms), at most one of them is bought."""

    id: str
    country: str
    lat: float
    lon: float
    parent: str
    terms: OutpostTerms
    tags: tuple[str, ...] = ()
    sizes: tuple[tuple[str, OutpostTerms], ...] = ()

    @property
    def site_ids(self) -> tuple[str, ...]:
        """The ids of the candidates it makes: its own, or one for each size ("op-madrid-1.large")."""
        return tuple(self.terms_of)

    @property
    def terms_of(self) -> Mapping[str, OutpostTerms]:
        """The terms of each of these candidates, by its id."""
        return {f"{self.id}.{name}": terms for name, terms in self.sizes} or {self.id: self.terms}


@dataclass(frozen=True, slots=True)
class CandidateSpec:
    """``include`` and ``exclude`` are ids or globs. Status other than ga needs the exact id included.

    ``tags``: ids or globs, each with the tags ("key=value") of the sites it matches.
    """

    providers: tuple[str, ...] = ("aws",)
    kinds: tuple[str, ...] = ("region",)
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    outposts: tuple[OutpostSpec, ...] = ()
    tags: tuple[tuple[str, tuple[str, ...]], ...] = ()
    announced: tuple[AnnouncedZone, ...] = ()


@dataclass(frozen=True, slots=True)
class HomeTier:
    """The stateful tier in one home Region: a request makes ``client_trips`` round trips between client and
    site and ``home_trips`` between site and home. ``region``: its id, or "auto"."""

    region: str = "auto"
    client_trips: float = 1.0
    home_trips: float = 1.0


@dataclass(frozen=True, slots=True)
class Workload:
    """What one request needs, and how the service is sized.

    ``headroom``: what is kept free above the peak. ``committed_share`` of the instances is paid at the
    discount of ``commitment``. ``cross_zone_kb`` of each request cross between zones of a Region.
    ``instance``: a type that every provider of the study knows, or one for each (:meth:`instance_of`).
    """

    services: tuple[str, ...] = ("ec2",)
    instance: str | tuple[tuple[str, str], ...] = "m5.xlarge"
    rps_per_instance: float = 400.0
    min_instances: int = 2
    response_kb: float = 40.0
    home_share: float = 0.0
    headroom: float = 0.0
    commitment: str | None = None
    committed_share: float = 1.0
    cross_zone_kb: float = 0.0
    home: HomeTier | None = None

    def instance_of(self, provider: str) -> str:
        """The instance type that runs at a provider's sites. Raises ``KeyError`` where none is said."""
        return self.instance if isinstance(self.instance, str) else dict(self.instance)[provider]


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
    """How many sites, and how many may differ from what runs today; with nothing running, each one does.

    Utilisation is the load of an open site over its capacity, where it has one.
    """

    min_sites: int = 1
    max_sites: int | None = None
    max_changes: int | None = None
    min_utilisation: float = 0.0
    max_utilisation: float = 1.0


@dataclass(frozen=True, slots=True)
class Network:
    """Direct Connect at the sites ``direct_connect`` (ids or globs): ``ports`` of ``gbps`` each, which take
    ``share`` of the traffic that leaves there."""

    direct_connect: tuple[str, ...] = ()
    gbps: float = 1.0
    ports: int = 2
    share: float = 1.0


Survive = Literal["none", "site", "metro", "region"]
SURVIVE: Final[tuple[str, ...]] = get_args(Survive)


@dataclass(frozen=True, slots=True)
class Resilience:
    """What may fail, and how soon and how complete the service is back.

    ``survive``: while any one of these is down, an open backup within ``backup_within_ms`` has room for each
    of its clients. ``rto_s``, ``rpo_s``: recovery time and point objectives of the data, the home tier's or
    those of every site, of which there are ``data_gb``, ``change_gb_per_day`` of them changing.
    """

    survive: Survive = "none"
    backup_within_ms: float | None = None
    zones_fail_with_parent: bool = True
    rto_s: float | None = None
    rpo_s: float | None = None
    data_gb: float = 0.0
    change_gb_per_day: float = 0.0

    @property
    def recovers(self) -> bool:
        """Whether anything is asked of the recovery."""
        return self.rto_s is not None or self.rpo_s is not None


Policy = Literal["auto", "route53-latency", "route53-geoproximity", "global-accelerator"]
POLICIES: Final[tuple[str, ...]] = get_args(Policy)


@dataclass(frozen=True, slots=True)
class Routing:
    """How clients find their site, and what finds out that it is gone.

    ``queries_per_month``: DNS queries that resolvers ask in all; None = not said, so not priced.
    """

    policy: Policy = "auto"
    ttl_s: float = 60.0
    check_interval_s: int = 30
    failure_threshold: int = 3
    client_cache_s: float = 0.0
    static_addresses: bool = False
    queries_per_month: float | None = None


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
    rules: tuple[Rule, ...] = ()
    local_zone_premium: float = 0.20
    title: str = ""
    summary: str = ""
    prices: Path | None = None
    price_changes: tuple[PriceChange, ...] = ()
    network: Network = field(default_factory=Network)
    resilience: Resilience = field(default_factory=Resilience)
    routing: Routing | None = None
    access: Access = field(default_factory=Access)
    path: Path | None = None

    @property
    def client_selectors(self) -> tuple[tuple[int, Selector], ...]:
        """Which clients the rules speak of, with each rule's number, from 1."""
        numbered = enumerate(self.rules, start=1)
        return tuple(
            (position, rule.clients)
            for position, rule in numbered
            if isinstance(rule, ResidencyRule | ProgramRule | TagsRule) and rule.clients is not None
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the study asks for that does less than it seems to."""
        notes = [
            f"rule[{position}] speaks of clients of class {', '.join(selector.classes)}: cities carry no"
            " classes, so none is selected by class; give the clients as demand.csv"
            for position, selector in self.client_selectors
            if selector.classes and self.demand.csv is None
        ]
        if self.access.classes and self.demand.csv is None:
            notes.append(
                "access.class selects nobody: cities carry no classes; give the clients as demand.csv"
            )
        if self.access.lines and not self.access.adds:
            notes.append("access.line changes nothing: nobody is given an access line")
        if self.limits.max_changes is not None and not self.current_open:
            notes.append("limits.max_changes counts every open site: [current] names none that runs today")
        if self.limits.max_changes is None and self.current_open:
            notes.append(
                "[current] changes nothing: only limits.max_changes, which is not given, looks at it"
            )
        if self.limits.min_utilisation > 0 and not self._has_capacities:
            notes.append(
                "limits.min_utilisation binds no site: none has one, a rack's or a capacity rule's max_rps"
            )
        if self.workload.home_share > 0 and self.workload.home is None and not self._has_parents:
            notes.append(
                "workload.home_share costs nothing: no zone and no rack is a candidate, and there is no"
                " [workload.home]"
            )
        routing, default = self.routing, Routing()
        if routing is not None and routing.policy == "global-accelerator":
            notes += [
                f"routing.{key} counts for nothing: an accelerator's addresses stay"
                for key in ("ttl_s", "client_cache_s")
                if getattr(routing, key) != getattr(default, key)
            ]
        return tuple(notes)

    @property
    def _has_capacities(self) -> bool:
        limited = any(isinstance(rule, CapacityRule) and rule.max_rps is not None for rule in self.rules)
        return limited or bool(self.candidates.outposts)

    @property
    def _has_parents(self) -> bool:
        """Whether a zone or a rack, which have a parent Region, may be a candidate."""
        spec = self.candidates
        return set(spec.kinds) != {"region"} or bool(spec.outposts) or bool(spec.announced)
