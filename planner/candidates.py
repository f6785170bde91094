"""Which sites a study may choose from, and what they charge: its patterns laid over the catalog.

A site that was asked for by kind and pattern but cannot be planned with is set aside with the reason; one
that was asked for by name and cannot be priced is an error.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from planner.announced import announced_notes
from planner.catalog import ZONE_KINDS, Catalog, NoPriceError, Site, SitePrices
from planner.commitments import discount_of
from planner.site_groups import groups_among
from planner.site_tags import site_tags
from planner.study import CapacityRule, GroupRule, ProgramRule, Study, StudyError
from planner.wording import with_article
from probes.strict_toml import nearest_name


@dataclass(frozen=True, slots=True)
class Candidates:
    """Sites in catalog order, Outposts last; ``prices`` in the same order.

    The other fields are those of :class:`planner.inputs.Inputs`.
    """

    sites: tuple[Site, ...]
    prices: tuple[SitePrices, ...]
    parent_country: Mapping[str, str]
    set_aside: Mapping[str, str]
    notes: tuple[str, ...]
    duties: Mapping[str, str]


def choose_candidates(study: Study, catalogs: Sequence[Catalog]) -> Candidates:
    """The candidates of ``study`` among ``catalogs``, with what each charges.

    Raises :class:`StudyError` for a pattern, parent, instance type, service or program that no catalog knows,
    and when no site is left.
    """
    catalog_of = {site.id: catalog for catalog in catalogs for site in catalog.sites}
    known = {site.id: site for catalog in catalogs for site in catalog.sites}
    outposts = tuple(_outposts(study, catalog_of, known))
    catalog_of |= {site.id: catalog_of[site.parent] for site in outposts if site.parent is not None}
    everything = (*known.values(), *outposts)
    _check_patterns(study, everything)
    _check_names(study, catalogs, everything)
    tags = site_tags(study, everything)

    announced = {zone.id for zone in study.candidates.announced}
    set_aside: dict[str, str] = {}
    passed_over: Counter[str] = Counter()
    priced: dict[str, tuple[Site, SitePrices]] = {}
    for site in everything:
        if not _matches(study, site):
            continue
        by_name = site.id in announced or site.id in study.candidates.include
        if not _is_of_kind(study, site):
            if by_name:
                set_aside[site.id] = f"its kind, {site.kind}, is not among candidates.kinds"
        elif site.status != "ga" and not by_name:
            passed_over[site.status] += 1
        else:
            try:
                prices = catalog_of[site.id].site_prices(
                    site,
                    study.workload.instance_of(site.provider),
                    local_zone_premium=study.local_zone_premium,
                    commitment=study.workload.commitment,
                    port_gbps=study.network.gbps if _has_port(study, site) else None,
                    crosses_zones=study.workload.cross_zone_kb > 0,
                    goes_home=study.workload.home is not None or study.resilience.recovers,
                )
            except NoPriceError as fault:
                if by_name:
                    column = f"candidates.{'announced' if site.id in announced else 'include'}"
                    raise _fault(study, column, f"{site.id!r} {_unpriced(site, fault)}") from None
                set_aside[site.id] = _unpriced(site, fault)
            else:
                priced[site.id] = (replace(site, tags=tags[site.id]), prices)
    for site_id, (site, _) in tuple(priced.items()):
        if site.kind in ZONE_KINDS and site.parent not in priced:
            del priced[site_id]
            set_aside[site_id] = f"its parent {site.parent} is not among the candidates"
    _check_spoken_of(study, everything)
    if not priced:
        raise _fault(study, "candidates", f"no site is left to choose from{_first_reason(set_aside)}")
    sites = tuple(site for site, _ in priced.values())
    _check_groups(study, sites)
    return Candidates(
        sites=sites,
        prices=tuple(prices for _, prices in priced.values()),
        parent_country={site.id: known[site.parent].country for site in sites if site.parent is not None},
        set_aside=set_aside,
        notes=tuple(_notes(study, priced.values(), passed_over, catalog_of)),
        duties=_said_of(study, sites, catalog_of, covered=True),
    )


def _fault(study: Study, column: str, message: str, nearest: str | None = None) -> StudyError:
    return StudyError(study.path or Path(study.name), message, column=column, nearest=nearest)


def _matches(study: Study, site: Site) -> bool:
    """Excluded by no pattern; included by one, as what the study itself adds always is."""
    spec = study.candidates
    return (_is_added(study, site) or site.matches(*spec.include)) and not site.matches(*spec.exclude)


def _is_of_kind(study: Study, site: Site) -> bool:
    return _is_added(study, site) or site.kind in study.candidates.kinds


def _is_added(study: Study, site: Site) -> bool:
    """Whether the study adds the site to those of the catalog: a rack of its own, an announced zone."""
    return site.kind == "outpost" or site.id in (zone.id for zone in study.candidates.announced)


def _outposts(study: Study, catalog_of: Mapping[str, Catalog], known: Mapping[str, Site]) -> Iterator[Site]:
    for position, spec in enumerate(study.candidates.outposts, start=1):
        here = f"candidates.outpost[{position}]"
        regions = [site.id for site in known.values() if site.kind == "region"]
        if spec.parent not in regions:
            hint = nearest_name(spec.parent, regions)
            raise _fault(study, f"{here}.parent", f"{spec.parent!r} is not a known Region", hint)
        for id_ in (spec.id, *spec.site_ids):
            if id_ in known:
                raise _fault(study, f"{here}.id", f"{id_!r} is already the id of a catalogued site")
        parent, catalog = known[spec.parent], catalog_of[spec.parent]
        offers_as = "outpost_server" if spec.terms.form == "server" else "outpost"
        one = Site(
            id=spec.id,
            provider=parent.provider,
            kind="outpost",
            name=spec.id,
            parent=parent.id,
            metro="",
            country=spec.country,
            lat=spec.lat,
            lon=spec.lon,
            status="ga",
            partition=parent.partition,
            network_border_group=parent.network_border_group,
            services=catalog.kind_services(offers_as, parent.partition),
            programs=catalog.kind_programs(offers_as, parent.partition),
            source="the study",
            as_of="",
            tags={},
            outpost=spec.terms,
        )
        for site_id, terms in spec.terms_of.items():
            yield replace(one, id=site_id, outpost=terms, rack=spec.id if spec.sizes else None)


def _check_patterns(study: Study, sites: Collection[Site]) -> None:
    """Every pattern must match some id, of whatever kind: one that matches nothing is a misspelling."""
    spec = study.candidates
    names = dict.fromkeys(name for site in sites for name in site.ids)
    given: list[tuple[str, Sequence[str]]] = [
        ("candidates.include", spec.include),
        ("candidates.exclude", spec.exclude),
        ("candidates.tags", [pattern for pattern, _ in spec.tags]),
        ("network.direct_connect", study.network.direct_connect),
        *(
            (f"rule[{position}].sites", rule.sites)
            for position, rule in enumerate(study.rules, start=1)
            if isinstance(rule, CapacityRule)
        ),
    ]
    for column, patterns in given:
        for pattern in patterns:
            if not any(site.matches(pattern) for site in sites):
                hint = nearest_name(pattern, names) or nearest_name(
                    re.sub(r"[*?]|\[.*\]", "", pattern), names
                )
                raise _fault(study, column, f"{pattern!r} matches no known site", hint)
    for pattern in study.network.direct_connect:
        if all(site.kind == "outpost" for site in sites if site.matches(pattern)):
            raise _fault(
                study, "network.direct_connect", f"{pattern!r} is an Outpost, which leaves by its own line"
            )
    ids, sizes = [site.id for site in sites], {post.id: post.site_ids for post in spec.outposts if post.sizes}
    for site_id in study.current_open:
        if site_id in sizes:
            message = f"{site_id!r} comes in sizes: say which runs, {' or '.join(sizes[site_id])}"
            raise _fault(study, "current.open", message)
        if site_id not in ids:
            raise _fault(
                study, "current.open", f"{site_id!r} is not a known site", nearest_name(site_id, ids)
            )


def _check_spoken_of(study: Study, sites: Collection[Site]) -> None:
    """A capacity pattern or a group's kind that no candidate answers to would be a rule that does nothing.

    A site left out by ``exclude`` still answers to its name: leaving one out is no misspelling.
    """
    everywhere = replace(study, candidates=replace(study.candidates, exclude=()))
    asked_for = [site for site in sites if _is_of_kind(study, site) and _matches(everywhere, site)]
    for position, rule in enumerate(study.rules, start=1):
        if isinstance(rule, CapacityRule):
            for pattern in rule.sites:
                if not any(site.matches(pattern) for site in asked_for):
                    message = f"{pattern!r} matches no candidate"
                    raise _fault(study, f"rule[{position}].sites", message)
        if isinstance(rule, GroupRule):
            for kind in rule.kinds:
                if not any(site.kind == kind for site in asked_for):
                    raise _fault(study, f"rule[{position}].kinds", f"no candidate is {with_article(kind)}")


def _check_groups(study: Study, sites: Collection[Site]) -> None:
    """More groups than candidates stand in cannot have an open site, whatever else is asked."""
    for position, rule in enumerate(study.rules, start=1):
        if isinstance(rule, GroupRule) and rule.at_least is not None:
            groups = groups_among(rule, sites)
            if rule.at_least > groups:
                words = f"{rule.at_least} groups by {rule.by} are asked for, and candidates stand in {groups}"
                raise _fault(study, f"rule[{position}].at_least", words)


def _check_names(study: Study, catalogs: Sequence[Catalog], sites: Collection[Site]) -> None:
    """Instance, services and programs that no site anywhere has are misspellings, not hard requirements."""
    services = frozenset[str]().union(*(site.services for site in sites))
    programs = frozenset[str]().union(*(site.programs for site in sites))
    asked = [
        ("workload.services", "service", study.workload.services, services),
    ]
    if study.workload.commitment is not None:
        commitments = frozenset(each.name for catalog in catalogs for each in catalog.commitments)
        asked.append(("workload.commitment", "commitment", (study.workload.commitment,), commitments))
    for position, rule in enumerate(study.rules, start=1):
        if isinstance(rule, ProgramRule):
            asked.append((f"rule[{position}].programs", "program", rule.programs, programs))
    for column, what, names, valid in asked:
        for name in names:
            if name not in valid:
                raise _fault(study, column, f"{name!r} is not a known {what}", nearest_name(name, valid))
    _check_instances(study, catalogs)
    _check_services(study, sites)
    if study.workload.commitment is not None:
        _check_commitment(study, study.workload.commitment, catalogs)


def _check_instances(study: Study, catalogs: Sequence[Catalog]) -> None:
    """Each provider prices a type of its own: one name for all must be known to all."""
    given = study.workload.instance
    if isinstance(given, str):
        unaware = [catalog.provider for catalog in catalogs if given not in catalog.instances]
        if len(unaware) == len(catalogs):
            instances = frozenset[str]().union(*(catalog.instances for catalog in catalogs))
            words = f"{given!r} is not a known instance type"
            raise _fault(study, "workload.instance", words, nearest_name(given, instances))
        if unaware:
            each = ", ".join(
                f'{catalog.provider} = "{given if catalog.provider not in unaware else "..."}"'
                for catalog in catalogs
            )
            words = f"{given!r} is no type of {', '.join(unaware)}; say one for each: instance = {{ {each} }}"
            raise _fault(study, "workload.instance", words)
    for catalog in catalogs:
        name = study.workload.instance_of(catalog.provider)
        if name not in catalog.instances:
            words = f"{name!r} is not a known instance type of {catalog.provider}"
            column = f"workload.instance.{catalog.provider}"
            raise _fault(study, column, words, nearest_name(name, catalog.instances))


def _check_services(study: Study, sites: Collection[Site]) -> None:
    """A service by the name that one provider has for it would rule out another's every site."""
    offered: dict[str, frozenset[str]] = {}
    for site in sites:
        offered[site.provider] = offered.get(site.provider, frozenset()) | site.services
    shared = frozenset.intersection(*offered.values())
    for name in study.workload.services:
        for provider, services in offered.items():
            if name not in services:
                words = (
                    f"{name!r} is a service at no site of {provider}; known to every provider of the study"
                )
                words += f": {', '.join(sorted(shared)) or 'none'}"
                raise _fault(study, "workload.services", words)


