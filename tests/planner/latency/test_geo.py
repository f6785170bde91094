import math

from hypothesis import given
from hypothesis import strategies as st

from planner.geo import EARTH_RADIUS_KM, fibre_ms, great_circle_km, pairwise_km

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)


def test_known_distances():
    # Paris to London, and a quarter of the equator.
    assert math.isclose(float(great_circle_km(48.8566, 2.3522, 51.5074, -0.1278)), 343.6, abs_tol=0.1)
    assert math.isclose(float(great_circle_km(0, 0, 0, 90)), EARTH_RADIUS_KM * math.pi / 2)


def test_antipodes_are_half_the_circumference():
    # Arcsin is flat there: rounding costs metres.
    half = EARTH_RADIUS_KM * math.pi
    assert math.isclose(float(great_circle_km(30.1, 40.2, -30.1, -139.8)), half, abs_tol=0.01)


@given(latitudes, longitudes, latitudes, longitudes)
def test_symmetric_non_negative_and_at_most_half_round(a, b, c, d):
    there, back = float(great_circle_km(a, b, c, d)), float(great_circle_km(c, d, a, b))
    assert 0 <= there <= EARTH_RADIUS_KM * math.pi + 1e-6
    assert math.isclose(there, back, abs_tol=1e-6)


def test_pairwise_shape_and_values():
    km = pairwise_km([0, 10], [0, 10], [0, 20, 30], [5, 6, 7])
    assert km.shape == (2, 3)
    assert km[1, 2] == great_circle_km(10, 10, 30, 7)


def test_light_takes_a_millisecond_for_a_hundred_kilometres_and_back():
    assert math.isclose(float(fibre_ms(100.0)), 1.0, rel_tol=0.01)
    # From the definition: there and back at two thirds of c.
    assert math.isclose(float(fibre_ms(1000.0)), 2 * 1000.0 / (299_792.458 * 2 / 3) * 1000)
