"""A row as a line, and back."""

import json
import math
from dataclasses import replace

import pytest

from probes.record import FIELDS, from_json
from tests.probes.test_report import ROW


def test_a_line_holds_every_field_and_is_read_back():
    row = replace(ROW, reason='said "no": \x1b[31m naïve', warm=False, ttl_s=60, crypto_ms=1e-9)
    line = row.to_json()
    assert "\n" not in line
    assert sorted(json.loads(line)) == sorted(FIELDS)
    assert from_json(line) == row


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_not_written(value):
    with pytest.raises(ValueError, match="is not a JSON number"):
        replace(ROW, lag_ms=value).to_json()


def test_a_text_may_look_like_one():
    row = replace(ROW, reason="offset:nan,limit:-inf,rate:inf")
    assert from_json(row.to_json()) == row
