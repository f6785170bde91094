"""Colours: one for each cost item, told apart by every reader, on light and on dark."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from planner.costs import COST_ITEMS
from planner.pages.charts import cost_by_item, cost_difference
from planner.pages.theme import DARK, ITEM_ORDER, LIGHT, item_colours

# Linear sRGB as eyes without one kind of cone see it: G. Machado and others (2009), severity 1.
EYES = {
    "with every cone": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
# B. Ottosson (2020): linear sRGB to cone responses, and their cube roots to OKLab.
TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def linear(colour):
    coded = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def seen(colour, eye):
    return TO_LAB @ np.cbrt(TO_CONES @ np.clip(eye @ linear(colour), 0, 1))


def contrast(one, other):
    """As WCAG 2 defines it."""
    low, high = sorted(float(linear(colour) @ (0.2126, 0.7152, 0.0722)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_the_distance_is_that_of_the_model():
    black, white = (seen(colour, EYES["with every cone"]) for colour in ("#000000", "#FFFFFF"))
    assert np.linalg.norm(white - black) == pytest.approx(1, abs=1e-6)
    red, green = (seen(colour, EYES["deuteranopia"]) for colour in ("#A83A32", "#6B6B00"))
    assert np.linalg.norm(red - green) < 0.06


def test_every_cost_item_has_its_place():
    assert sorted(ITEM_ORDER) == sorted(COST_ITEMS)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("eye", EYES)
def test_no_eye_takes_one_cost_item_for_another(colours, eye):
    hues = item_colours(colours)
    assert set(hues) == set(COST_ITEMS)
    for (one, first), (other, second) in combinations(hues.items(), 2):
        apart = np.linalg.norm(seen(first, EYES[eye]) - seen(second, EYES[eye]))
        assert apart >= 0.12, f"{one} {first} and {other} {second}: {apart:.3f}"


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_no_cost_item_sinks_into_the_ground(colours):
    for item, hue in item_colours(colours).items():
        assert contrast(hue, colours.background) >= 1.9, item


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_an_item_keeps_its_colour_whatever_else_a_plan_costs(colours, plan):
    hues = item_colours(colours)
    every = replace(plan, cost_items=dict.fromkeys(COST_ITEMS, 1.0))
    for chart in (
        cost_by_item(plan, colours),
        cost_by_item(every, colours),
        cost_difference(plan, every, colours),
    ):
        names = [bar.name.split(" $")[0].lower().replace("between zones", "cross_zone") for bar in chart.data]
        assert [bar.marker.color for bar in chart.data] == [hues[name.replace(" ", "_")] for name in names]


def test_the_frame_has_the_colours_of_the_charts():
    settings = tomllib.loads((Path(__file__).parents[3] / ".streamlit" / "config.toml").read_text("utf-8"))
    for name, colours in (("light", LIGHT), ("dark", DARK)):
        assert tuple(settings["theme"][name]["chartCategoricalColors"]) == colours.series
        assert settings["theme"][name]["backgroundColor"] == colours.background
