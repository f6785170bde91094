import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog import Site
from planner.demand import Client, Demand
from planner.geo import fibre_ms, great_circle_km
from planner.latency.matrix import MEASURED, MODELLED, bound_width, build_matrix
from planner.latency.networks import pair_model
from planner.measurements import PairStatistic, Vantage, read_published

KM_PER_DEGREE = 111.195
"""Along a meridian."""


def site(name, lat, lon, country="XX"):
    return Site(
        id=name,
        provider="aws",
        kind="region",
        name=name,
        parent=None,
        metro=name,
        country=country,
        lat=lat,
        lon=lon,
        status="ga",
        partition="aws",
        network_border_group=name,
        services=frozenset(),
        programs=frozenset(),
        source="test",
        as_of="2026",
        tags={},
    )


def clients(*places):
    made = tuple(
        Client(f"c{n}", f"c{n}", country, lat, lon, 1.0) for n, (lat, lon, country) in enumerate(places)
    )
    return Demand(made, np.ones(len(made)), "test")


def statistic(vantage, site_id, rtt, *, kind="sampled", direct=True, lower=None, upper=None, quantile=0.5):
    return PairStatistic(
        vantage=vantage,
        site_id=site_id,
        quantile=quantile,
        rtt_ms=rtt,
        lower_ms=rtt if lower is None else lower,
        upper_ms=rtt if upper is None else upper,
        samples=50 if kind == "sampled" else -1,
        loss_ratio=0.02 if kind == "sampled" else math.nan,
        kind=kind,
        direct=direct,
        source="test",
    )


def north(km):
    """A vantage so far north of the origin."""
    return km / KM_PER_DEGREE


def build(demand, sites, statistics, quantile=0.5, metro_km=100.0, vantage_km=500.0):
    return build_matrix(
        demand, sites, statistics, quantile=quantile, metro_km=metro_km, vantage_km=vantage_km
    )


AWAY = site("away", 0.0, 60.0)
CLIENT = clients((0.0, 0.0, "AA"))


def vantages():
    """One candidate speaker of each class, the worse class always the nearer."""
    return {
        "metro sampled": (Vantage("ms", "BB", north(90), 0.0), "sampled"),
        "metro published": (Vantage("mp", "BB", north(80), 0.0), "published"),
        "country sampled": (Vantage("cs", "AA", north(400), 0.0), "sampled"),
        "country published": (Vantage("cp", "AA", north(300), 0.0), "published"),
    }


def test_preference_order():
    order = list(vantages())
    for first in range(len(order)):
        speakers = [vantages()[name] for name in order[first:]]
        statistics = [
            statistic(vantage, "away", 100.0 + n, kind=kind) for n, (vantage, kind) in enumerate(speakers)
        ]
        matrix = build(CLIENT, [AWAY], statistics[::-1])
        assert matrix.vantages[matrix.vantage[0, 0]] == speakers[0][0].id
        assert matrix.provenance[0, 0] == MEASURED


def test_of_one_class_the_nearest_speaks():
    near, far = Vantage("near", "BB", north(20), 0.0), Vantage("far", "BB", north(-60), 0.0)
    for statistics in ([statistic(near, "away", 90.0), statistic(far, "away", 80.0)],):
        for each in (statistics, statistics[::-1]):
            assert build(CLIENT, [AWAY], each).estimate_ms[0, 0] == 90.0


def test_abroad_and_beyond_its_reach_a_vantage_is_silent():
    for vantage in (Vantage("abroad", "BB", north(101), 0.0), Vantage("far", "AA", north(501), 0.0)):
        matrix = build(CLIENT, [AWAY], [statistic(vantage, "away", 90.0)])
        assert matrix.provenance[0, 0] == MODELLED
        assert matrix.vantage[0, 0] == -1
        assert matrix.samples[0, 0] == 0
        assert math.isnan(matrix.loss_ratio[0, 0])


