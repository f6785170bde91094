"""What was decided: a plan, from the problem's solution to the figures a person reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from planner.measurements import Source
from planner.recovery import Recovery, Way
from planner.study_values import Policy

Termination = Literal["optimal", "feasible", "infeasible", "time_limit"]


@dataclass(frozen=True, slots=True)
class Placement:
    """One open site. ``role`` is "serving"; of a site that serves nobody, "backup" when it does in a failure,
    or "parent" when it is open only for its zones' sake.

    The plan's ``standby`` has the role of that name: what is ready in a Region to serve when another is lost.
    ``decided_by``: the rules that need it, or the price or latency it is open for.
    """

    site_id: str
    provider: str
    kind: str
    parent: str | None
    country: str
    role: Literal["serving", "backup", "parent", "standby"]
    instances: int
    clients: int
    demand_share: float
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    cost_usd_month: float
    cost_items: Mapping[str, float]
    decided_by: str = ""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who serves one client. Bounds and provenance are those of the pair.

    ``routed_site_id``: where routing sends it, None where routing is not planned.
    """

    client_id: str
    country: str
    weight: float
    site_id: str
    backup_site_id: str | None
    latency_ms: float
    latency_lower_ms: float
    latency_upper_ms: float
    provenance: str
    within_slo: bool
    routed_site_id: str | None = None


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that does not hold when everyone goes where the policy sends them, and by how much.

    ``reached`` is what comes of it where ``asked`` is the bound: a share of demand, requests per second of
    ``site_id``, or USD a month. Of a rule on pairs or backups: the share that it does not allow; 0 is asked.
    """

    rule: str
    asked: float
    reached: float
    words: str
    site_id: str | None = None


@dataclass(frozen=True, slots=True)
class RoutedSite:
    """An open site as routed. ``rps``: at the peak; ``worst_rps``: and what the worst failure sends besides.

    ``instances``: enough for that as well as for what the plan assigns and hands over.
    """

    site_id: str
    rps: float
    worst_rps: float
    instances: int
    cost_usd_month: float


@dataclass(frozen=True, slots=True)
class AsRouted:
    """The same sites, with every client where the routing policy sends it: latency, demand within the SLO.

    ``differs``: share of demand served elsewhere than assigned; ``forbidden``: demand that would have to be
    elsewhere for the rules to hold (:mod:`planner.as_routed`). ``shares``: of demand, by site. ``sites``: the
    open ones, by id, which together cost ``cost_usd_month``. ``breaks``: empty where every rule holds.
    """

    mean_ms: float
    p50_ms: float
    p95_ms: float
    max_ms: float
    coverage: float
    differs: float
    forbidden: float
    shares: Mapping[str, float]
    cost_usd_month: float = 0.0
    sites: tuple[RoutedSite, ...] = ()
    breaks: tuple[Breach, ...] = ()


@dataclass(frozen=True, slots=True)
class RoutingPlan:
    """How clients find their site. ``failover_words`` is the arithmetic of ``failover_s``; ``why`` says for
    each policy what it would cost, or why it will not do."""

    policy: Policy
    failover_s: float
    failover_words: str
    usd_month: float
    why: tuple[str, ...]
    as_routed: AsRouted


@dataclass(frozen=True, slots=True)
class Kpi:
    """Demand-weighted latency figures, the share of demand within the SLO, and the monthly cost."""

    mean_ms: float
    p50_ms: float
    p95_ms: float
    max_ms: float
    coverage: float
    cost_usd_month: float
    measured_share: float


@dataclass(frozen=True, slots=True)
class Conflict:
    """Rules that cannot hold together, and why, in words.

    ``remedies``: a rule of these to what it would have to ask at most for a plan to exist, or that it was not
    examined; a rule without one would have to go.
    """

    rules: tuple[str, ...]
    reason: str
    remedies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HomeChoice:
    """Where the stateful tier stands, and its part of the latency: ``mean_ms``, in the plan's own mean."""

    region: str
    country: str
    mean_ms: float


