"""load_b + Σ_i load_i [a(i) ∈ D, b(i) = b] ≤ capacity_b, for every failure domain D and open site b ∉ D.

a(i) is the site that serves client i, b(i) its one backup: open, allowed by every rule on pairs but
``max_ms``, within ``backup_within_ms``, and in no failure domain that holds a(i). While D is down all its
clients are at their backups, whole, and everybody else stays. A cloud site runs the instances that the worst
D asks for, a rack must have the room. N-1 redundancy: one domain fails at a time (Hogan & ReVelle 1986,
backup coverage; Snyder & Daskin 2005, levels of backup).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from planner.catalog import ZONE_KINDS, Site
from planner.rules.effect import Effect, Facts, Failover
from planner.study import Resilience

_WHAT = {"site": "site", "metro": "metro", "region": "Region with its zones"}


def effects(facts: Facts) -> tuple[Effect, ...]:
    """One failure at a time; nobody is left without service, and nothing is overloaded."""
    asked = facts.study.resilience
    if asked.survive == "none":
        return ()
    near = np.isfinite(facts.latency_ms)
    words = f"any one {_WHAT[asked.survive]} may fail: each of its clients has a backup with room for it"
    if asked.backup_within_ms is not None:
        near &= facts.latency_ms <= asked.backup_within_ms
        words += f" within {asked.backup_within_ms:g} ms"
    failover = Failover(failure_domains(facts.inputs.sites, asked), near)
    return (Effect("survive", words, failover=failover),)


def failure_domains(sites: Sequence[Site], asked: Resilience) -> NDArray[np.bool_]:
    """(k, n) the sets of sites that fail together, none inside another.

    A site alone; or all of a metro (a rack, or a site without a metro, alone); or a Region with its zones.
    Where zones fail with their parent, a Region takes them along whatever fails.
    """
    zones_follow = asked.zones_fail_with_parent or asked.survive == "region"
    fail = np.eye(len(sites), dtype=bool)
    if asked.survive == "metro":
        for j, site in enumerate(sites):
            if site.kind != "outpost" and site.metro:
                fail[j] |= [
                    other.kind != "outpost" and (other.country, other.metro) == (site.country, site.metro)
                    for other in sites
                ]
    if zones_follow:
        column = {site.id: j for j, site in enumerate(sites)}
        for j, site in enumerate(sites):
            if site.kind in ZONE_KINDS and site.parent in column:
                fail[fail[:, column[site.parent]], j] = True
    kept: list[NDArray[np.bool_]] = []
    for domain in fail[np.argsort(-fail.sum(axis=1), kind="stable")]:
        if not any((domain <= other).all() for other in kept):
            kept.append(domain)
    return np.array(kept, dtype=bool).reshape(len(kept), len(sites))
