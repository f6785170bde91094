"""Rows of a CSV as they stand, so that what nobody changed is written back to the letter."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

Cells = dict[str, str]


def cells_of(text: str) -> tuple[list[str], list[Cells]]:
    """The header, and every record that is not blank. The text has been read strictly before."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    header = [column.strip() for column in next(reader)]
    return header, [dict(zip(header, cells, strict=True)) for cells in reader if any(map(str.strip, cells))]


def text_of(header: Sequence[str], rows: Iterable[Cells]) -> str:
    """A CSV with ``header``; further columns of the rows stand after it, a cell a row lacks is blank."""
    kept = list(rows)
    columns = list(dict.fromkeys([*header, *(column for row in kept for column in row)]))
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(kept)
    return file.getvalue()


def cited(row: Cells, source: str, as_of: str) -> Cells:
    """``row`` with ``source`` before the sources of what else it says, and the date of today."""
    others = [key for key in row["source"].split(";") if key and key != source]
    return row | {"source": ";".join([source, *others]), "as_of": as_of}