def test_a_nearer_vantage_without_the_pair_does_not_silence_one_that_has_it():
    near, far = Vantage("near", "AA", north(5), 0.0), Vantage("far", "AA", north(60), 0.0)
    other = site("other", 10.0, 60.0)
    matrix = build(CLIENT, [AWAY, other], [statistic(near, "other", 120.0), statistic(far, "away", 90.0)])
    assert [matrix.vantages[v] for v in matrix.vantage[0]] == ["far", "near"]
    assert list(matrix.estimate_ms[0]) == [90.0, 120.0]


def test_in_the_metro_the_figure_stands_and_its_bounds_widen_with_distance():
    vantage = Vantage("v", "BB", north(90), 0.0)
    matrix = build(CLIENT, [AWAY], [statistic(vantage, "away", 90.0, lower=88.0, upper=95.0)])
    # 90 km of fibre at 1.8 times light, and 0.12 per 1000 km of the 90 ms.
    width = 1.8 * 0.9006 + 0.12 * 0.09 * 90.0
    assert matrix.estimate_ms[0, 0] == 90.0
    assert matrix.lower_ms[0, 0] == pytest.approx(88.0 - width, abs=0.001)
    assert matrix.upper_ms[0, 0] == pytest.approx(95.0 + width, abs=0.001)
    assert (matrix.samples[0, 0], matrix.loss_ratio[0, 0]) == (50, 0.02)
    assert matrix.grounds.widened_ms[0, 0] == pytest.approx(width, abs=0.001)
    assert matrix.grounds.access_ms[0, 0] == 0


def test_beyond_the_metro_the_figure_moves_with_the_model():
    beside = site("beside", north(400), 0.0)
    vantage = Vantage("v", "AA", north(400), 0.0)
    statistics = [statistic(vantage, "beside", 3.0)]
    matrix = build(CLIENT, [beside], statistics)
    model = pair_model([beside], statistics)
    there = [(north(400), 0.0)]
    expected = 3.0 + float((model.estimate_ms([(0.0, 0.0)], there) - model.estimate_ms(there, there))[0, 0])
    assert matrix.estimate_ms[0, 0] == pytest.approx(expected)
    assert matrix.provenance[0, 0] == MEASURED


def test_no_jump_where_the_metro_ends():
    vantage, beside = Vantage("v", "AA", 0.0, 0.0), site("beside", 0.0, 0.0)
    km = np.arange(0, 500, 0.5)
    demand = clients(*((north(d), 0.0, "AA") for d in km))
    matrix = build(
        demand, [beside, AWAY], [statistic(vantage, "beside", 3.0), statistic(vantage, "away", 95.0)]
    )
    for values in (matrix.estimate_ms, matrix.lower_ms, matrix.upper_ms):
        assert np.max(np.abs(np.diff(values, axis=0))) < 0.1
    assert np.all(np.diff(matrix.estimate_ms[:, 0]) >= 0)


def test_a_sampled_figure_that_beats_light_leaves_the_pair_modelled():
    vantage = Vantage("v", "AA", 0.0, 0.0)
    matrix, without = build(CLIENT, [AWAY], [statistic(vantage, "away", 0.3)]), build(CLIENT, [AWAY], [])
    assert (matrix.provenance[0, 0], matrix.vantage[0, 0], matrix.samples[0, 0]) == (MODELLED, -1, 0)
    assert matrix.grounds.spoken == {}
    assert matrix.estimate_ms[0, 0] == without.estimate_ms[0, 0] > float(fibre_ms(60 * KM_PER_DEGREE))


def test_a_figure_that_beats_light_teaches_the_model_nothing():
    published = read_published(0.5, "aws").statistics
    vantage = Vantage("v", "AA", 0.0, 0.0)
    without = pair_model([AWAY], published)
    assert pair_model([AWAY], [*published, statistic(vantage, "away", 0.3)]).pairs == without.pairs
    assert pair_model([AWAY], [*published, statistic(vantage, "away", 130.0)]).pairs == without.pairs + 1


