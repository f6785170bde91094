"""What pairs and sites say together: how sure a whole check is that something changed. Pure.

A site that becomes slower moves all of its pairs at once, so the rounds of all vantages together are far
surer of it than those of any one; one way may change alone as well. A site is tested for either: its p-value
is the lesser of that of all its pairs as one series and that of its surest pair, k times it for k pairs, and
twice the lesser, for there were two. Holm's procedure holds over sites.

In a site that has fallen its pairs are tested by themselves, by Holm's procedure over its own, and its pairs
as one. So with the probability :data:`FALSE_ALARM` at most

- a check finds any site changed of those that did not, and so anything at all where nothing changed;
- at a site that did change it names a pair that did not.

Sources: S. Holm (1979), A simple sequentially rejective multiple test procedure; N. Meinshausen (2008),
Hierarchical testing of variable importance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

FALSE_ALARM: Final = 0.01
"""Of a whole check, over all sites and pairs that it looks at."""

Pair = tuple[str, str]
"""The ids of vantage and site."""


@dataclass(frozen=True, slots=True)
class Fallen:
    """``pairs`` that changed; ``sites`` that changed as a whole."""

    pairs: frozenset[Pair]
    sites: frozenset[str]


def fallen(pairs: Mapping[Pair, float], sites: Mapping[str, float], level: float = FALSE_ALARM) -> Fallen:
    """Of p-values by pair, and by site those of all its pairs as one series, where it has more than one."""
    of_site: dict[str, list[Pair]] = {}
    for pair in pairs:
        of_site.setdefault(pair[1], []).append(pair)
    names = sorted(of_site)
    whole = [site_p_value([pairs[pair] for pair in of_site[site]], sites.get(site)) for site in names]
    found_pairs, found_sites = set[Pair](), set[str]()
    for site, changed in zip(names, significant(whole, level), strict=True):
        if not changed:
            continue
        own = of_site[site]
        alone = significant([pairs[pair] for pair in own], level)
        found_pairs.update(pair for pair, is_ in zip(own, alone, strict=True) if is_)
        if sites.get(site, 1.0) <= level:
            found_sites.add(site)
    return Fallen(frozenset(found_pairs), frozenset(found_sites))


def site_p_value(pairs: Sequence[float], together: float | None) -> float:
    """Of a site with these p-values of its pairs, and that of all of them ``together``."""
    alone = min(1.0, len(pairs) * min(pairs))
    return alone if together is None else min(1.0, 2.0 * min(alone, together))


def significant(p_values: Sequence[float], level: float = FALSE_ALARM) -> tuple[bool, ...]:
    """Which of several hypotheses fall by Holm's procedure: a single false one with probability ``level`` at
    most, whatever their dependence."""
    found = [False] * len(p_values)
    for rank, which in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[which] > level / (len(p_values) - rank):
            break
        found[which] = True
    return tuple(found)
