"""Reading CSV strictly: every complaint names file, row, column and the name that was probably meant [I/O].

The shipped catalog and a person's own clients are read by the same code. A cell is data and nothing else:
text that a spreadsheet would run as a formula stays text.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from probes.strict_toml import InputError, nearest_name

REQUIRED: Final[Any] = ...
"""Default of an accessor whose cell must not be blank."""

_DATE: Final = re.compile(r"undated|\d{4}(-\d\d(-\d\d)?)?(/\d{4}(-\d\d(-\d\d)?)?)?")

_LISTED: Final = 12
"""Up to so many choices are named in a complaint; of more, only the nearest one."""


class Row:
    """One record of a file. ``line`` is 1-based and counts the header, as an editor shows it.

    Accessors return the cell without surrounding blanks, or raise the file's error. Where a default is given,
    a blank cell and an absent optional column both yield it.
    """

    __slots__ = ("_cells", "_error", "_file", "line")

    def __init__(self, file: Path, line: int, cells: Mapping[str, str], error: type[InputError]) -> None:
        self._file, self.line, self._cells, self._error = file, line, cells, error

    def fault(self, column: str, message: str, *, nearest: str | None = None) -> InputError:
        """The error to raise about one cell."""
        return self._error(self._file, message, row=self.line, column=column, nearest=nearest)

    def text(self, column: str, default: Any = REQUIRED) -> Any:
        """A string that is not blank."""
        value = self._cells.get(column, "").strip()
        if value:
            return value
        if default is REQUIRED:
            raise self.fault(column, "is blank")
        return default

    def texts(self, column: str, default: Any = REQUIRED) -> Any:
        """A tuple of strings, separated by ``;``."""
        value = self.text(column, default)
        if value is default and default is not REQUIRED:
            return value
        return tuple(item.strip() for item in value.split(";") if item.strip())

    def prefixed(self, prefix: str) -> dict[str, str]:
        """What stands in the columns of that prefix, by the rest of their names; blank cells are left out."""
        cells = {column: cell.strip() for column, cell in self._cells.items() if column.startswith(prefix)}
        if prefix in cells:
            raise self.fault(prefix, "names nothing after the colon")
        return {column.removeprefix(prefix): cell for column, cell in cells.items() if cell}

    def choice(
        self,
        column: str,
        choices: Collection[str],
        default: Any = REQUIRED,
        *,
        what: str = "",
        nearest: str | None = None,
    ) -> Any:
        """One of ``choices``. ``what`` says what they are where they are too many to list; ``nearest``
        is offered where the caller knows better than spelling which one was meant."""
        value = self.text(column, default)
        if value in choices or (value is default and default is not REQUIRED):
            return value
        known = ", ".join(choices) if len(choices) <= _LISTED else f"a known {what or 'value'}"
        words = "is not one of" if len(choices) <= _LISTED else "is not"
        raise self.fault(
            column, f"{value!r} {words} {known}", nearest=nearest or nearest_name(value, choices)
        )

    def date(self, column: str) -> str:
        """A year, month or day, an interval of two (``2025/2026``), or ``undated``."""
        value: str = self.text(column)
        if _DATE.fullmatch(value) is None:
            raise self.fault(column, f"{value!r} is not a date like 2026-11-23, 2026-11, 2026 or undated")
        return value

    def number(
        self,
        column: str,
        default: Any = REQUIRED,
        *,
        low: float = -math.inf,
        high: float = math.inf,
        whole: bool = False,
    ) -> Any:
        """A finite number in [low, high]; an int where ``whole``. Decimals are written with a point."""
        cell = self.text(column, default)
        if cell is default and default is not REQUIRED:
            return cell
        try:
            value = float(cell) if "_" not in cell else math.nan
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.fault(column, f"{cell!r} is not a finite number")
        if whole and value != int(value):
            raise self.fault(column, f"{cell!r} is not a whole number")
        if not low <= value <= high:
            limits = f"{low:g} or more" if high == math.inf else f"{low:g} to {high:g}"
            raise self.fault(column, f"{cell} is out of range ({limits})")
        return int(value) if whole else value


def read_rows(
    path: Path,
    required: Sequence[str],
    optional: Sequence[str] = (),
    error: type[InputError] = InputError,
    *,
    prefixes: Sequence[str] = (),
) -> Iterator[Row]:
    """Yield the records of a UTF-8 CSV file (a byte-order mark is accepted, blank rows are skipped).

    Every ``required`` column must stand in the header; any other must be among ``optional`` or start with one
    of ``prefixes``. The file is decoded and its header checked before the first record is yielded.
    """
    records = _records(path, _decoded(path, error), error)
    header = next(records, None)
    if header is None:
        raise error(path, f"is empty; a header row with {', '.join(required)} is expected")
    columns = _header(path, header, required, optional, prefixes, error)
    for line, cells in records:
        if len(cells) < len(columns):
            missing = columns[len(cells)]
            raise error(path, f"has {len(cells)} of {len(columns)} cells; {missing!r} is missing", row=line)
        if len(cells) > len(columns):
            raise error(path, f"has {len(cells)} cells, but the header has {len(columns)} columns", row=line)
        yield Row(path, line, dict(zip(columns, cells, strict=True)), error)


def _decoded(path: Path, error: type[InputError]) -> str:
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise error(path, fault.strerror or str(fault)) from None
    nul = data.find(b"\0")
    if nul >= 0:
        raise error(path, "contains a NUL byte", row=data.count(b"\n", 0, nul) + 1)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        # ``fault.object`` lacks the byte-order mark; it holds no line break, so the count stands.
        line = fault.object.count(b"\n", 0, fault.start) + 1
        raise error(path, f"is not UTF-8 (byte {fault.object[fault.start]:#04x})", row=line) from None


def _records(path: Path, text: str, error: type[InputError]) -> Iterator[tuple[int, list[str]]]:
    """Records that are not blank, each with the line it starts on."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as fault:
            raise error(path, f"is not valid CSV: {fault}", row=line) from None
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield line, cells


def _header(
    path: Path,
    header: tuple[int, list[str]],
    required: Sequence[str],
    optional: Sequence[str],
    prefixes: Sequence[str],
    error: type[InputError],
) -> list[str]:
    line, cells = header
    columns = [cell.strip() for cell in cells]
    valid = (*required, *optional)
    if len(columns) == 1 and columns[0] not in valid:
        for separator in (";", "\t", "|"):
            if separator in columns[0]:
                raise error(path, f"cells are separated by {separator!r}; a comma is expected", row=line)
    for column in columns:
        if column not in valid and not any(column.startswith(prefix) for prefix in prefixes):
            raise error(
                path, "unknown column", row=line, column=repr(column), nearest=nearest_name(column, valid)
            )
    for column in columns:
        if columns.count(column) > 1:
            raise error(path, "stands in the header more than once", row=line, column=column)
    for column in required:
        if column not in columns:
            raise error(path, "is missing from the header", row=line, column=column)
    return columns
