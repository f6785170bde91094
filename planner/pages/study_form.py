"""The study as a form: every key a field or a cell, so that nobody needs to write TOML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from planner.pages import session
from planner.pages.study_document import document_of, rows_of, shown, taken, value_at
from planner.pages.study_fields import GRIDS, SECTIONS, Field, Grid

ACROSS = 3


def study_form(document: Mapping[str, Any], offered: Mapping[str, tuple[str, ...]]) -> dict[str, Any] | None:
    """Draw the form for a study's ``document``; the new document once it is submitted, else None.

    ``offered``: names to choose from, by dotted key.
    """
    values: dict[str, Any] = {}
    grids = []
    with st.form("study-form", border=False):
        for section in SECTIONS:
            with st.expander(section.title, expanded=section is SECTIONS[1]):
                cells = st.columns(ACROSS)
                for at, field in enumerate(section.fields):
                    with cells[at % ACROSS]:
                        put_in = _widget(field, value_at(document, field.key), offered.get(field.key, ()))
                        values[field.key] = taken(put_in, field)
        for grid in GRIDS:
            rows = rows_of(document, grid)
            with st.expander(f"{grid.title} ({len(rows)})" if rows else grid.title):
                if grid.words:
                    st.caption(grid.words)
                grids.append((grid, _rows(grid, rows)))
        if st.form_submit_button("Plan with this", type="primary"):
            return document_of(values, grids)
    return None


def _widget(field: Field, value: Any, offered: tuple[str, ...]) -> Any:
    key = session.widget_key(f"form.{field.key}")
    options = (*field.options, *(name for name in offered if name not in field.options))
    words = field.words or None
    if field.takes == "flag":
        return st.checkbox(field.label, field.on if value is None else value, key=key, help=words)
    if field.takes == "choice":
        at = options.index(value) if value in options else 0
        return st.selectbox(field.label, options, at, key=key, help=words)
    if field.takes == "names":
        names = list(value or ())
        known = [*names, *(name for name in options if name not in names)]
        return st.multiselect(field.label, known, names, key=key, help=words, accept_new_options=True)
    if field.takes in ("number", "whole"):
        whole = field.takes == "whole"
        if key not in st.session_state:  # a field that has a value of its own could not be emptied again
            st.session_state[key] = value if value is None else (int(value) if whole else float(value))
        return st.number_input(
            field.label,
            value=None,
            step=1 if whole else None,
            format="%d" if whole else "%g",
            key=key,
            help=words,
            placeholder="none",
        )
    return st.text_input(field.label, shown(value, field) or "", key=key, help=words)


def _rows(grid: Grid, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a grid as they are after the reader's changes."""
    frame = pd.DataFrame(rows, columns=[column.key for column in grid.columns])
    config: dict[str, Any] = {}
    for column in grid.columns:
        if column.takes in ("number", "whole"):
            frame[column.key] = pd.to_numeric(frame[column.key]).astype("float64")
            config[column.key] = st.column_config.NumberColumn(column.label, help=column.words or None)
        elif column.takes == "choice":
            config[column.key] = st.column_config.SelectboxColumn(column.label, options=list(column.options))
        else:
            frame[column.key] = frame[column.key].astype("object")
            words = "several, with commas between" if column.takes == "names" else None
            config[column.key] = st.column_config.TextColumn(column.label, help=words)
    kind = "".join(value for _, value in grid.where)
    edited = st.data_editor(
        frame,
        column_config=config,
        num_rows="dynamic",
        hide_index=True,
        width="stretch",
        key=session.widget_key(f"form.{grid.key}.{kind}"),
    )
    return [
        {column.key: taken(row.get(column.key), column) for column in grid.columns}
        for row in edited.to_dict("records")
    ]
