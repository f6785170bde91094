"""Everything a study needs, read from disk and stores [I/O]."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from planner.access_lines import access_added, access_hash, access_notes
from planner.announced import with_announced
from planner.candidates import choose_candidates
from planner.catalog import Catalog, Site, SitePrices, load_catalog
from planner.datadir import data_dir
from planner.demand import Demand, DemandError, load_cities, load_clients_csv
from planner.homes import Home, build_homes, other_homes, through_home
from planner.jurisdictions import load_jurisdictions
from planner.latency.access import with_access
from planner.latency.matrix import LatencyMatrix, build_matrix
from planner.latency.plausible import sift
from planner.measurement_notes import measurement_notes
from planner.measurements import (
    MeasurementReport,
    PairStatistic,
    Source,
    hash_published,
    read_published,
    read_stores,
)
from planner.own_prices import with_own_prices
from planner.price_changes import changed_candidates, changed_homes, changed_routing
from planner.recovery import Recovery
from planner.routing_facts import RoutingFacts, load_routing_facts
from planner.service_links import ServiceLink, link_notes, service_links
from planner.strategies import strategies_hash
from planner.study import Limits, Study, StudyError, TagsRule, study_toml
from planner.study_values import Policy
from probes.strict_toml import nearest_name


@dataclass(frozen=True, slots=True)
class Charged:
    """What catalogs and the user's own file charge, before a study supposes that it changes: ``prices`` per
    candidate, ``leaving_usd_gb`` by possible home, and what routing costs."""

    prices: tuple[SitePrices, ...]
    leaving_usd_gb: Mapping[str, float]
    routing: RoutingFacts | None


@dataclass(frozen=True, slots=True)
class Inputs:
    """Candidates (n) in the matrix's column order, clients (m) in its row order, prices per site.

    ``set_aside`` maps a site id that was a candidate by kind but cannot be planned with to the reason.
    ``hashes`` maps each input's name to its sha256. ``jurisdictions`` maps a name to its country codes.
    ``parent_country`` maps a zone's or rack's id to the country of its parent Region, whether or not that
    Region is a candidate itself; a Region has no entry. ``links``: by Outpost, its line to its parent Region.
    ``homes``: where the stateful tier may stand; ``other_homes``: where it could, if the study did not name a
    Region; ``home``: where it does, its legs then in the ``matrix``
    (:func:`at_home`), and ``recovery``: what is done about its loss. ``routing`` is None where the study
    has none, ``policy`` the one decided on. ``duties``: by Outpost, what stays with the customer for a
    program of a rule to hold there. ``sources``: the stores of measurements as they were read, and ``own``
    what they say of each pair. ``charged``:
    None where the study supposes no price to change.
    """

    demand: Demand
    sites: tuple[Site, ...]
    prices: tuple[SitePrices, ...]
    matrix: LatencyMatrix
    jurisdictions: Mapping[str, frozenset[str]]
    parent_country: Mapping[str, str]
    set_aside: Mapping[str, str]
    hashes: Mapping[str, str]
    notes: tuple[str, ...]
    links: Mapping[str, ServiceLink] = field(default_factory=dict)
    homes: tuple[Home, ...] = ()
    home: Home | None = None
    routing: RoutingFacts | None = None
    recovery: Recovery | None = None
    policy: Policy | None = None
    duties: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    other_homes: tuple[Home, ...] = ()
    own: tuple[PairStatistic, ...] = ()
    charged: Charged | None = None


def load_inputs(
    study: Study,
    stores: Sequence[str] = (),
    *,
    demand: Demand | None = None,
    own: MeasurementReport | None = None,
) -> Inputs:
    """Read what ``study`` asks for: catalog, demand, and latency from the shipped tables and from ``stores``.

    ``stores`` are URLs of measurements, one's own agents' for instance; what they measured goes before what
    others published. ``own`` is that, where it has been read already, in the place of ``stores``. ``demand``
    replaces the study's own. Raises an :class:`~probes.strict_toml.InputError`
    when something cannot be read, is unknown, or nothing is left to choose from.
    """
    catalogs = with_announced(study, [load_catalog(provider) for provider in study.candidates.providers])
    hashes = {"study": _sha256(study_toml(study).encode())}
    if study.prices is not None:
        _check_file(study, study.prices, "prices")
        racks = {id_ for post in study.candidates.outposts for id_ in (post.id, *post.site_ids)}
        instances = {each.provider: study.workload.instance_of(each.provider) for each in catalogs}
        catalogs = with_own_prices(catalogs, study.prices, instance=instances, racks=racks)
        hashes["prices"] = _sha256(study.prices.read_bytes())
    known = {site.id for catalog in catalogs for site in catalog.sites}
    chosen = choose_candidates(study, catalogs)
    candidates = changed_candidates(study, chosen, known)
    for catalog in catalogs:
        hashes |= catalog.hashes
    if study.resilience.recovers:
        hashes["recovery.csv"] = strategies_hash()
    hashes["jurisdictions.csv"] = _sha256((data_dir() / "jurisdictions.csv").read_bytes())
    if demand is None:
        demand, hashes["demand"] = _read_demand(study)
    else:
        hashes["demand"] = _sha256("\n".join(map(repr, demand.clients)).encode())
    _check_classes(study, demand)
    _check_client_tags(study, demand)

    quantile = study.latency.quantile
    reports = [read_published(quantile, provider) for provider in study.candidates.providers]
    for provider in study.candidates.providers:
        hashes |= hash_published(provider)
    sources: tuple[Source, ...] = ()
    measured: tuple[PairStatistic, ...] = ()
    if stores or own is not None:
        positions = {site.id: (site.lat, site.lon) for catalog in catalogs for site in catalog.sites}
        positions |= {
            id_: (post.lat, post.lon)
            for post in study.candidates.outposts
            for id_ in (post.id, *post.site_ids)
        }
        own = own or read_stores(stores, quantile, positions.keys())
        measured = own.statistics
        # Told where each stands, the pairs teach one model whichever matrix asks: clients', racks', homes'.
        every = (*(site for catalog in catalogs for site in catalog.sites), *candidates.sites)
        network = {site.id: site.provider for site in every}
        placed = [
            replace(each, site_position=positions.get(each.site_id), provider=network.get(each.site_id))
            for each in _for_each_size(study, own.statistics)
        ]
        sifted = sift(placed, positions)
        reports.append(
            replace(own, statistics=sifted.plausible, complaints=(*own.complaints, *sifted.complaints))
        )
        hashes |= own.hashes
        sources = own.sources
    statistics = [statistic for report in reports for statistic in report.statistics]
    links = service_links(study, candidates.sites, catalogs, statistics)
    matrix = build_matrix(
        demand,
        candidates.sites,
        statistics,
        quantile=quantile,
        metro_km=study.latency.metro_km,
        vantage_km=study.latency.vantage_km,
    )
    if study.access.adds:
        matrix = with_access(matrix, access_added(study, demand), study.access.included)
        hashes["access.csv"] = access_hash()
    seen = (study, catalogs, candidates.sites, candidates.prices, statistics)
    homes, elsewhere = build_homes(*seen), other_homes(*seen)
    routing = None if study.routing is None else load_routing_facts(_amazon(catalogs), demand)
    leaving = {home.site.id: home.leaving_usd_gb for home in (*homes, *elsewhere)}
    return Inputs(
        demand=demand,
        sites=candidates.sites,
        prices=candidates.prices,
        matrix=matrix,
        jurisdictions=load_jurisdictions(),
        parent_country=candidates.parent_country,
        set_aside=candidates.set_aside,
        hashes=hashes,
        notes=(
            *candidates.notes,
            *link_notes(links),
            *measurement_notes(study, demand, matrix, reports),
            *access_notes(study),
            *demand.notes,
            *_selecting_nobody(study, demand),
            *_unpriced(study),
        ),
        links=links,
        homes=changed_homes(study, homes),
        other_homes=changed_homes(study, elsewhere),
        routing=changed_routing(study, routing),
        charged=Charged(chosen.prices, leaving, routing) if study.price_changes else None,
        duties=candidates.duties,
        sources=sources,
        own=measured,
    )


def at_home(study: Study, inputs: Inputs, region: str | None, recovery: Recovery | None = None) -> Inputs:
    """``inputs`` with the stateful tier in that Region: latencies become those of whole requests.

    Without a home only the recovery is said. Raises ``KeyError`` for a Region that is none of
    ``inputs.homes``.
    """
    tier = study.workload.home
    if tier is None or region is None:
        return replace(inputs, recovery=recovery)
    home = {each.site.id: each for each in inputs.homes}[region]
    return replace(inputs, matrix=through_home(inputs.matrix, tier, home), home=home, recovery=recovery)


def resized(inputs: Inputs, study: Study) -> Inputs:
    """``inputs`` with the racks' capacities as ``study`` gives them."""
    rps = {
        site_id: terms.capacity_rps
        for post in study.candidates.outposts
        for site_id, terms in post.terms_of.items()
    }
    sites = tuple(
        site
        if site.outpost is None or site.id not in rps
        else replace(site, outpost=replace(site.outpost, capacity_rps=rps[site.id]))
        for site in inputs.sites
    )
    return replace(inputs, sites=sites)


