"""A network's own pairs teach its model; one that has too few borrows, and says so."""

from dataclasses import replace

import numpy as np
import pytest

from planner.geo import fibre_ms, pairwise_km
from planner.latency.matrix import build_matrix
from planner.latency.networks import ENOUGH, network_models, pair_model
from planner.measurements import Vantage, read_published
from tests.planner.latency.test_matrix import clients, site, statistic

PLACES = np.column_stack(
    (np.random.default_rng(3).uniform(-60, 65, 20), np.random.default_rng(4).uniform(-180, 180, 20))
)


def network(provider, detour, count=20):
    """Sites of a provider at the first of these places, each measured from each; its routes between north
    and south take so much longer."""
    place = PLACES[:count]
    km = pairwise_km(*place.T, *place.T)
    north = place[:, 0] > 0
    longer = np.where(north[:, None] != north[None, :], detour, 1.0)
    rtt = np.maximum((3.0 + 0.03 * km**0.95) * longer, fibre_ms(km))
    sites = [replace(site(f"{provider}-{n}", *at), provider=provider) for n, at in enumerate(place.tolist())]
    heard = [
        statistic(Vantage(f"{provider}:{a}", "XX", *place[a].tolist()), sites[b].id, float(rtt[a, b]))
        for a in range(count)
        for b in range(count)
    ]
    return sites, heard


ONE, OTHER = network("aws", 1.0), network("azure", 1.5)


def test_a_network_is_known_beside_another_as_it_is_by_itself():
    alone = [network_models(sites, heard) for sites, heard in (ONE, OTHER)]
    sites, heard = ([*mine, *theirs] for mine, theirs in zip(OTHER, ONE, strict=True))
    both = network_models(sites, heard).predict(PLACES, sites)
    for models, (own, _), columns in ((alone[1], OTHER, slice(0, 20)), (alone[0], ONE, slice(20, 40))):
        for ours, theirs in zip(both, models.predict(PLACES, own), strict=True):
            assert np.array_equal(ours[:, columns], theirs)
    # And one model of both would know neither.
    pooled = pair_model(sites, heard).estimate_ms(PLACES, PLACES)
    assert np.quantile(np.abs(pooled / both[0][:, :20] - 1.0), 0.75) > 0.15


def test_the_networks_of_sites_that_are_no_candidates_are_told_by_their_publisher():
    sites, heard = OTHER
    published = [
        replace(each, kind="published", provider="aws", site_position=tuple(PLACES[int(each.site_id[4:])]))
        for each in ONE[1]
    ]
    mixed = network_models(sites, [*heard, *published])
    assert set(mixed.of) == {"azure"}
    assert np.array_equal(
        mixed.estimate_ms(PLACES, sites), network_models(sites, heard).estimate_ms(PLACES, sites)
    )
    # What nobody knows the network of teaches all of them.
    unknown = [replace(each, provider=None) for each in published]
    assert mixed.of["azure"] is not network_models(sites, [*heard, *unknown]).of["azure"]


def test_a_network_with_few_pairs_borrows_with_wide_intervals():
    sites, few = network("azure", 1.0, 5)
    assert len(few) < ENOUGH
    models = network_models([*sites, *ONE[0]], [*few, *ONE[1]])
    assert (models.of["azure"].foreign, models.of["aws"].foreign) == (True, False)
    estimate, lower, upper = models.predict(PLACES, sites)
    pooled = pair_model([*sites, *ONE[0]], [*few, *ONE[1]])
    assert np.array_equal(estimate, pooled.estimate_ms(PLACES, PLACES[:5]))
    _, low, high = pooled.predict(PLACES, PLACES[:5])
    far = pairwise_km(*PLACES.T, *PLACES[:5].T) > 1_000
    assert np.all(upper[far] / lower[far] > high[far] / low[far])


def test_by_itself_a_network_with_few_pairs_borrows_nothing():
    sites, few = network("azure", 1.5, 5)
    assert not network_models(sites, few).of["azure"].foreign
    assert network_models(sites, []).of["azure"].distance.held_out is None


@pytest.mark.parametrize(("teacher", "other"), [("aws", "azure"), ("azure", "aws")])
def test_the_intervals_of_a_borrowed_model_hold(teacher, other):
    heard = read_published(0.5, teacher).statistics
    truth = [each for each in read_published(0.5, other).statistics if each.site_position is not None]
    place = {each.site_id: each.site_position for each in truth}
    sites = [replace(site(name, *at), provider=other) for name, at in place.items()]
    column = {name: number for number, name in enumerate(place)}
    _, lower, upper = network_models(sites, heard).predict(
        [(each.vantage.lat, each.vantage.lon) for each in truth], sites
    )
    inside = [
        lower[row, column[each.site_id]] <= each.rtt_ms <= upper[row, column[each.site_id]]
        for row, each in enumerate(truth)
        if each.vantage.id != f"metro:{each.site_id}"
    ]
    assert 0.88 <= np.mean(inside) <= 0.97


def test_clients_racks_and_homes_ask_one_model():
    sites, heard = ONE
    assert network_models(sites[:3], heard).of["aws"].foreign is False
    told = [
        replace(each, provider="aws", site_position=tuple(PLACES[int(each.site_id[4:])])) for each in heard
    ]
    assert network_models(sites, told).of["aws"] is network_models(sites[:3], told).of["aws"]


def test_a_matrix_of_two_networks_is_that_of_each():
    demand = clients((10.0, 20.0, "AA"), (-30.0, 100.0, "BB"))
    ask = {"quantile": 0.5, "metro_km": 10.0, "vantage_km": 10.0}
    both = build_matrix(demand, [*ONE[0], *OTHER[0]], [*ONE[1], *OTHER[1]], **ask)
    for part, (sites, heard) in ((slice(0, 20), ONE), (slice(20, 40), OTHER)):
        alone = build_matrix(demand, sites, heard, **ask)
        assert np.array_equal(both.estimate_ms[:, part], alone.estimate_ms)
        assert np.array_equal(both.upper_ms[:, part], alone.upper_ms)
