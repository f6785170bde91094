"""Numbers in words."""

from __future__ import annotations

import math

import pytest

from planner.pages.words import listed, ms, plain, points, share, short_usd, usd
from planner.wording import counted


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.4, "$12,345"), (9.5, "$9.50"), (0.0, "$0"), (-1234.0, "−$1,234"), (None, "–"), (math.inf, "–")],
)
def test_dollars(value, text):
    assert usd(value) == text


def test_signed_dollars():
    assert usd(26.0, signed=True) == "+$26"
    assert usd(-26.0, signed=True) == "−$26"
    assert usd(0.001, signed=True) == "$0"


@pytest.mark.parametrize(
    ("value", "text"), [(950.0, "$950"), (1200.0, "$1.2k"), (40_000.0, "$40k"), (2.5e6, "$2.5M")]
)
def test_short_dollars(value, text):
    assert short_usd(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(4.26, "4.3 ms"), (9.97, "10 ms"), (123.4, "123 ms"), (None, "–"), (math.nan, "–")]
)
def test_milliseconds(value, text):
    assert ms(value) == text.replace(" ", "\u00a0")


def test_a_change_that_rounds_to_nothing_has_no_sign():
    assert ms(-0.01, signed=True) == "0.0\u00a0ms"
    assert ms(-1.5, signed=True) == "−1.5\u00a0ms"
    assert points(0.0001) == "0.0\u00a0pts"
    assert points(-0.018) == "−1.8\u00a0pts"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "100 %"),
        (0.9999, ">99.9 %"),
        (0.00001, "<0.1 %"),
        (0.0, "0 %"),
        (0.953, "95.3 %"),
        (0.9, "90 %"),
    ],
)
def test_a_share_never_claims_all_or_nothing(value, text):
    assert share(value) == text.replace(" ", "\u00a0")


def test_counts_and_lists():
    assert counted(1, "site") == "1 site"
    assert counted(1200, "city", "cities") == "1,200 cities"
    assert listed(()) == "none"
    assert listed(("a", "b", "c"), limit=2) == "a, b and 1 more"


def test_markdown_is_shown_as_it_is():
    assert plain("a_b $5 [x](y) :red[z]") == r"a\_b \$5 \[x\]\(y\) \:red\[z\]"
