"""The projection and the shipped outline."""

from __future__ import annotations

import json

import numpy as np
import pytest

from planner.datadir import data_dir
from planner.geo import great_circle_km
from planner.pages.outline import outline
from planner.pages.projection import X_HALF, great_circle, natural_earth, polyline


def test_the_projection_agrees_with_proj():
    # PROJ 9, `+proj=natearth +a=6400000`: its own test value for 2° east, 1° north.
    x, y = natural_earth(2.0, 1.0)
    assert x * 6_400_000 == pytest.approx(194507.265257889288, rel=1e-9)
    assert y * 6_400_000 == pytest.approx(112508.737358294515, rel=1e-9)
    assert natural_earth(180.0, 0.0)[0] == pytest.approx(X_HALF)


def test_the_projection_is_symmetric_and_keeps_pen_lifts():
    x, y = natural_earth([30.0, -30.0, np.nan], [50.0, -50.0, 10.0])
    assert x[0] == -x[1]
    assert y[0] == -y[1]
    assert np.isnan(x[2])


def test_a_great_circle_is_the_shortest_way():
    lon, lat = great_circle(-0.1, 51.5, 139.7, 35.7, steps=40)
    legs = great_circle_km(lat[:-1], lon[:-1], lat[1:], lon[1:])
    assert legs.sum() == pytest.approx(float(great_circle_km(51.5, -0.1, 35.7, 139.7)), rel=1e-6)
    assert (lon[0], lat[0]) == pytest.approx((-0.1, 51.5))
    assert (lon[-1], lat[-1]) == pytest.approx((139.7, 35.7))
    assert lat.max() > 60, "the way from London to Tokyo passes the Arctic"


def test_a_way_over_the_antimeridian_lifts_the_pen():
    lon, lat = great_circle(174.8, -36.8, -122.4, 37.8)
    assert np.isnan(lon).sum() == 1
    assert np.isnan(lat).sum() == 1
    drawn = np.abs(np.diff(lon))
    assert np.nanmax(drawn) < 180


def test_antipodes_and_one_place_still_give_points():
    for ends in ((0.0, 0.0, 180.0, 0.0), (10.0, 20.0, 10.0, 20.0)):
        lon, lat = great_circle(*ends)
        assert np.isfinite(lat).any()
        assert lon.shape == lat.shape


def test_paths_are_joined_with_gaps():
    part = np.array([[0.0, 0.0], [10.0, 10.0]])
    x, y = polyline([part, part])
    assert np.flatnonzero(np.isnan(x)).tolist() == [2]
    assert x.shape == y.shape == (5,)
    assert polyline([])[0].shape == (0,)


def test_the_outline_is_small_cut_at_the_antimeridian_and_without_antarctica():
    path = data_dir() / "outline" / "land.json"
    assert path.stat().st_size < 150_000
    document = json.loads(path.read_text("utf-8"))
    assert "Natural Earth" in document["source"]
    assert "public domain" in document["licence"]
    for ring in (*document["land"], *document["borders"]):
        points = np.array(ring).reshape(-1, 2) / 100
        assert np.abs(points[:, 0]).max() <= 180
        assert np.abs(np.diff(points[:, 0])).max(initial=0) < 180, "an edge runs across the whole map"
        assert points[:, 1].min() > -60
    assert len(document["land"]) > 100


def test_the_outline_shows_land_where_there_is_land():
    land = outline()
    inside = [(13.4, 52.5), (-95.0, 40.0), (135.0, -25.0), (100.0, 60.0), (-172.5, 66.2), (175.0, 67.0)]
    outside = [(-30.0, 30.0), (-150.0, 0.0), (80.0, -30.0), (51.0, 41.5)]
    for point in inside:
        assert _winding(land.land_x, land.land_y, *natural_earth(*point)), point
    for point in outside:
        assert not _winding(land.land_x, land.land_y, *natural_earth(*point)), point
    with pytest.raises(ValueError, match="read-only"):
        land.land_x[0] = 0


def _winding(xs, ys, x, y) -> bool:
    """Non-zero winding, as a browser fills the path (so that the Caspian Sea is a hole)."""
    turns, start = 0, 0
    for stop in [*np.flatnonzero(np.isnan(xs)), len(xs)]:
        px, py = xs[start:stop], ys[start:stop]
        start = stop + 1
        for (x0, y0), (x1, y1) in zip(
            zip(px[:-1], py[:-1], strict=True), zip(px[1:], py[1:], strict=True), strict=True
        ):
            if (y0 <= y) != (y1 <= y) and x0 + (y - y0) / (y1 - y0) * (x1 - x0) > x:
                turns += 1 if y1 > y0 else -1
    return turns != 0
