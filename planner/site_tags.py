"""The tags that a study gives its sites: by pattern in ``[candidates.tags]``, and each Outpost's own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from planner.site_values import Site
from planner.study import Study, StudyError, TagsRule
from probes.strict_toml import nearest_name


def site_tags(study: Study, sites: Collection[Site]) -> Mapping[str, Mapping[str, str]]:
    """The tags of each site, by its id. Several patterns add up; no order decides where two disagree.

    Raises :class:`StudyError` where two patterns give a site one tag with two values, and for a rule about a
    tag that no site is given.
    """
    found: dict[str, dict[str, str]] = {}
    for site in sites:
        by: dict[str, str] = {}
        own: dict[str, str] = {}
        for source, tag in _given(study, site):
            key, _, value = tag.partition("=")
            if own.setdefault(key, value) != value:
                words = f"{site.id!r} is given {key}={own[key]} by {by[key]} and {tag} by {source}"
                raise _fault(study, "candidates.tags", words)
            by.setdefault(key, source)
        found[site.id] = own
    keys = {tag.partition("=")[0] for _, tag in _all_given(study)}
    for position, rule in enumerate(study.rules, start=1):
        if isinstance(rule, TagsRule) and rule.key not in keys:
            hint = nearest_name(rule.key, keys)
            raise _fault(study, f"rule[{position}].key", f"no site has the tag {rule.key!r}", hint)
    return found


def _given(study: Study, site: Site) -> Iterator[tuple[str, str]]:
    """What gives the site a tag, and the tag."""
    for pattern, tags in study.candidates.tags:
        if site.matches(pattern):
            yield from ((repr(pattern), tag) for tag in tags)
    for post in study.candidates.outposts:
        if site.id in post.site_ids:
            yield from (("its own tags", tag) for tag in post.tags)


def _all_given(study: Study) -> Iterator[tuple[str, str]]:
    yield from ((pattern, tag) for pattern, tags in study.candidates.tags for tag in tags)
    yield from ((post.id, tag) for post in study.candidates.outposts for tag in post.tags)


def _fault(study: Study, column: str, message: str, nearest: str | None = None) -> StudyError:
    return StudyError(study.path or Path(study.name), message, column=column, nearest=nearest)