def test_another_vantage_speaks_where_the_nearest_cannot_be_believed():
    near, far = Vantage("near", "AA", 0.0, 0.0), Vantage("far", "AA", north(60), 0.0)
    matrix = build(CLIENT, [AWAY], [statistic(near, "away", 0.3), statistic(far, "away", 120.0)])
    assert (matrix.estimate_ms[0, 0], matrix.provenance[0, 0]) == (120.0, MEASURED)


def test_a_client_further_away_than_its_vantage_is_no_nearer_than_light():
    beside = site("beside", north(90), 0.0)
    vantage = Vantage("v", "AA", north(90), 0.0)
    matrix = build(CLIENT, [beside], [statistic(vantage, "beside", 0.3)])
    assert matrix.estimate_ms[0, 0] == matrix.lower_ms[0, 0] == pytest.approx(0.9006, abs=0.001)


def test_a_lost_pair_is_infinite_and_measured():
    vantage = Vantage("v", "AA", 0.0, 0.0)
    lost = statistic(vantage, "away", math.inf, lower=80.0, upper=math.inf)
    for place in ((0.0, 0.0, "AA"), (north(400), 0.0, "AA")):
        matrix = build(clients(place), [AWAY], [lost])
        assert matrix.estimate_ms[0, 0] == matrix.upper_ms[0, 0] == math.inf
        assert not math.isnan(matrix.lower_ms[0, 0])
        assert matrix.provenance[0, 0] == MEASURED


def test_a_derived_figure_counts_as_modelled():
    vantage = Vantage("v", "AA", 0.0, 0.0)
    derived = statistic(vantage, "away", 90.0, kind="published", direct=False, lower=85.0, upper=99.0)
    matrix = build(CLIENT, [AWAY], [derived])
    assert (matrix.estimate_ms[0, 0], matrix.lower_ms[0, 0], matrix.upper_ms[0, 0]) == (90.0, 85.0, 99.0)
    # The vantage that speaks is told all the same.
    assert (matrix.provenance[0, 0], matrix.vantage[0, 0], matrix.samples[0, 0]) == (MODELLED, 0, 0)
    assert matrix.grounds.spoken == {(0, 0): derived}


def test_another_quantile_is_refused():
    with pytest.raises(ValueError, match=r"quantile 0\.95"):
        build(CLIENT, [AWAY], [statistic(Vantage("v", "AA", 0, 0), "away", 9.0)], quantile=0.95)


def test_without_statistics_all_is_modelled():
    matrix = build(clients((0.0, 0.0, "AA"), (5.0, 5.0, "AA")), [AWAY], [])
    assert np.all(matrix.provenance == MODELLED)
    assert matrix.vantages == ()
    assert np.all(np.isfinite(matrix.upper_ms))


def test_arrays_are_read_only_and_typed():
    matrix = build(CLIENT, [AWAY], [statistic(Vantage("v", "AA", 0, 0), "away", 90.0)])
    kinds = {
        "estimate_ms": np.float64,
        "lower_ms": np.float64,
        "upper_ms": np.float64,
        "samples": np.int64,
        "loss_ratio": np.float64,
        "provenance": np.int8,
        "vantage": np.int32,
    }
    for name, kind in kinds.items():
        array = getattr(matrix, name)
        assert array.dtype == kind
        assert not array.flags.writeable


