"""The form shows every key of a study, and gives back the study it was given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from planner.pages.study_document import FormError, document_of, rows_of, shown, taken, value_at
from planner.pages.study_fields import GRIDS, SECTIONS
from planner.study import load_study, shipped_studies, study_document, study_from_document
from tests.planner.study.test_round_trip import STUDIES

FIELDS = [field for section in SECTIONS for field in section.fields]


def untouched(document):
    """What the form gives back when nobody changes anything."""
    values = {}
    for field in FIELDS:
        value = value_at(document, field.key)
        if field.takes == "flag" and value is None:
            value = field.on
        values[field.key] = taken(shown(value, field) if field.takes in ("names", "pairs") else value, field)
    grids = [
        (
            grid,
            [
                {column.key: taken(row[column.key], column) for column in grid.columns}
                for row in rows_of(document, grid)
            ],
        )
        for grid in GRIDS
    ]
    return document_of(values, grids)


def leaves(document, path=""):
    """Every dotted key of a document, with those of its arrays of tables."""
    for key, value in document.items():
        at = f"{path}.{key}" if path else key
        if at in ("candidates.tags", "workload.instance"):
            yield at
        elif isinstance(value, dict):
            yield from leaves(value, at)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for entry in value:
                yield from leaves(entry, at)
        else:
            yield at


@settings(max_examples=80, deadline=None)
@given(STUDIES)
def test_every_key_that_a_study_may_have_is_in_the_form(study):
    known = {field.key for field in FIELDS} | {"rule.kind", "candidates.tags"}
    known |= {f"{grid.key}.{column.key}" for grid in GRIDS for column in grid.columns}
    assert set(leaves(study_document(study))) <= known


@pytest.mark.parametrize("path", shipped_studies(), ids=lambda path: path.stem)
def test_a_form_that_nobody_touches_gives_the_study_back(path):
    study = load_study(path)
    again = study_from_document(untouched(study_document(study)), name="again", directory=path.parent)
    kinds = [type(rule).__name__ for rule in study.rules]
    assert sorted(kinds) == sorted(type(rule).__name__ for rule in again.rules)
    assert set(again.rules) == set(study.rules)
    assert replace(again, path=path, rules=study.rules) == study


def test_sizes_tags_and_rules_of_every_kind_come_back():
    document = {
        "name": "shop",
        "demand": {"cities": {"countries": ["*"], "top": 5}, "peak_rps": 10.0, "requests_per_month": 10.0},
        "candidates": {
            "tags": {"eu-*": ["a=1", "b=2"]},
            "outpost": [
                {
                    "id": "op-1",
                    "country": "DE",
                    "lat": 50.0,
                    "lon": 10.0,
                    "parent": "eu-central-1",
                    "term_months": 36,
                    "size": [
                        {"name": "s", "capacity_rps": 5.0, "upfront_usd": 1.0, "monthly_usd": 1.0},
                        {"name": "l", "capacity_rps": 9.0, "upfront_usd": 2.0, "monthly_usd": 2.0},
                    ],
                }
            ],
        },
        "rule": [
            {"kind": "tags", "key": "a", "clients": {"countries": ["DE"]}},
            {"kind": "group", "by": "metro", "kinds": ["local_zone"], "at_most": 1},
            {"kind": "capacity", "sites": ["eu-*"], "max_rps": 7.0},
        ],
    }
    again = untouched(document)
    given, back = (
        study_from_document(each, name="shop", directory=Path("/nowhere")) for each in (document, again)
    )
    assert given == back
    assert given.candidates.outposts[0].sizes


def test_without_its_deciding_key_a_table_does_not_stand():
    study = load_study(next(path for path in shipped_studies() if path.stem == "worldwide-saas"))
    document = study_document(study)
    values = {field.key: taken(value_at(document, field.key), field) for field in FIELDS}
    values |= {
        "routing.policy": None,
        "routing.ttl_s": 5.0,
        "workload.home.home_trips": 2.0,
        "network.gbps": 10.0,
        "demand.csv": "a.csv",
    }
    written = document_of(values, [])
    assert "routing" not in written
    assert "home" not in written["workload"]
    assert "network" not in written
    assert "cities" not in written["demand"]


def rows_in(title, *rows):
    (grid,) = (grid for grid in GRIDS if grid.title == title)
    return grid, [{column.key: row.get(column.key) for column in grid.columns} for row in rows]


def test_nothing_that_was_put_in_is_dropped():
    rack = rows_in("Outposts", {"id": "op-1", "capacity_rps": 5.0})
    stray = rows_in("Sizes of an Outpost", {"outpost": "op-2", "name": "half", "capacity_rps": 5.0})
    with pytest.raises(FormError) as caught:
        document_of({}, [rack, stray])
    assert str(caught.value) == (
        "Sizes of an Outpost: row 1: 'op-2' is not the id of an Outpost above; did you mean 'op-1'?"
    )
    nameless = rows_in("Sizes of an Outpost", {"name": "half", "capacity_rps": 5.0})
    with pytest.raises(FormError, match="row 1: 'nothing' is not the id of an Outpost above"):
        document_of({}, [rack, nameless])
    for row in ({"pattern": "eu-*"}, {"tags": ["a=1"]}):
        with pytest.raises(FormError, match="Tags of sites: row 1 needs a site and a tag"):
            document_of({}, [rows_in("Tags of sites", row)])


def test_two_rows_of_tags_for_one_pattern_add_up():
    rows = rows_in(
        "Tags of sites", {"pattern": "eu-*", "tags": ["a=1"]}, {"pattern": "eu-*", "tags": ["b=2"]}
    )
    assert document_of({}, [rows]) == {"candidates": {"tags": {"eu-*": ["a=1", "b=2"]}}}
