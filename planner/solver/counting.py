"""How many instances it takes in all that any one site may be lost, by how many sites there are.

Of K open sites the largest runs at least 1/K of all N instances, and the others must do without it. Where b
instances' worth of demand has nowhere else to go,

    N ≥ c + ⌈c / (K − 1)⌉,  c = ⌈b − OVERLOAD (K − 1)⌉.

The right-hand side falls with K, and its convex hull over whole K is a few lines.
"""

from __future__ import annotations

import itertools
import math

from planner.sizing import OVERLOAD


def least_instances(needed: float, sites: int, at_each: int) -> list[int]:
    """The fewest instances in all for 2, 3, ... ``sites`` open ones, so that any may be lost."""
    found = []
    for count in range(2, sites + 1):
        others = math.ceil(needed - OVERLOAD * (count - 1) - 1e-9)
        fewest = others + math.ceil(others / (count - 1)) if others > 0 else 0
        found.append(max(fewest, at_each * count))
    return found


def envelope(least: list[int]) -> list[tuple[float, float]]:
    """Lines (slope, value at 0) below the points (2, least[0]), (3, least[1]), ...: their convex hull."""
    points = [(float(k), float(v)) for k, v in enumerate(least, start=2)]
    hull: list[tuple[float, float]] = []
    for point in points:
        while len(hull) > 1 and _turns_down(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    if len(hull) == 1:
        return [(0.0, hull[0][1])]
    return [((d - b) / (c - a), b - a * (d - b) / (c - a)) for (a, b), (c, d) in itertools.pairwise(hull)]


def _turns_down(one: tuple[float, float], two: tuple[float, float], three: tuple[float, float]) -> bool:
    return (two[1] - one[1]) * (three[0] - one[0]) >= (three[1] - one[1]) * (two[0] - one[0])