def _check_commitment(study: Study, name: str, catalogs: Sequence[Catalog]) -> None:
    """A commitment that says nothing of the study's instances would be paid for nothing."""
    mine = {each.provider: study.workload.instance_of(each.provider) for each in catalogs}
    if not any(discount_of(each.commitments, name, mine[each.provider].split(".")[0]) for each in catalogs):
        known = {
            other
            for catalog in catalogs
            for each in catalog.commitments
            for other in (each.families if each.name == name else ())
        }
        types = ", ".join(dict.fromkeys(mine.values()))
        words = f"{name!r} is a discount on {', '.join(sorted(known))}, not on {types}"
        raise _fault(study, "workload.commitment", words)


def _unpriced(site: Site, fault: NoPriceError) -> str:
    """The catalog's reason without its file and the site's own id, which stand beside it already."""
    return str(fault).removeprefix(f"{fault.file}: ").removeprefix(f"{site.id} ")


def _first_reason(set_aside: Mapping[str, str]) -> str:
    return next((f"; {site_id}, for one: {reason}" for site_id, reason in set_aside.items()), "")


def _notes(
    study: Study,
    priced: Collection[tuple[Site, SitePrices]],
    passed_over: Counter[str],
    catalog_of: Mapping[str, Catalog],
) -> Iterator[str]:
    yield from study.notes
    yield from announced_notes(study, [site for site, _ in priced])
    estimated = sum(_is_estimated(prices) for _, prices in priced)
    if estimated:
        yield f"{estimated} of {len(priced)} sites have estimated prices"
    yield from _own_and_committed(study, priced, catalog_of)
    for pattern in study.network.direct_connect:
        if not any(site.matches(pattern) for site, _ in priced):
            yield f"network.direct_connect: {pattern} is no candidate, so nothing leaves by it"
    if passed_over:
        kinds = ", ".join(f"{count} {status}" for status, count in sorted(passed_over.items()))
        sites = "site is not a candidate" if passed_over.total() == 1 else "sites are not candidates"
        yield f"{kinds} {sites}; name one in candidates.include to use it"
    programs = {name for rule in study.rules if isinstance(rule, ProgramRule) for name in rule.programs}
    racks = [site for site, _ in priced if site.kind == "outpost"]
    for words in dict.fromkeys(
        said for covered in (True, False) for said in _said_of(study, racks, catalog_of, covered).values()
    ):
        yield f"at Outposts, {words}"
    relied_on = programs | set(study.workload.services)
    unsourced = Counter(
        name for site, _ in priced for name in catalog_of[site.id].unverified(site) & relied_on
    )
    for count in sorted(set(unsourced.values()), reverse=True):
        names = ", ".join(sorted(name for name in unsourced if unsourced[name] == count))
        yield f"{names} at {count} of {len(priced)} sites: no source was found; verify before relying on it"


