"""Lines as an author's eye finds them: documents are written statement by statement, and each line noted."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.cli import main
from probes.strict_toml import InputError
from probes.toml_lines import line_of, located

NAMES = ("a", "b", '"c d"', '"e.f"', "'g'", "h-1")
VALUES = ("1", '"x = 2"', "[1, 2]", "{ u = 1, v = { w = 2 } }", "true")
LONG = (
    ("[", "  1, # one", "", "  2,", "]"),
    ('"""', "a = 9", "[a]", '"""'),
    ("[", '  { u = "]" },', "  { u = 2 },", "]"),
)


def bare(name: str) -> str:
    return name.strip("\"'")


@st.composite
def documents(draw):
    """A document and, of every key and element in it, the line of its statement; None of what stands inside a
    value of several lines."""
    lines, where = list[str](), dict[str, int | None]()

    def trivia() -> None:
        lines.extend(draw(st.lists(st.sampled_from(["", "# a = 1", "  # [b]"]), max_size=2)))

    def statements(path: str, names) -> None:
        for name in names:
            trivia()
            key = f"{path}.{bare(name)}" if path else bare(name)
            where[key] = len(lines) + 1
            if draw(st.booleans()):
                value = draw(st.sampled_from(LONG))
                lines.extend([f"{name} = {value[0]}", *value[1:]])
                if "1" in value[1]:
                    where.update({f"{key}[1]": None, f"{key}[2]": None})
                elif "u" in value[1]:
                    where.update({f"{key}[{at}]{end}": None for at in (1, 2) for end in ("", ".u")})
                continue
            value = draw(st.sampled_from(VALUES))
            lines.append(f"{name} = {value}")
            if value.startswith("{"):
                where.update({f"{key}.{inner}": len(lines) for inner in ("u", "v", "v.w")})
            elif value.startswith("["):
                where.update({f"{key}[{at}]": len(lines) for at in (1, 2)})

    few = st.lists(st.sampled_from(NAMES), unique=True, max_size=3)
    statements("", draw(few))
    for table in draw(st.lists(st.sampled_from(["t", "t.s", '"q r"', "arr"]), max_size=5)):
        name = ".".join(bare(part) for part in table.split("."))
        if table == "arr":
            at = 1 + sum(
                key.startswith("arr[") and key.endswith("]") and key.count("[") == 1 for key in where
            )
            trivia()
            lines.append("[[arr]]")
            where.setdefault("arr", len(lines))
            where[f"arr[{at}]"] = len(lines)
            statements(f"arr[{at}]", draw(few))
        elif name not in where or (name == "t" and "t" not in closed(lines)):
            trivia()
            lines.append(f"[{table}]")
            where.setdefault(name, len(lines))
            if name == "t.s":
                where.setdefault("t", len(lines))
            statements(name, draw(few))
    return "\n".join(lines) + "\n", where


def closed(lines):
    return {line.strip("[]") for line in lines if line.startswith("[")}


@settings(deadline=None, max_examples=60)
@given(documents())
def test_the_line_is_the_one_it_was_written_in_or_none_is_said(document):
    text, where = document
    tomllib.loads(text)
    for key, line in where.items():
        assert line_of(text, key) == line, (text, key)


def test_of_a_missing_key_only_the_entry_of_an_array_is_said():
    text = "[t]\na = 1\n[[o]]\nid = 1\n\n[[o]]\n"
    assert line_of(text, "o[2].lat") == 6
    assert line_of(text, "t.lat") is None
    assert line_of(text, "lat") is None


def test_of_a_name_that_two_keys_are_written_as_no_line_is_said():
    text = '"a.b" = 1\n[a]\nb = 2\n'
    assert line_of(text, "a.b") is None
    assert line_of(text, "a") == 2


@pytest.mark.parametrize("text", ["a = ", "= 1", "a = 1\na = 2\n"])
def test_what_is_no_toml_has_no_lines(text):
    assert line_of(text, "a") is None


def test_windows_lines_and_byte_order_mark():
    assert line_of("\ufeffa = [\r\n1,\r\n]\r\n\r\nb = 2\r\n", "b") == 5


def test_commands_say_the_line(tmp_path, capsys):
    study = tmp_path / "s.toml"
    study.write_text(
        'name = "s"\n\n[demand]\ncities = { top = 5 }\n[candidates]\n[latency]\nslo_ms = "fast"\n'
    )
    assert main(["plan", str(study)]) == 2
    said = capsys.readouterr().err
    assert said == f"edgeplan: error: {study}, line 7, latency.slo_ms: 'fast' is not a number\n"


def test_a_row_of_a_table_stays_a_row():
    fault = InputError("x.csv", "is blank", row=3, column="lat")
    assert located(fault) is fault
    assert str(located(InputError("x.toml", "is wrong", column="b"), "a = 1\nb = 2\n")) == (
        "x.toml, line 2, b: is wrong"
    )