def _amazon(catalogs: Sequence[Catalog]) -> Catalog:
    """Routing is AWS's, wherever the sites are."""
    return next((each for each in catalogs if each.provider == "aws"), None) or load_catalog("aws")


def _unpriced(study: Study) -> tuple[str, ...]:
    if study.routing is None or study.routing.queries_per_month is not None:
        return ()
    return ("routing.queries_per_month is not given: DNS queries are not in the cost",)


def _selecting_nobody(study: Study, demand: Demand) -> Iterator[str]:
    """Rules about clients of whom there are none."""
    jurisdictions = load_jurisdictions()
    for position, selector in study.client_selectors:
        named = (*selector.jurisdictions, *selector.countries)
        countries = frozenset(selector.countries).union(
            *(jurisdictions[name] for name in selector.jurisdictions)
        )
        classes = frozenset(selector.classes)
        if not any(client.country in countries or client.classes & classes for client in demand.clients):
            where = f"is in {', '.join(named)}" if named else f"has the class {', '.join(selector.classes)}"
            yield f"rule[{position}] binds nobody: no client {where}"


def _for_each_size(study: Study, statistics: Sequence[PairStatistic]) -> tuple[PairStatistic, ...]:
    """What was measured to a rack holds for every size it comes in."""
    sizes = {post.id: post.site_ids for post in study.candidates.outposts}
    return tuple(
        replace(each, site_id=site_id)
        for each in statistics
        for site_id in sizes.get(each.site_id, (each.site_id,))
    )


