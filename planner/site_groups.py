"""What the sites of one group have in common, for rules that count groups."""

from __future__ import annotations

from collections.abc import Iterable

from planner.jurisdictions import load_jurisdictions
from planner.site_values import Site
from planner.study import GroupRule


def group_key(rule: GroupRule, site: Site) -> tuple[str, ...]:
    """The group of a site, by anything but jurisdiction.

    A rack is its own metro, for nobody says which it stands in; a Region is its own parent.
    """
    match rule.by:
        case "metro":
            return (site.country, site.metro) if site.metro else ("", site.id)
        case "country":
            return (site.country,)
        case "parent":
            return (site.parent or site.id,)
        case _:
            return (site.provider,)


def groups_among(rule: GroupRule, sites: Iterable[Site]) -> int:
    """How many groups the rule counts have one of ``sites``."""
    counted = [site for site in sites if not rule.kinds or site.kind in rule.kinds]
    if rule.by != "jurisdiction":
        return len({group_key(rule, site) for site in counted})
    countries, known = {site.country for site in counted}, load_jurisdictions()
    return sum(not known[name].isdisjoint(countries) for name in rule.jurisdictions)