@dataclass(frozen=True, slots=True)
class Priced:
    """How old the prices of the plan's sites are, and which of these sites have an estimated one."""

    as_of: str
    estimated: tuple[str, ...]

    @property
    def words(self) -> str:
        """One line of it."""
        if not self.estimated:
            return f"{self.as_of}; none of these sites' is estimated"
        return f"{self.as_of}; estimated, erring high, at {', '.join(self.estimated)}"


@dataclass(frozen=True, slots=True)
class Certainty:
    """What ``draws`` of the latencies make of a plan.

    ``probability`` that the promised coverage is kept, with ``probability_lower`` and ``_upper``: Wilson's
    95 % bounds for so many draws; None without a promise. ``coverage``, ``mean_ms`` and ``p95_ms``: the 5 %
    and 95 % quantiles. ``hangs_on``: the sites on whose pairs the most demand is in doubt, with its share.
    """

    draws: int
    probability: float | None
    probability_lower: float | None
    probability_upper: float | None
    coverage: tuple[float, float] | None
    mean_ms: tuple[float, float]
    p95_ms: tuple[float, float]
    hangs_on: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A decision with its proof and its audit. ``objective``, ``lower_bound``: USD per month, or ms.

    When infeasible: no placements, ``kpi`` None, ``conflict`` set. ``audit`` lists violations found by
    code that shares nothing with the solver; empty when sound. ``standby``: where the recovery has a Region
    that stands by, which need not be among the open ones; it bears the item ``recovery``.
    ``recovery_ways``: a row for each strategy there is, the one taken among them.
    ``duties``: by open Outpost, what stays with the customer for a program of a rule to hold there.
    ``sources``: the stores of measurements as they were when the plan was made.
    """

    study: str
    minimize: str
    termination: Termination
    objective: float | None
    lower_bound: float | None
    gap: float | None
    seconds: float
    placements: tuple[Placement, ...]
    assignments: tuple[Assignment, ...]
    kpi: Kpi | None
    cost_items: Mapping[str, float]
    binding: tuple[str, ...]
    audit: tuple[str, ...]
    conflict: Conflict | None
    inputs: Mapping[str, str]
    set_aside: Mapping[str, str]
    notes: tuple[str, ...]
    home: HomeChoice | None = None
    routing: RoutingPlan | None = None
    recovery: Recovery | None = None
    standby: Placement | None = None
    recovery_ways: tuple[Way, ...] = ()
    duties: Mapping[str, str] = field(default_factory=dict)
    priced: Priced | None = None
    certainty: Certainty | None = None
    sources: tuple[Source, ...] = ()

    @property
    def rows(self) -> tuple[Placement, ...]:
        """The open sites and what stands by; what they cost adds up to the plan's cost."""
        return self.placements if self.standby is None else (*self.placements, self.standby)

    @property
    def said_as_routed(self) -> tuple[str, ...]:
        """A sentence for each rule that does not hold as routed, and for each site that then needs more."""
        if self.routing is None:
            return ()
        routed = self.routing.as_routed
        said = [f"breaks {breach.rule}: {breach.words}" for breach in routed.breaks]
        planned = {place.site_id: place for place in self.placements}
        for site in routed.sites:
            place = planned.get(site.site_id)
            if place is None or site.instances <= place.instances:
                continue
            while_down = (
                f", {site.worst_rps:,.0f} in a failure" if site.worst_rps > 1.000001 * site.rps else ""
            )
            more = site.cost_usd_month - place.cost_usd_month
            said.append(
                f"{site.site_id} gets {site.rps:,.0f} rps{while_down}: {site.instances} instances instead of"
                f" {place.instances}" + (f", ${more:,.0f} a month more" if more > 0.5 else "")
            )
        return tuple(said)

    @property
    def open(self) -> tuple[str, ...]:
        """Ids of the open sites, sorted."""
        return tuple(sorted(placement.site_id for placement in self.placements))
