"""TOML that would raise from deep inside the parser is one complaint like any other."""

from __future__ import annotations

import pytest

from probes.strict_toml import InputError, nearest_name, parse_toml, read_toml


def test_nesting_without_end():
    with pytest.raises(InputError, match=r"^x\.toml: is not valid TOML: nested too deeply$"):
        parse_toml("a = " + "[" * 20_000, "x.toml")


def test_an_integer_of_thousands_of_digits():
    with pytest.raises(InputError, match=r"^x\.toml: is not valid TOML: "):
        parse_toml("a = " + "9" * 5_000, "x.toml")


@pytest.mark.parametrize("value", ["1" + "0" * 400, "-1" + "0" * 400, "nan", "inf", "-inf", "true", '"7"'])
def test_numbers_that_are_none(value):
    with pytest.raises(InputError, match=r"^x\.toml, a: .* is not a (finite )?number$"):
        parse_toml(f"a = {value}", "x.toml").number("a")


def test_an_unknown_key_is_offered_the_nearest_known_one():
    table = parse_toml("vantege = 'a'", "x.toml")
    with pytest.raises(InputError, match="did you mean 'vantage'"):
        (table.has("vantage"), table.close())


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xef\xbb\xbfvantage = 'a'\r\n")
    assert read_toml(path).text("vantage") == "a"
    assert parse_toml("\ufeffvantage = 'a'", "x.toml").text("vantage") == "a"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"a\\nb" = 1', r"x\ny.toml, a\nb: unknown key"),
        ('"a\\u2028b" = 1', r"x\ny.toml, a\u2028b: unknown key"),
        ('"\\u001b[2J" = 1', r"x\ny.toml, \x1b[2J: unknown key"),
        ('"größer" = 1', r"x\ny.toml, größer: unknown key"),
    ],
)
def test_a_complaint_is_one_line_whatever_it_is_about(text, said):
    with pytest.raises(InputError) as caught:
        parse_toml(text, "x\ny.toml").close()
    assert str(caught.value) == said


def test_a_name_no_file_can_have():
    with pytest.raises(InputError, match=r"^x\\x00y\.toml: no file has a name with a NUL in it$"):
        read_toml("x\0y.toml")


@pytest.mark.parametrize(
    ("slip", "meant"),
    [("us-esat-2", "us-east-2"), ("US-WSET-2", "us-west-2"), ("qqq", None)],
)
def test_letters_that_changed_places_are_the_nearest_name(slip, meant):
    assert nearest_name(slip, ["us-west-1", "us-west-2", "us-east-1", "us-east-2"]) == meant
