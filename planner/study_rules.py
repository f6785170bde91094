"""The ``[[rule]]`` tables of a study: one reader for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from planner.jurisdictions import load_jurisdictions
from planner.site_values import SITE_KINDS
from planner.study_names import selector, several
from planner.study_values import (
    GROUPS_BY,
    CapacityRule,
    GroupRule,
    ProgramRule,
    ResidencyRule,
    Rule,
    Selector,
    TagsRule,
)
from probes.strict_toml import Table

_CLIENTS: Final = ("jurisdictions", "countries", "classes")


def read_rule(table: Table) -> Rule:
    """One rule. Raises the table's error."""
    rule = _READERS[table.text("kind", choices=_READERS)](table)
    table.close()
    return rule


def _clients(table: Table) -> Selector:
    return selector(table.table("clients"), _CLIENTS)


def _residency(table: Table) -> ResidencyRule:
    return ResidencyRule(_clients(table), selector(table.table("sites"), ("jurisdictions", "countries")))


def _program(table: Table) -> ProgramRule:
    return ProgramRule(_clients(table), several(table, "programs", ...))


def _tags(table: Table) -> TagsRule:
    return TagsRule(table.text("key"), _clients(table) if table.has("clients") else None)


def _group(table: Table) -> GroupRule:
    rule = GroupRule(
        by=table.text("by", choices=GROUPS_BY),
        kinds=several(table, "kinds", None, SITE_KINDS, "kind of site"),
        jurisdictions=several(table, "jurisdictions", None, load_jurisdictions(), "jurisdiction"),
        at_most=table.number("at_most", None, low=0, whole=True),
        at_least=table.number("at_least", None, low=1, whole=True),
    )
    if rule.at_most is None and rule.at_least is None:
        raise table.fault("at_most", "give at_most, at_least or both")
    if rule.at_most == 0 and rule.at_least is not None:
        raise table.fault(
            "at_least", f"{rule.at_least} groups have an open site, but at_most = 0 leaves none"
        )
    if (rule.by == "jurisdiction") != bool(rule.jurisdictions):
        words = "is required" if rule.by == "jurisdiction" else 'goes with by = "jurisdiction" only'
        raise table.fault("jurisdictions", words)
    if rule.by == "jurisdiction" and rule.at_least is not None and rule.at_least > len(rule.jurisdictions):
        raise table.fault("at_least", f"{rule.at_least} is more than the {len(rule.jurisdictions)} named")
    return rule


def _capacity(table: Table) -> CapacityRule:
    rule = CapacityRule(
        sites=several(table, "sites", ...),
        min_rps=table.number("min_rps", None, low=0, high=1e12),
        max_rps=table.number("max_rps", None, above=0, high=1e12),
    )
    if rule.min_rps is None and rule.max_rps is None:
        raise table.fault("max_rps", "give min_rps, max_rps or both")
    if rule.min_rps is not None and rule.max_rps is not None and rule.min_rps > rule.max_rps:
        raise table.fault("min_rps", f"{rule.min_rps:g} is more than max_rps, {rule.max_rps:g}")
    return rule


_READERS: Final[Mapping[str, Callable[[Table], Rule]]] = {
    "residency": _residency,
    "program": _program,
    "tags": _tags,
    "group": _group,
    "capacity": _capacity,
}
