"""A plan laid over its inputs, every figure counted again from placements and assignments alone.

The arithmetic of ``docs/design/0001-decision-model.md`` for the audit, written apart from the problem, the
rules, the cost items and the solver, none of which it imports.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.catalog import OutpostTerms, Price
from planner.demand import Client
from planner.homes import Home
from planner.inputs import Inputs
from planner.ledger_failures import heaviest
from planner.ledger_recovery import sending, standing_by
from planner.ledger_routing import routing_bill
from planner.plan import Plan
from planner.study import Selector, Study, TagsRule

HOURS_PER_MONTH: Final = 730
KB_PER_GB: Final = 1e6
OVERLOAD: Final = 0.02
"""The part of one instance by which a site may be overloaded before it needs another."""
ITEMS: Final = (
    "compute",
    "egress",
    "direct_connect",
    "cross_zone",
    "transfer",
    "outpost",
    "routing",
    "recovery",
)
"""The cost items the audit knows, written down a second time on purpose."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The plan laid over the inputs. Only assignments of known clients to known sites are in it.

    ``column`` (m,) is the serving site's index, -1 where the plan names none; ``latency`` (m,) is the
    planning latency of that pair, inf where there is none; ``share`` (m,) sums to one; ``load`` (n,) is in
    requests per second and ``gigabytes`` (n,) per month. ``open_ids`` are the open sites the inputs know.
    ``standby`` (m,) is the backup's index, -1 where the plan names none; ``peak`` (n,): ``load`` and what the
    worst failure hands over besides. ``home``: where the plan puts the stateful tier, of the homes there are.
    """

    plan: Plan
    study: Study
    inputs: Inputs
    client_row: Mapping[str, int]
    site_column: Mapping[str, int]
    column: NDArray[np.int64]
    latency: NDArray[np.float64]
    share: NDArray[np.float64]
    load: NDArray[np.float64]
    gigabytes: NDArray[np.float64]
    open_ids: frozenset[str]
    standby: NDArray[np.int64]
    peak: NDArray[np.float64]
    home: Home | None = None

    def planning_ms(self, row: int, column: int) -> float:
        """The latency the study plans with, inf where there is none."""
        upper = self.study.latency.bound == "upper"
        return self.request_ms(row, column)[2 if upper else 0]

    def request_ms(self, row: int, column: int) -> tuple[float, float, float]:
        """Estimate, lower and upper bound of one request: to the site, and on to the home."""
        matrix = self.inputs.matrix
        legs = [float(each[row, column]) for each in (matrix.estimate_ms, matrix.lower_ms, matrix.upper_ms)]
        one, two, three = on_to_home(self.study, self.home, legs, column)
        return one, two, three

    def measured(self, row: int, column: int) -> int:
        """The provenance code of the weaker leg."""
        code, tier = int(self.inputs.matrix.provenance[row, column]), self.study.workload.home
        if tier is None or self.home is None or tier.home_trips == 0:
            return code
        return min(code, int(self.home.provenance[column]))

    def selected(self, selector: Selector) -> Iterator[int]:
        """Rows of the clients that match any criterion of ``selector``."""
        countries, classes = self.countries(selector), frozenset(selector.classes)
        for row, client in enumerate(self.inputs.demand.clients):
            if client.country in countries or client.classes & classes:
                yield row

    def tagged(self, rule: TagsRule) -> Iterator[Client]:
        """The clients that a rule on tags speaks of: those selected, or all who carry the tag."""
        if rule.clients is not None:
            yield from (self.inputs.demand.clients[row] for row in self.selected(rule.clients))
            return
        yield from (client for client in self.inputs.demand.clients if rule.key in client.tags)

    def countries(self, selector: Selector) -> frozenset[str]:
        """The countries ``selector`` names, by itself and by jurisdiction."""
        known = self.inputs.jurisdictions
        return frozenset(selector.countries).union(*(known.get(name, ()) for name in selector.jurisdictions))

    def instances(self, column: int) -> int:
        """n_j of an open site."""
        work = self.study.workload
        needed = math.ceil(float(self.peak[column]) * (1 + work.headroom) / work.rps_per_instance - OVERLOAD)
        return max(work.min_instances, needed)

    def requests(self, column: int) -> float:
        """Requests a month that a site answers."""
        share = math.fsum(self.share[self.column == column])
        return share * self.study.demand.requests_per_month

    def bill(self, column: int) -> dict[str, float]:
        """US dollars per month of an open site, by item."""
        site, prices = self.inputs.sites[column], self.inputs.prices[column]
        gigabytes = float(self.gigabytes[column])
        bill = dict.fromkeys(ITEMS, 0.0)
        network, work = self.study.network, self.study.workload
        direct = 0.0
        if prices.direct_gb is not None and prices.port_hour is not None:
            direct = network.share
            ports = network.ports * prices.port_hour.usd * HOURS_PER_MONTH
            bill["direct_connect"] = ports + direct * gigabytes * prices.direct_gb.usd
        bill["egress"] = _by_tier((1 - direct) * gigabytes, prices.egress_gb)
        if site.kind == "outpost" and site.outpost is not None:
            bill["outpost"] = _repaid(site.outpost) + site.outpost.monthly_usd
        elif prices.instance_hour is not None:
            saved = 0.0 if prices.commitment is None else work.committed_share * prices.commitment.discount
            hours = self.instances(column) * HOURS_PER_MONTH
            bill["compute"] = hours * prices.instance_hour.usd * (1 - saved)
        if site.kind == "region" and prices.zone_gb is not None:
            crossing = self.requests(column) * work.cross_zone_kb / KB_PER_GB
            bill["cross_zone"] = crossing * prices.zone_gb.usd
        if site.kind != "region" and prices.parent_gb is not None:
            bill["transfer"] = self.study.workload.home_share * gigabytes * prices.parent_gb.usd
        recovery = self.plan.recovery
        if recovery is not None and recovery.standby is None:
            # Backups stand in: each site keeps its part of the copies, and sends what its own clients change.
            mine = math.fsum(self.share[self.column == column])
            nobody = [0.0] * len(self.inputs.sites)
            kept = standing_by(self.study, self.inputs, self.home, recovery, nobody, self.open_ids)
            bill["recovery"] = mine * (kept + sending(self.study, self.inputs, self.home, None, column))
        if self.home is not None:
            bill["transfer"] += work.home_share * gigabytes * float(self.home.usd_gb[column])
        if self.plan.routing is not None:
            share = math.fsum(self.share[self.column == column])
            bill["routing"] = routing_bill(self.plan.routing.policy, self.study, self.inputs, column, share)
        return bill

    def total_bill(self) -> dict[str, float]:
        """US dollars per month of all open sites, by item."""
        bills = [self.bill(self.site_column[site_id]) for site_id in sorted(self.open_ids)]
        return {
            item: math.fsum(
                [*(bill[item] for bill in bills), self.standby_usd if item == "recovery" else 0.0]
            )
            for item in ITEMS
        }

    @property
    def standby_usd(self) -> float:
        """What the Region that stands by costs a month; nothing where there is none."""
        recovery = self.plan.recovery
        if recovery is None or recovery.standby is None:
            return 0.0
        return standing_by(self.study, self.inputs, self.home, recovery, self.shares, self.open_ids)

    @property
    def shares(self) -> list[float]:
        """(n,) of demand, by site."""
        return [math.fsum(self.share[self.column == column]) for column in range(len(self.inputs.sites))]

    def coverage(self) -> float:
        """Share of demand within ``slo_ms``; all that is served where the study sets none."""
        slo = self.study.latency.slo_ms
        within = self.column >= 0 if slo is None else self.latency <= slo
        return math.fsum(self.share[within])

    def mean_ms(self) -> float:
        """Demand-weighted mean latency."""
        # A client of no weight at an infinite latency would give 0 × inf; it is reported elsewhere.
        weighted = self.share > 0
        return math.fsum(self.share[weighted] * self.latency[weighted])

    def max_ms(self) -> float:
        """The highest latency of any client, weighted or not."""
        return float(self.latency.max())


def lay_over(plan: Plan, study: Study, inputs: Inputs) -> Ledger:
    """Count the plan's sites and clients; what the inputs do not know is left out for the audit to name."""
    client_row = {client.id: row for row, client in enumerate(inputs.demand.clients)}
    site_column = {site.id: column for column, site in enumerate(inputs.sites)}
    column = np.full(len(client_row), -1, dtype=np.int64)
    standby = column.copy()
    for assignment in plan.assignments:
        row = client_row.get(assignment.client_id)
        if row is not None and column[row] < 0:
            column[row] = site_column.get(assignment.site_id, -1)
            standby[row] = site_column.get(assignment.backup_site_id or "", -1)
    matrix = inputs.matrix
    planning = matrix.upper_ms if study.latency.bound == "upper" else matrix.estimate_ms
    region = None if plan.home is None or study.workload.home is None else plan.home.region
    home = next((each for each in inputs.homes if each.site.id == region), None)
    upper = 1 if study.latency.bound == "upper" else 0
    latency = np.array(
        [
            on_to_home(study, home, [float(planning[row, j])] * 3, int(j))[2 * upper] if j >= 0 else math.inf
            for row, j in enumerate(column)
        ]
    )
    weight = inputs.demand.weight
    share = weight / math.fsum(weight)
    served = column >= 0
    per_site: NDArray[np.float64] = np.bincount(
        column[served], weights=share[served], minlength=len(inputs.sites)
    ).astype(np.float64)
    month_gb = study.demand.requests_per_month * study.workload.response_kb / KB_PER_GB
    handed = heaviest(study, inputs.sites, column, standby, share)
    return Ledger(
        plan=plan,
        study=study,
        inputs=inputs,
        client_row=client_row,
        site_column=site_column,
        column=column,
        latency=latency,
        share=share,
        load=per_site * study.demand.peak_rps,
        gigabytes=per_site * month_gb,
        open_ids=frozenset(placement.site_id for placement in plan.placements) & site_column.keys(),
        standby=standby,
        peak=(per_site + handed) * study.demand.peak_rps,
        home=home,
    )


