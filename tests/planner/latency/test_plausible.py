import math

from planner.geo import fibre_ms
from planner.latency.plausible import NAMED, PLACE_KM, sift
from planner.measurements import PairStatistic, Vantage

LAGOS = Vantage("lagos-1", "NG", 6.5, 3.4)
CAPE_TOWN = (-33.93, 18.42)


def figure(site, rtt, kind="sampled"):
    return PairStatistic(LAGOS, site, 0.5, rtt, rtt, rtt, 5, 0.0, kind, True, "test")


def test_what_light_cannot_do_is_set_aside_and_said():
    sound, false = figure("near", 3.0), figure("af-south-1", 0.05)
    sifted = sift([sound, false], {"near": (6.6, 3.5), "af-south-1": CAPE_TOWN})
    assert sifted.plausible == (sound,)
    assert sifted.complaints == (
        "vantage 'lagos-1', site 'af-south-1': 0.05 ms is implausible and set aside, for light in fibre takes"
        " 47.69 ms over 4,766 km",
    )


def test_light_s_own_time_is_plausible_and_a_hair_less_is_not():
    degrees = 10.0
    km = math.radians(degrees) * 6371.0088
    north = {"away": (LAGOS.lat + degrees, LAGOS.lon)}
    # A position may be off by as much as a metro is wide.
    limit = float(fibre_ms(km - PLACE_KM))
    assert sift([figure("away", limit + 0.001)], north).complaints == ()
    assert len(sift([figure("away", limit - 0.001)], north).complaints) == 1


def test_within_the_metro_anything_goes():
    assert sift([figure("here", 0.0)], {"here": (6.6, 3.35)}).plausible


def test_lost_and_published_figures_and_sites_nobody_places_pass():
    given = (figure("af-south-1", math.inf), figure("af-south-1", 0.05, "published"), figure("unknown", 0.05))
    assert sift(given, {"af-south-1": CAPE_TOWN}).plausible == given


def test_a_proxy_that_answers_for_every_site_takes_a_few_lines():
    sites = [f"s{n:02}" for n in range(30)]
    sifted = sift([figure(site, 0.3) for site in sites], dict.fromkeys(sites, CAPE_TOWN))
    assert sifted.plausible == ()
    assert len(sifted.complaints) == NAMED + 1
    assert sifted.complaints[-1] == "25 more pairs are faster than light in fibre and set aside"
