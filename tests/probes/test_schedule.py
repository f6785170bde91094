"""Moments as schedulers hand them on."""

import pytest

from probes.schedule import moment


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("2026-11-24T06:00:00.250+01:00", 1_795_496_400.25),
        ("9998-12-31T23:59:59Z", 253_370_764_799.0),
    ],
)
def test_moments(text, expected_s):
    assert moment(text) == expected_s


@pytest.mark.parametrize(
    "text",
    [
        "0500-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "9999-01-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_moments_no_round_can_be_named_after(text):
    with pytest.raises(ValueError, match="is not within the years 1970 to 9998"):
        moment(text)


@pytest.mark.parametrize("text", ["", "noon", "2026-11-24", "2026-11-24T05:00:00", "10000-01-01T00:00:00Z"])
def test_what_is_no_moment(text):
    with pytest.raises(ValueError, match="is not a moment such as"):
        moment(text)