def world(count_clients, count_sites, seed=3):
    rng = np.random.default_rng(seed)
    sites = [
        site(f"s{n}", lat, lon)
        for n, (lat, lon) in enumerate(
            zip(rng.uniform(-60, 65, count_sites), rng.uniform(-180, 180, count_sites), strict=True)
        )
    ]
    spots = [
        (float(lat), float(lon), country)
        for lat, lon, country in zip(
            rng.uniform(-60, 65, count_clients),
            rng.uniform(-180, 180, count_clients),
            rng.choice(["FR", "DE", "US", "JP"], count_clients),
            strict=True,
        )
    ]
    return clients(*spots), sites


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, 2**31),
    st.sampled_from([0.5, 0.9, 0.95]),
    st.floats(0, 300),
    st.floats(0, 2000),
)
def test_bounds_enclose_every_estimate_and_nothing_beats_light(seed, quantile, metro_km, vantage_km):
    demand, sites = world(40, 10, seed)
    published = read_published(quantile, "aws").statistics
    regions = {s.site_id: s.site_position for s in published}
    sites += [site(name, *position) for name, position in regions.items()]
    matrix = build(demand, sites, published, quantile, metro_km, vantage_km)
    km = great_circle_km(
        np.array([c.lat for c in demand.clients])[:, None],
        np.array([c.lon for c in demand.clients])[:, None],
        np.array([s.lat for s in sites]),
        np.array([s.lon for s in sites]),
    )
    assert np.all(fibre_ms(km) <= matrix.lower_ms + 1e-9)
    assert np.all(matrix.lower_ms <= matrix.estimate_ms)
    assert np.all(matrix.estimate_ms <= matrix.upper_ms)


def test_the_shipped_table_speaks_for_clients_in_its_metros():
    published = read_published(0.5, "aws").statistics
    regions = {s.site_id: s.site_position for s in published}
    sites = [site(name, *position) for name, position in regions.items()]
    by_pair = {(s.vantage.id, s.site_id): s for s in published}
    paris = clients((48.85, 2.35, "FR"))
    matrix = build(paris, sites, published)
    assert np.all(matrix.provenance == MEASURED)
    for column, name in enumerate(matrix.site_ids):
        assert matrix.vantages[matrix.vantage[0, column]] == "metro:eu-west-3"
        assert matrix.estimate_ms[0, column] == by_pair["metro:eu-west-3", name].rtt_ms


def test_the_bounds_hold_nine_times_in_ten_where_one_region_speaks_for_its_neighbour():
    published = read_published(0.5, "aws").statistics
    position = {s.site_id: s.site_position for s in published}
    regions = [site(name, *place) for name, place in position.items()]
    rtt = {(s.vantage.id.removeprefix("metro:"), s.site_id): s.rtt_ms for s in published}
    apart = {(a, b): float(great_circle_km(*position[a], *position[b])) for a in position for b in position}
    inside = []
    for client in position:
        speakers = [each for each in position if each != client and apart[client, each] <= 520]
        if not speakers:
            continue
        # A model that knows nothing of the client's own place.
        strangers = [
            s for s in published if apart[client, s.vantage.id[6:]] > 1.0 and apart[client, s.site_id] > 1.0
        ]
        model = pair_model(regions, strangers)
        here = model.estimate_ms([position[client]], list(position.values()))[0]
        for vantage in speakers:
            shift = here - model.estimate_ms([position[vantage]], list(position.values()))[0]
            for other, moved in zip(position, shift, strict=True):
                figure = rtt[vantage, other]
                error = abs(figure + float(moved) - rtt[client, other])
                inside.append(error <= float(bound_width(apart[client, vantage], figure)))
    assert len(inside) == 22 * 33
    assert 0.89 <= np.mean(inside) <= 0.95


def test_two_thousand_clients_by_150_sites_take_under_a_second():
    demand, sites = world(2000, 117)
    published = read_published(0.5, "aws").statistics
    sites += [
        site(name, *position) for name, position in {s.site_id: s.site_position for s in published}.items()
    ]
    begun = time.process_time()
    matrix = build(demand, sites, published)
    assert time.process_time() - begun < 1.0
    assert matrix.estimate_ms.shape == (2000, 150)


def test_no_vantage_speaks_across_the_border_of_mainland_china():
    hong_kong = Vantage("hk", "HK", 22.28, 114.17)
    demand = clients((22.55, 114.06, "CN"), (22.20, 113.54, "MO"))  # Shenzhen, Macao: both within the metro
    matrix = build(demand, [site("ap-east-1", 22.28, 114.17, "HK")], [statistic(hong_kong, "ap-east-1", 2.0)])
    assert matrix.provenance[:, 0].tolist() == [MODELLED, MEASURED]
