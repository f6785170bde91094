"""The strict CSV reader: what it accepts, and every complaint in its exact words."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.csv_rows import read_rows
from probes.strict_toml import InputError


class OddError(InputError):
    """An error type of the caller's own."""


def rows(path: Path, data: bytes, **keywords):
    path.write_bytes(data)
    return list(read_rows(path, ("id", "lat"), ("note",), OddError, **keywords))


def complaint(path: Path, data: bytes) -> str:
    with pytest.raises(OddError) as caught:
        rows(path, data)
    text = str(caught.value)
    assert text.startswith(str(path))
    return text.removeprefix(str(path))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.csv"


def test_reads_cells_with_their_lines(file):
    got = rows(file, b'id,lat,note\na,1.5,"two\nlines"\n\n , ,\nb,-2,\n')
    assert [(row.line, row.text("id"), row.number("lat"), row.text("note", "-")) for row in got] == [
        (2, "a", 1.5, "two\nlines"),
        (6, "b", -2.0, "-"),
    ]


def test_accepts_a_byte_order_mark_windows_line_ends_and_any_column_order(file):
    got = rows(file, b"\xef\xbb\xbflat , id\r\n 1 , a \r\n")
    assert [(row.text("id"), row.number("lat"), row.text("note", None)) for row in got] == [("a", 1.0, None)]


def test_a_cell_a_spreadsheet_would_run_is_text(file):
    got = rows(file, b'id,lat,note\n=1+1,1,"=HYPERLINK(""x"")"\n@a,2,-3\n')
    assert [row.text("id") for row in got] == ["=1+1", "@a"]
    assert got[0].text("note") == '=HYPERLINK("x")'


def test_columns_with_a_known_prefix_are_accepted(file):
    (row,) = rows(file, b"id,lat,tag:project\na,1,apollo\n", prefixes=("tag:",))
    assert row.text("tag:project") == "apollo"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", ": is empty; a header row with id, lat is expected"),
        (b"\n\n", ": is empty; a header row with id, lat is expected"),
        (b"id,note\na,b\n", ", row 1, column lat: is missing from the header"),
        (b"id,lat,id\n", ", row 1, column id: stands in the header more than once"),
        (b"id,latt\n", ", row 1, column 'latt': unknown column; did you mean 'lat'?"),
        (b"id,lat,colour\n", ", row 1, column 'colour': unknown column"),
        (b"id,lat,\n", ", row 1, column '': unknown column"),
        (b"id;lat\na;1\n", ", row 1: cells are separated by ';'; a comma is expected"),
        (b"id,lat\na\n", ", row 2: has 1 of 2 cells; 'lat' is missing"),
        (b"id,lat\na,1,2\n", ", row 2: has 3 cells, but the header has 2 columns"),
        (b"id,lat\na,1\nb\0,2\n", ", row 3: contains a NUL byte"),
        (b"id,lat\na,1\nb\xe9,2\n", ", row 3: is not UTF-8 (byte 0xe9)"),
        (b"\xef\xbb\xbfid,lat\n\xff,2\n", ", row 2: is not UTF-8 (byte 0xff)"),
        (b'id,lat\n"a,1\n', ", row 2: is not valid CSV: unexpected end of data"),
        (b'id,lat\n"a"b,1\n', ", row 2: is not valid CSV: ',' expected after '\"'"),
        (
            b"id,lat\n" + b"a" * 200_000 + b",1\n",
            ", row 2: is not valid CSV: field larger than field limit (131072)",
        ),
    ],
)
def test_a_malformed_file_is_refused(file, data, words):
    assert complaint(file, data) == words


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    for path, words in ((tmp_path / "none.csv", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(OddError) as caught:
            list(read_rows(path, ("id",), (), OddError))
        assert str(caught.value) == f"{path}: {words}"


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("", "is blank"),
        ("  ", "is blank"),
        ("north", "'north' is not a finite number"),
        ("nan", "'nan' is not a finite number"),
        ("-inf", "'-inf' is not a finite number"),
        ("1e999", "'1e999' is not a finite number"),
        ("1_0", "'1_0' is not a finite number"),
        ('"1,5"', "'1,5' is not a finite number"),
        ("90.01", "90.01 is out of range (-90 to 90)"),
        ("-91", "-91 is out of range (-90 to 90)"),
    ],
)
def test_a_bad_number_is_refused(file, cell, words):
    (row,) = rows(file, f"id,lat\na,{cell}\n".encode())
    with pytest.raises(OddError) as caught:
        row.number("lat", low=-90, high=90)
    assert str(caught.value) == f"{file}, row 2, column lat: {words}"
    assert (caught.value.row, caught.value.column) == (2, "lat")


def test_whole_numbers_dates_and_choices(file):
    (row,) = rows(file, b"id,lat,note\nregoin,1.5,last week\n")
    with pytest.raises(OddError, match=r"column lat: '1\.5' is not a whole number$"):
        row.number("lat", whole=True)
    with pytest.raises(OddError, match=r"column lat: 1\.5 is out of range \(2 or more\)$"):
        row.number("lat", low=2)
    with pytest.raises(
        OddError, match=r"column note: 'last week' is not a date like 2026-11-23, 2026-11, 2026"
    ):
        row.date("note")
    with pytest.raises(OddError) as caught:
        row.choice("id", ("region", "zone"))
    assert caught.value.nearest == "region"
    assert str(caught.value).endswith("'regoin' is not one of region, zone; did you mean 'region'?")
    with pytest.raises(OddError) as caught:
        row.choice("id", [f"{n} region" for n in range(50)], what="kind")
    assert "'regoin' is not a known kind; did you mean" in str(caught.value)


@pytest.mark.parametrize(
    "date", ["2026", "2026-11", "2026-11-23", "2025/2026", "2026-01-01/2026-02", "undated"]
)
def test_dates_of_every_precision_are_accepted(file, date):
    (row,) = rows(file, f"id,lat,note\na,1,{date}\n".encode())
    assert row.date("note") == date
