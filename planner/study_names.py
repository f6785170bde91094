"""Lists of names in a study: each known, or refused with the nearest known one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from planner.jurisdictions import load_countries, load_jurisdictions, nearest_country
from planner.study_values import Selector
from probes.strict_toml import InputError, Table


def several(
    table: Table, key: str, default: Any, valid: Collection[str] = (), what: str = ""
) -> tuple[str, ...]:
    """At least one string, each one of ``valid`` where given; a default of None means none when absent."""
    given: tuple[str, ...] | None = table.texts(key, default)
    if given is None:
        return ()
    if not given:
        raise table.fault(key, "is empty")
    for name in given:
        if valid and name not in valid:
            raise table.fault(key, f"{name!r} is not a known {what}", valid, name)
    return given


def countries(
    table: Table, key: str, default: tuple[str, ...] | None, valid: Collection[str]
) -> tuple[str, ...]:
    """Country codes; the nearest is found by the country's name, too."""
    given = several(table, key, default)
    for name in given:
        if name not in valid:
            raise country_fault(table, key, name)
    return given


def country_fault(table: Table, key: str, name: str) -> InputError:
    """The error to raise about an unknown country."""
    hint = nearest_country(name)
    return table.fault(key, f"{name!r} is not a known ISO 3166 country code", (hint,) if hint else (), hint)


def by_provider(
    table: Table,
    key: str,
    default: str | tuple[tuple[str, str], ...],
    providers: Sequence[str],
    known: Collection[str],
) -> str | tuple[tuple[str, str], ...]:
    """One text for all, or a table of one for each of ``providers``; those of other ``known`` ones may stand
    there too."""
    if not table.is_table(key):
        one: str | tuple[tuple[str, str], ...] = table.text(key, default)
        return one
    given = table.table(key)
    found = tuple((name, given.text(name)) for name in sorted(known) if name in providers or given.has(name))
    given.close()
    return found


def tags(table: Table, key: str) -> tuple[str, ...]:
    """Tags as "key=value", each key once; none when absent."""
    given: tuple[str, ...] = table.texts(key, ())
    names = [tag.partition("=")[0] for tag in given]
    for name, tag in zip(names, given, strict=True):
        if not name or "=" not in tag:
            raise table.fault(key, f'{tag!r} is not a tag written "key=value"')
        if names.count(name) > 1:
            raise table.fault(key, f"the tag {name!r} is given {names.count(name)} times")
    return given


def selector(table: Table, criteria: Sequence[str]) -> Selector:
    """Which clients or sites a rule speaks of, by at least one of ``criteria``."""
    if not any(table.has(key) for key in criteria):
        table.close()
        raise table.fault(criteria[0], f"give at least one of {', '.join(criteria)}")
    found = Selector(
        jurisdictions=several(table, "jurisdictions", None, load_jurisdictions(), "jurisdiction"),
        countries=countries(table, "countries", None, load_countries()),
        classes=several(table, "classes", None) if "classes" in criteria else (),
    )
    table.close()
    return found
