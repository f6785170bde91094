"""Random small instances of the decision model, built in memory.

Numbers are drawn from short lists on purpose: ties, infinite latencies and weightless clients must be common,
and sums must not fall within a rounding error of a limit by accident.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from planner.catalog import OutpostTerms, Price, Site, SitePrices
from planner.commitments import Commitment
from planner.demand import Client, Demand
from planner.homes import Home
from planner.inputs import Inputs
from planner.latency.matrix import LatencyMatrix
from planner.study import (
    CandidateSpec,
    DemandSpec,
    HomeTier,
    LatencyObjective,
    Limits,
    Network,
    OutpostSpec,
    ProgramRule,
    ResidencyRule,
    Resilience,
    Selector,
    Study,
    Workload,
)
from tests.properties.brute_force import RULES, best
from tests.properties.further_rules import FURTHER, further

COUNTRIES = ("DE", "FR", "CH", "US")
MINIMIZE = ("cost", "mean_latency", "max_latency")
HOURLY = (0.1, 0.2, 0.23, 0.5)
JURISDICTIONS = {"EEA": frozenset({"DE", "FR"}), "adequate": frozenset({"CH"})}


@dataclass(frozen=True)
class Instance:
    study: Study
    inputs: Inputs


def draw(seed: int, rule: str | None = None, *, home: bool = False, recovers: bool = False) -> Instance:
    """One instance; ``rule`` is present in it, each of the others with a chance of one in five.

    But ``survive``, and a ``home`` for the stateful tier, only where asked for: they leave fewer instances
    feasible, and smaller ones. Of :mod:`tests.properties.further_rules` each in one of twenty.
    """
    others = [name for name in RULES if name not in ("survive", *FURTHER)]
    random = np.random.default_rng([seed, RULES.index(rule) if rule else len(others)])
    present = {name for name in others if random.random() < 0.2} | ({rule} if rule else set())
    inputs = _inputs(random, present)
    study, inputs = further(seed, rule, _study(random, present, inputs), inputs)
    if home:
        study, inputs = _with_home(random, study, inputs)
    if recovers:
        study, inputs = _with_recovery(random, study, inputs)
    if "budget" in present:
        study = replace(study, budget_usd_per_month=_budget(random, study, inputs))
    return Instance(study, inputs)


def _one_of(random, values):
    return values[random.integers(len(values))]


def _some_of(random, values, at_least=0):
    size = int(random.integers(at_least, len(values) + 1))
    return tuple(values[i] for i in sorted(random.choice(len(values), size, replace=False)))


def _price(usd: float, unit: str) -> Price:
    return Price(float(usd), unit, "drawn", "2026-01-01")


def _egress(random, tiered) -> Price:
    """Sometimes cheaper from a thousand GB on, and again from some thousands."""
    price = _price(_one_of(random, (0.02, 0.05, 0.09, 0.12)), "GB")
    if not tiered or random.random() < 0.3:
        return price
    falls = ((1000.0, 0.8 * price.usd), (float(_one_of(random, (2000, 6000))), 0.3 * price.usd))
    return replace(price, tiers=falls[: random.integers(1, 3)])


def _sites(random, present) -> tuple[Site, ...]:
    regions, most = int(random.integers(1, 4)), 6
    if "survive" in present:  # with backups there is more to enumerate
        regions, most = max(regions, 2), 5
    fewest = 2 if "one_size" in present else 1 if {"parent", "capacity"} & present else 0
    others = int(random.integers(fewest, most - regions + 1))
    kinds = ["region"] * regions
    zones = ("local_zone", "wavelength_zone", "outpost")
    wanted = [kind for rule, kind in (("parent", "local_zone"), ("capacity", "outpost")) if rule in present]
    wanted = ["outpost", "outpost"] if "one_size" in present else wanted
    for _ in range(others):
        kinds.append(wanted.pop() if wanted else _one_of(random, zones))
    sites = []
    for number, kind in enumerate(kinds):
        terms = OutpostTerms(
            capacity_rps=float(_one_of(random, (150, 300, 450, 600, 1000))),
            upfront_usd=float(_one_of(random, (0, 3600, 18000))),
            monthly_usd=float(_one_of(random, (0, 120, 500))),
            term_months=int(_one_of(random, (12, 36))),
            host=None,
            capital_rate=float(_one_of(random, (0.0, 0.0, 0.08, 0.3))),
        )
        lacks = random.random() < (0.4 if "services" in present else 0.1)
        sites.append(
            Site(
                id=f"{kind}-{number}",
                provider="aws",
                kind=kind,
                name="",
                parent=None if kind == "region" else _parent(random, regions),
                metro=("", "north", "south")[(number + regions) % 3],
                country=_one_of(random, COUNTRIES),
                lat=0.0,
                lon=0.0,
                status="ga",
                partition="aws",
                network_border_group="",
                services=frozenset({"ec2"} if lacks else {"ec2", "alb"}),
                programs=frozenset(_some_of(random, ("pci", "hipaa"))),
                source="drawn",
                as_of="2026-01-01",
                tags={},
                outpost=terms if kind == "outpost" else None,
            )
        )
    if "one_size" in present:
        racks = [at for at, site in enumerate(sites) if site.kind == "outpost"][:2]
        for at, name in zip(racks, ("small", "large"), strict=True):
            sites[at] = replace(sites[at], id=f"rack.{name}", rack="rack")
    order = random.permutation(len(sites))
    return tuple(sites[i] for i in order)


def _parent(random, regions) -> str:
    """A candidate Region; now and then one that is in the catalog and no candidate."""
    return "region-away" if random.random() < 0.1 else f"region-{random.integers(regions)}"


def _inputs(random, present) -> Inputs:
    sites = _sites(random, present)
    tiered = random.random() < 0.5
    crosses, direct = random.random() < 0.3, random.random() < 0.2
    committed = Commitment("savings", frozenset(), 0.3, "drawn", "2026") if random.random() < 0.3 else None
    home = {"region-away": _one_of(random, COUNTRIES), **{site.id: site.country for site in sites}}
    prices = tuple(
        SitePrices(
            instance_hour=None if site.kind == "outpost" else _price(_one_of(random, HOURLY), "hour"),
            egress_gb=_egress(random, tiered),
            parent_gb=None if site.kind == "region" else _price(_one_of(random, (0.0, 0.01, 0.02)), "GB"),
            zone_gb=_price(0.02, "GB") if site.kind == "region" and crosses else None,
            commitment=committed,
            port_hour=_price(0.3, "hour") if site.kind == "region" and direct else None,
            direct_gb=_price(0.02, "GB") if site.kind == "region" and direct else None,
        )
        for site in sites
    )
    count = int(random.integers(1, 5 if "survive" in present else 7 if len(sites) < 6 else 6))
    weights = random.choice([0.0, 1.0, 1.0, 2.0, 3.0, 5.0], count)
    weights[random.integers(count)] = 2.0
    clients = tuple(
        Client(
            f"client-{i}", "", _one_of(random, COUNTRIES), 0.0, 0.0, float(weights[i]),
            frozenset(_some_of(random, ("card", "health"))),
        )
        for i in range(count)
    )  # fmt: skip
    shape = (count, len(sites))
    estimate = random.choice([2.0, 5.0, 10.0, 20.0, 20.0, 45.0, 80.0, 130.0], shape)
    upper = estimate + random.choice([0.0, 1.0, 15.0], shape)
    absent = random.random(shape) < 0.1
    estimate[absent] = upper[absent] = np.inf
    provenance = np.where(absent, 0, random.integers(1, 3, shape)).astype(np.int8)
    return Inputs(
        demand=Demand(clients, weights, "drawn"),
        sites=sites,
        prices=prices,
        matrix=LatencyMatrix(
            client_ids=tuple(client.id for client in clients),
            site_ids=tuple(site.id for site in sites),
            vantages=("v",),
            quantile=0.5,
            estimate_ms=estimate,
            lower_ms=np.where(absent, np.inf, estimate - 1.0),
            upper_ms=upper,
            samples=np.where(provenance == 2, 100, 0),
            loss_ratio=np.where(provenance == 2, 0.0, np.nan),
            provenance=provenance,
            vantage=np.where(provenance == 2, 0, -1).astype(np.int32),
        ),
        jurisdictions=JURISDICTIONS,
        parent_country={site.id: home[site.parent] for site in sites if site.parent},
        set_aside={},
        hashes={"drawn": "00"},
        notes=(),
    )


def _study(random, present, inputs) -> Study:
    # A budget never changes the cheapest plan, it only forbids it: latency must be the aim for it to bind.
    aims = (
        ("mean_latency", "max_latency")
        if "budget" in present
        else ("cost", "cost", "mean_latency", "max_latency")
    )
    rules = []
    if "residency" in present:
        for _ in range(random.integers(1, 3)):
            where = Selector(_some_of(random, tuple(JURISDICTIONS)), _some_of(random, COUNTRIES))
            rules.append(ResidencyRule(_clients(random), where))
    if "program" in present:
        rules.append(ProgramRule(_clients(random), _some_of(random, ("pci", "hipaa"), 1)))
    count, ids = len(inputs.sites), tuple(site.id for site in inputs.sites)
    return Study(
        name="drawn",
        demand=DemandSpec(peak_rps=1000.0, requests_per_month=float(_one_of(random, (0.0, 1e8, 4e8)))),
        candidates=CandidateSpec(outposts=_racks(inputs)),
        network=Network(direct_connect=("region-*",), ports=2, share=float(_one_of(random, (0.5, 1.0)))),
        workload=Workload(
            services=("ec2", "alb") if "services" in present else ("ec2",),
            rps_per_instance=float(_one_of(random, (99, 130, 198, 247, 250, 700))),
            min_instances=int(random.integers(0, 4)),
            response_kb=40.0,
            home_share=float(_one_of(random, (0.0, 0.1, 1.0))),
            headroom=float(_one_of(random, (0.0, 0.0, 0.25))),
            commitment="savings",
            committed_share=float(_one_of(random, (0.0, 0.6, 1.0))),
            cross_zone_kb=float(_one_of(random, (0.0, 5.0))),
        ),
        latency=LatencyObjective(
            bound=_one_of(random, ("estimate", "upper")),
            slo_ms=float(_one_of(random, (5, 20, 45))) if "coverage" in present else None,
            coverage=float(_one_of(random, (0.4, 0.7, 0.9, 1.0))),
            max_ms=float(_one_of(random, (20, 60, 80))) if "max_ms" in present else None,
        ),
        minimize=_one_of(random, aims),
        limits=Limits(
            min_sites=int(random.integers(2, count + 1)) if "min_sites" in present and count > 1 else 1,
            max_sites=int(random.integers(1, 4)) if "max_sites" in present else None,
            max_changes=int(random.integers(0, 4)) if "changes" in present else None,
        ),
        current_open=_some_of(random, (*ids, "region-gone")) if "changes" in present else (),
        rules=tuple(rules),
        resilience=_resilience(random) if "survive" in present else Resilience(),
    )


def _with_home(random, study, inputs) -> tuple[Study, Inputs]:
    """A stateful tier in the best of one to three Regions; one of them is no candidate."""
    regions = [site for site in inputs.sites if site.kind == "region"]
    away = replace(
        regions[0], id="region-away", country=_one_of(random, COUNTRIES), services=frozenset({"ec2", "alb"})
    )
    chosen = _some_of(random, (*regions[:2], away), 1)
    homes = []
    for site in chosen:
        estimate = random.choice([1.0, 5.0, 20.0, 60.0], len(inputs.sites))
        estimate[random.random(len(estimate)) < 0.05] = np.inf
        homes.append(
            Home(
                site,
                estimate_ms=estimate,
                lower_ms=estimate - 0.5,
                upper_ms=estimate + random.choice([0.0, 4.0], len(estimate)),
                provenance=np.where(np.isinf(estimate), 0, random.integers(1, 3, len(estimate))).astype(
                    np.int8
                ),
                usd_gb=random.choice([0.0, 0.02, 0.09], len(estimate)),
                leaving_usd_gb=float(_one_of(random, (0.02, 0.09))),
            )
        )
    tier = HomeTier(
        "auto" if len(homes) > 1 else homes[0].site.id,
        client_trips=float(_one_of(random, (1.0, 1.0, 2.0))),
        home_trips=float(_one_of(random, (0.0, 0.5, 1.0))),
    )
    study = replace(study, workload=replace(study.workload, home=tier))
    if random.random() < 0.5 and len(regions) > 1:
        study = replace(study, resilience=_recovering(random, study.resilience))
    return study, replace(inputs, homes=tuple(homes))


def _recovering(random, resilience) -> Resilience:
    return replace(
        resilience,
        rto_s=_one_of(random, (None, 100.0, 200.0, 400.0, 2000.0, 90_000.0)),
        rpo_s=_one_of(random, (None, 10.0, 40.0, 100.0, 90_000.0)),
        data_gb=float(_one_of(random, (0.0, 1000.0))),
        change_gb_per_day=float(_one_of(random, (0.0, 50.0, 2000.0))),
    )


def _with_recovery(random, study, inputs) -> tuple[Study, Inputs]:
    """A standby for the data of every site; one time in four some sites are another provider's."""
    prices = tuple(
        replace(price, home_gb=_price(_one_of(random, (0.01, 0.02, 0.1)), "GB")) for price in inputs.prices
    )
    asked = _recovering(random, study.resilience)
    if not asked.recovers:
        asked = replace(asked, rto_s=2000.0)
    sites = inputs.sites
    if random.random() < 0.25:
        sites = tuple(
            replace(site, provider="gcp") if site.kind == "region" and random.random() < 0.5 else site
            for site in sites
        )
    return replace(study, resilience=asked), replace(inputs, prices=prices, sites=sites)