def _said_of(
    study: Study, sites: Collection[Site], catalog_of: Mapping[str, Catalog], covered: bool
) -> Mapping[str, str]:
    """By Outpost, what is noted of the programs that a rule relies on: of those that cover it, what stays
    with the customer; of those that do not, why."""
    relied_on = {name for rule in study.rules if isinstance(rule, ProgramRule) for name in rule.programs}
    found = {}
    for site in sites:
        notes = catalog_of[site.id].program_notes(site) if site.kind == "outpost" else {}
        by_note: dict[str, list[str]] = {}
        for name in sorted(notes.keys() & relied_on):
            if notes[name] and (name in site.programs) == covered:
                by_note.setdefault(notes[name], []).append(name)
        if by_note:
            found[site.id] = "; ".join(f"{', '.join(names)}: {note}" for note, names in by_note.items())
    return found


def _own_and_committed(
    study: Study, priced: Collection[tuple[Site, SitePrices]], catalog_of: Mapping[str, Catalog]
) -> Iterator[str]:
    """Which prices are the user's own and of what date, and what the commitment rests on."""
    catalogs = {id(catalog): catalog for catalog in catalog_of.values()}.values()
    if study.prices is not None:
        said = [price.as_of for catalog in catalogs for price in catalog.price_list.own.values()]
        said += [each.as_of for catalog in catalogs for each in catalog.commitments if each.own]
        when = f" of {' to '.join(sorted({min(said), max(said)}))}" if said else ""
        prices_set = f"{len(said)} price{'' if len(said) == 1 else 's'}{when}"
        using = sum(_is_own(prices) for _, prices in priced)
        yield f"{study.prices.name} sets {prices_set}; {using} of {len(priced)} sites have prices of it"
    discounts = [prices.commitment for _, prices in priced if prices.instance_hour is not None]
    for each in dict.fromkeys(each for each in discounts if each is not None and not each.sourced):
        yield (
            f"{each.name} saves {each.discount:.0%}, for which no source was found: say in a file of your own"
            " prices what you are offered"
        )
    if study.workload.commitment is not None and (without := sum(each is None for each in discounts)):
        yield f"{study.workload.commitment} is not offered at {without} of {len(priced)} sites"


def _is_own(prices: SitePrices) -> bool:
    committed = prices.commitment is not None and prices.commitment.own
    return committed or any(price.own for price in prices.listed)


def _is_estimated(prices: SitePrices) -> bool:
    return any(price.estimated for price in prices.listed)


def _has_port(study: Study, site: Site) -> bool:
    """Whether the study has Direct Connect at a site. A rack leaves by its own line."""
    return site.kind != "outpost" and site.matches(*study.network.direct_connect)
