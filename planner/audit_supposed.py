"""The part of the audit about what a study supposes; :mod:`planner.audit` has the rest."""

from __future__ import annotations

from collections.abc import Iterator

from planner.ledger import Ledger, close_to


def announced_kept(case: Ledger) -> Iterator[str]:
    """An open zone that is only announced is as the study describes it, at prices drawn from its parent's."""
    for zone in case.study.candidates.announced:
        if zone.id not in case.open_ids or zone.id not in case.site_column:
            continue
        column, where = case.site_column[zone.id], f"announced: {zone.id}"
        site, prices = case.inputs.sites[column], case.inputs.prices[column]
        said = (zone.kind, zone.parent, zone.country, zone.lat, zone.lon)
        planned = (site.kind, site.parent, site.country, site.lat, site.lon)
        if planned != said:
            yield f"{where} is planned as {planned} and described as {said}"
        if zone.services and site.services != frozenset(zone.services):
            yield f"{where} is planned with {sorted(site.services)} and said to offer {sorted(zone.services)}"
        if zone.parent not in case.site_column:
            continue
        parents = case.inputs.prices[case.site_column[zone.parent]]
        pairs = (
            ("instance_hour", prices.instance_hour, parents.instance_hour, 1 + case.study.local_zone_premium),
            ("egress_gb", prices.egress_gb, parents.egress_gb, 1.0),
        )
        for name, price, parent, factor in pairs:
            if price is None or parent is None or price.own:
                continue
            if not price.estimated:
                yield f"{where} has a {name} that is not marked as estimated"
            if not close_to(price.usd, parent.usd * factor):
                stated = f"{where} has {name} {price.usd:.9g}, its parent {parent.usd:.9g}"
                yield f"{stated}, of which {factor:g} is due"