def _resilience(random) -> Resilience:
    survive = _one_of(random, ("site", "site", "metro", "region"))
    return Resilience(
        survive=survive,
        backup_within_ms=_one_of(random, (None, None, 20.0, 80.0)),
        zones_fail_with_parent=survive == "region" or bool(random.random() < 0.5),
    )


def _racks(inputs) -> tuple[OutpostSpec, ...]:
    """The rack that comes in two sizes, where there is one."""
    sizes = {site.id.removeprefix("rack."): site for site in inputs.sites if site.id.startswith("rack.")}
    if not sizes:
        return ()
    named = tuple((name, sizes[name].outpost) for name in ("small", "large"))
    any_of = sizes["small"]
    return (OutpostSpec("rack", any_of.country, 0.0, 0.0, any_of.parent, named[0][1], sizes=named),)


def _clients(random) -> Selector:
    jurisdictions = _some_of(random, tuple(JURISDICTIONS))
    return Selector(jurisdictions, _some_of(random, COUNTRIES[2:]), _some_of(random, ("card", "health")))


def _budget(random, study, inputs) -> float:
    """Between a little less than the cheapest plan and a little more than the fastest one costs."""
    cheapest = best(replace(study, minimize="cost"), inputs)
    fastest = best(study, inputs)
    if cheapest is None or fastest is None:
        return 1000.0
    low, high = cheapest.cost_usd_month, fastest.cost_usd_month
    return float(round(low + random.uniform(-0.1, 1.0) * (high - low) + random.uniform(-0.01, 0.01) * low, 2))
