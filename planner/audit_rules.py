"""The part of the audit that counts groups, loads and tags; :mod:`planner.audit` has the rest.

Written from ``docs/design/0001-decision-model.md`` apart from the rules it checks, which it does not know.
"""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterator

from planner.ledger import Ledger
from planner.site_values import Site
from planner.study import CapacityRule, GroupRule, TagsRule


def groups_kept(case: Ledger) -> Iterator[str]:
    """Open sites by metro, country, parent, provider or jurisdiction."""
    for number, rule in enumerate(case.study.rules, start=1):
        if not isinstance(rule, GroupRule):
            continue
        counted: Counter[str] = Counter()
        for site_id in case.open_ids:
            site = case.inputs.sites[case.site_column[site_id]]
            if not rule.kinds or site.kind in rule.kinds:
                counted.update(_groups_of(case, rule, site))
        for group, count in sorted(counted.items()):
            if rule.at_most is not None and count > rule.at_most:
                yield f"group (rule {number}): {count} sites are open in {group}, at most {rule.at_most} may"
        if rule.at_least is not None and len(counted) < rule.at_least:
            reached = ", ".join(sorted(counted)) or "none"
            yield (
                f"group (rule {number}): sites are open in {len(counted)} groups by {rule.by} ({reached}),"
                f" at least {rule.at_least} are asked for"
            )


def _groups_of(case: Ledger, rule: GroupRule, site: Site) -> tuple[str, ...]:
    if rule.by == "jurisdiction":
        known = case.inputs.jurisdictions
        return tuple(name for name in rule.jurisdictions if site.country in known.get(name, ()))
    return {
        "metro": (f"{site.metro}, {site.country}" if site.metro else site.id,),
        "country": (site.country,),
        "parent": (site.id if site.parent is None else site.parent,),
        "provider": (site.provider,),
    }[rule.by]


def loads_kept(case: Ledger) -> Iterator[str]:
    """What each open site carries, against capacity rules and utilisation."""
    limits = case.study.limits
    for site_id in sorted(case.open_ids):
        column = case.site_column[site_id]
        site, load = case.inputs.sites[column], float(case.load[column])
        capacity = [] if site.outpost is None else [site.outpost.capacity_rps]
        for number, rule in enumerate(case.study.rules, start=1):
            if not isinstance(rule, CapacityRule):
                continue
            rack = [post.id for post in case.study.candidates.outposts if site_id in post.site_ids]
            if not any(fnmatch.filter({site_id, *rack}, pattern) for pattern in rule.sites):
                continue
            where = f"capacity (rule {number}): site {site_id} carries {load:.9g} requests per second"
            if rule.max_rps is not None:
                capacity.append(rule.max_rps)
                if case.peak[column] > rule.max_rps * (1 + 1e-6):
                    peak = float(case.peak[column])
                    carries = where if peak == load else f"{where}, in a failure {peak:.9g}"
                    yield f"{carries}, above {rule.max_rps:g}"
            if rule.min_rps is not None and load < rule.min_rps * (1 - 1e-6):
                yield f"{where}, below {rule.min_rps:g}"
        if not capacity:
            continue
        used = load / min(capacity)
        words = f"utilisation: site {site_id} uses {used:.9g} of its capacity, {min(capacity):g}"
        if limits.max_utilisation < 1 and used > limits.max_utilisation * (1 + 1e-6):
            yield f"{words}: above {limits.max_utilisation:g}"
        if used < limits.min_utilisation * (1 - 1e-6):
            yield f"{words}: below {limits.min_utilisation:g}"


def links_kept(case: Ledger) -> Iterator[str]:
    """The service link of every open Outpost."""
    for site_id in sorted(case.open_ids & case.inputs.links.keys()):
        link = case.inputs.links[site_id]
        where = f"service_link: Outpost {site_id}"
        if not link.rtt_ms <= link.most_ms:
            yield f"{where} is {link.rtt_ms:g} ms from its parent, above {link.most_ms:g}"
        if link.mbps is not None and link.mbps < link.least_mbps:
            yield f"{where} has {link.mbps:g} Mbps to its parent, below {link.least_mbps:g}"


def tags_kept(case: Ledger) -> Iterator[str]:
    """Each client at a site whose tag has the value of its own."""
    for number, rule in enumerate(case.study.rules, start=1):
        if not isinstance(rule, TagsRule):
            continue
        for client in case.tagged(rule):
            row = case.client_row[client.id]
            for column in {case.column[row], case.standby[row]} - {-1}:
                site = case.inputs.sites[column]
                own, its = client.tags.get(rule.key), site.tags.get(rule.key)
                if own is None or own != its:
                    yield (
                        f"tags (rule {number}): client {client.id} with {rule.key}={own or 'nothing'} is at"
                        f" site {site.id} with {rule.key}={its or 'nothing'}"
                    )
