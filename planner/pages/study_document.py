"""Between a study's document and what a form shows: values by dotted key, rows of arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planner.pages.study_fields import Field, Grid
from probes.strict_toml import InputError, nearest_name

OPTIONAL_TABLES = {
    "demand.cities": "demand.csv",
    "workload.home": "workload.home.region",
    "routing": "routing.policy",
}
"""Tables that stand or fall with one key: cities give way to a CSV, the others need theirs."""


def value_at(document: Mapping[str, Any], key: str) -> Any:
    """The value of a dotted key, None where it does not stand."""
    value: Any = document
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def rows_of(document: Mapping[str, Any], grid: Grid) -> list[dict[str, Any]]:
    """The rows of an array of tables, or of the tables that are kept as if they were one."""
    if grid.key == "candidates.tags":
        tags: Mapping[str, Sequence[str]] = value_at(document, grid.key) or {}
        rows = [{"pattern": pattern, "tags": list(names)} for pattern, names in tags.items()]
    elif grid.key == "candidates.outpost.size":
        posts = value_at(document, "candidates.outpost") or []
        rows = [{"outpost": post["id"], **size} for post in posts for size in post.get("size", ())]
    else:
        rows = value_at(document, grid.key) or []
    chosen = [row for row in rows if all(row.get(key) == value for key, value in grid.where)]
    return [
        {column.key: shown(value_at(row, column.key), column) for column in grid.columns} for row in chosen
    ]


def shown(value: Any, field: Field) -> Any:
    """A list of names, or what is said by name, as a cell's text; anything else as it is."""
    if field.takes == "pairs" and isinstance(value, Mapping):
        return ", ".join(f"{name}={text}" for name, text in value.items())
    return ", ".join(value) if field.takes == "names" and value is not None else value


def taken(value: Any, field: Field) -> Any:
    """What a person put in, as the document has it; None where nothing stands."""
    if value is None or value != value:  # nan is how a table shows an empty cell
        return None
    if field.takes == "names":
        names = [name.strip() for name in value.split(",")] if isinstance(value, str) else list(value)
        return [name for name in names if name] or None
    if field.takes == "flag":
        return bool(value)
    if field.takes == "whole":
        return int(value) if float(value).is_integer() else float(value)
    if field.takes == "number":
        return float(value)
    text = str(value).strip()
    if field.takes == "pairs" and "=" in text:
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        return {name.strip(): own.strip() for name, _, own in pairs}
    return text or None


class FormError(InputError):
    """A row of the form that cannot be written as a study: nothing a reader put in is dropped."""


def document_of(
    values: Mapping[str, Any], grids: Sequence[tuple[Grid, Sequence[Mapping[str, Any]]]]
) -> dict[str, Any]:
    """The study's document from the fields' values, by dotted key, and the grids' rows.

    Raises :class:`FormError` for a row that belongs to nothing.
    """
    document: dict[str, Any] = {}
    for key, value in values.items():
        if value is not None and not _left_out(key, values):
            _put(document, key, value)
    sizes: list[dict[str, Any]] = []
    for grid, rows in grids:
        written = [_row(grid, row) for row in rows if any(cell is not None for cell in row.values())]
        if not written:
            continue
        if grid.key == "candidates.tags":
            document.setdefault("candidates", {})["tags"] = _by_pattern(grid, written)
        elif grid.key == "candidates.outpost.size":
            sizes = written
        else:
            _put(document, grid.key, [*(value_at(document, grid.key) or []), *written])
    _put_sizes(document, sizes)
    return document


def _by_pattern(grid: Grid, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The tags of each pattern; rows of one pattern add up."""
    found: dict[str, list[str]] = {}
    for position, row in enumerate(rows, start=1):
        if "pattern" not in row or "tags" not in row:
            raise FormError(grid.title, f"row {position} needs a site and a tag")
        found.setdefault(row["pattern"], []).extend(row["tags"])
    return found


def _put_sizes(document: Mapping[str, Any], sizes: Sequence[Mapping[str, Any]]) -> None:
    """Each size into the Outpost it is one of, whose own capacity and prices give way."""
    posts = {post.get("id"): post for post in value_at(document, "candidates.outpost") or []}
    for position, size in enumerate(sizes, start=1):
        name = size.get("outpost")
        if name not in posts:
            message = f"row {position}: {name or 'nothing'!r} is not the id of an Outpost above"
            hint = None if name is None else nearest_name(name, [id_ for id_ in posts if id_])
            raise FormError("Sizes of an Outpost", message, nearest=hint)
        posts[name].setdefault("size", []).append(
            {key: value for key, value in size.items() if key != "outpost"}
        )
        for key in ("capacity_rps", "upfront_usd", "monthly_usd"):
            posts[name].pop(key, None)


def _left_out(key: str, values: Mapping[str, Any]) -> bool:
    """Whether the key's table does not stand."""
    for table, decides in OPTIONAL_TABLES.items():
        if key.startswith(f"{table}."):
            given = values.get(decides) is not None
            return given if table == "demand.cities" else not given
    if key.startswith("network.") and key != "network.direct_connect":
        return values.get("network.direct_connect") is None
    if key == "workload.committed_share":
        return values.get("workload.commitment") is None
    if key == "latency.coverage":
        return values.get("latency.slo_ms") is None
    if key in ("resilience.data_gb", "resilience.change_gb_per_day"):
        return values.get("resilience.rto") is None and values.get("resilience.rpo") is None
    return False


def _row(grid: Grid, row: Mapping[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = dict(grid.where)
    for column in grid.columns:
        if row.get(column.key) is not None:
            _put(written, column.key, row[column.key])
    return written


def _put(document: dict[str, Any], key: str, value: Any) -> None:
    *tables, last = key.split(".")
    for table in tables:
        document = document.setdefault(table, {})
    document[last] = value