def on_to_home(study: Study, home: Home | None, legs: Sequence[float], column: int) -> tuple[float, ...]:
    """Estimate, lower and upper bound of a request from those of its leg to the site."""
    tier = study.workload.home
    if tier is None or home is None:
        return tuple(legs)
    onward = home.estimate_ms[column], home.lower_ms[column], home.upper_ms[column]
    return tuple(
        tier.client_trips * near + (tier.home_trips * float(far) if tier.home_trips else 0.0)
        for near, far in zip(legs, onward, strict=True)
    )


def _by_tier(gigabytes: float, price: Price) -> float:
    """A bill that charges what lies in each tier at that tier's price."""
    bounds = [0.0, *(start for start, _ in price.tiers), math.inf]
    rates = [price.usd, *(usd for _, usd in price.tiers)]
    return math.fsum(
        rate * max(min(gigabytes, above) - below, 0.0)
        for rate, below, above in zip(rates, bounds[:-1], bounds[1:], strict=True)
    )


def _repaid(rack: OutpostTerms) -> float:
    """What each month repays of the up-front price, so that with interest nothing is left at the end."""
    growth = 1 + rack.capital_rate / 12
    weight = math.fsum(growth**-month for month in range(1, rack.term_months + 1))
    return rack.upfront_usd / weight


def close_to(stated: float, actual: float) -> bool:
    """Equal within 1e-6 relative (1e-9 absolute near zero); nan equals nothing."""
    return stated == actual or abs(stated - actual) <= max(1e-9, 1e-6 * max(abs(stated), abs(actual)))


def is_quantile(
    stated: float, level: float, latency: NDArray[np.float64], share: NDArray[np.float64]
) -> bool:
    """Whether ``stated`` is the smallest latency that at least ``level`` of the demand does not exceed.

    Shares are sums of floats, so at an exact tie either neighbour passes. Clients without any weight among
    them count alike.
    """
    total = math.fsum(share)
    weight = share / total if total > 0 else np.full(len(share), 1 / len(share))
    order = np.argsort(latency, kind="stable")
    reached = np.cumsum(weight[order])
    ranks = [min(int(np.searchsorted(reached, level + slack)), len(order) - 1) for slack in (-1e-9, 1e-9)]
    return any(stated == latency[order[rank]] for rank in ranks)
