"""Agents that take the measurements a survey asks for: a configuration for each place they stand at [I/O]."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from planner.agent_targets import distinct, endpoint_targets, outpost_targets
from planner.catalog import SITE_KINDS, load_catalog
from planner.study import Study
from planner.survey import Wanted, sites_of
from probes.settings_writing import render_settings
from probes.target import Target

LONGEST_NAME: Final = 60


def known_targets(study: Study) -> tuple[Target, ...]:
    """What agents may probe of the study's candidates: the catalogs' endpoints and its racks' hosts."""
    found = outpost_targets(study)
    for provider in study.candidates.providers:
        found += endpoint_targets(load_catalog(provider), SITE_KINDS)
    return distinct(found)


def racks_of(study: Study) -> dict[str, str]:
    """Each rack's name by that of each size it comes in: it is probed once, whatever its size."""
    return {site_id: post.id for post in study.candidates.outposts for site_id in post.site_ids}


def without_address(
    pairs: Sequence[Wanted], targets: Sequence[Target], racks: Mapping[str, str]
) -> list[str]:
    """The sites of ``pairs`` that no agent can probe."""
    named = {racks.get(each.site_id, each.site_id) for each in pairs}
    return sorted(named - {target.site for target in targets})


def configurations(
    pairs: Sequence[Wanted], targets: Sequence[Target], racks: Mapping[str, str]
) -> dict[str, str]:
    """An agent's configuration for each place that has something to measure, by the name of its file."""
    found = dict[str, str]()
    for place in dict.fromkeys(each.place for each in pairs):
        at = next(each for each in pairs if each.place == place)
        sites = dict.fromkeys(racks.get(site, site) for site in sites_of(pairs, place))
        wanted = [target for site in sites for target in targets if target.site == site]
        if not wanted:
            continue
        plain = re.sub(r"[^a-z0-9-]+", "-", place.lower()).strip("-")[:LONGEST_NAME] or "place"
        # Two places may come out alike (names that are not in ASCII do), two vantages may not.
        tried = (plain, *(f"{plain}-{number}" for number in range(2, len(pairs) + 2)))
        name = next(each for each in tried if f"probes-{each}.toml" not in found)
        found[f"probes-{name}.toml"] = render_settings(
            vantage=name, country=at.country, lat=at.lat, lon=at.lon, targets=wanted
        )
    return found