def asking(study: Study) -> Study:
    """``study`` without what its inputs do not depend on: promise, goal, limits, amounts. Equal values read
    the same inputs but for the study's own hash (:func:`restated`)."""
    return replace(
        study,
        minimize="cost",
        budget_usd_per_month=None,
        latency=replace(study.latency, slo_ms=None, coverage=1.0, max_ms=None),
        limits=Limits(),
        demand=replace(study.demand, peak_rps=1.0, requests_per_month=1.0),
    )


def restated(inputs: Inputs, study: Study) -> Inputs:
    """Inputs read for a study that asks for the same, now as those of ``study``."""
    return replace(inputs, hashes={**inputs.hashes, "study": _sha256(study_toml(study).encode())})


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_demand(study: Study) -> tuple[Demand, str]:
    """The study's clients, and the sha256 of the file they stand in."""
    spec = study.demand
    file = data_dir() / "demand" / "cities.csv" if spec.csv is None else spec.csv
    _check_file(study, file, "demand.csv")
    demand = load_cities(spec.countries, spec.top) if spec.csv is None else load_clients_csv(spec.csv)
    try:
        return demand, _sha256(file.read_bytes())
    except OSError as fault:
        raise DemandError(file, fault.strerror or str(fault)) from None


def _check_file(study: Study, file: Path, column: str) -> None:
    """Raise about a file that is none, named as the study does: where that is, is said already."""
    if file.is_file():
        return
    home = None if study.path is None else study.path.parent
    named = file.relative_to(home) if home is not None and file.is_relative_to(home) else file
    why = "is not a file" if file.exists() else "no such file"
    raise StudyError(study.path or Path(study.name), f"{named}: {why}", column=column)


def _check_classes(study: Study, demand: Demand) -> None:
    """A data class that no client has is a misspelling, where clients have classes at all."""
    valid = frozenset[str]().union(*(client.classes for client in demand.clients))
    if not valid:  # cities, or clients without the column: such a rule selects nobody, which the notes say
        return
    named = [
        (f"rule[{position}].clients.classes", name)
        for position, selector in study.client_selectors
        for name in selector.classes
    ]
    named += [(f"access.class[{at}].name", name) for at, (name, _) in enumerate(study.access.classes, 1)]
    for column, name in named:
        if name not in valid:
            raise StudyError(
                study.path or Path(study.name),
                f"no client has the data class {name!r}",
                column=column,
                nearest=nearest_name(name, valid),
            )


def _check_client_tags(study: Study, demand: Demand) -> None:
    """A rule about a tag that no client has would bind nobody, or leave everybody without a site."""
    valid = frozenset[str]().union(*(client.tags for client in demand.clients))
    for position, rule in enumerate(study.rules, start=1):
        if isinstance(rule, TagsRule) and rule.key not in valid:
            column = "" if study.demand.csv is not None else ": cities carry none, so give them as demand.csv"
            raise StudyError(
                study.path or Path(study.name),
                f"no client has the tag {rule.key!r}{column}",
                column=f"rule[{position}].key",
                nearest=nearest_name(rule.key, valid),
            )
