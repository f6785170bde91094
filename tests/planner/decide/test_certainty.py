"""The probability that a plan keeps its promise, against closed forms."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import stdtr, stdtrit

from planner.certainty import DRAWS, certainty_of
from planner.decide import decide
from planner.demand import Client, Demand
from planner.inputs import load_inputs
from planner.latency.matrix import MODELLED, LatencyMatrix
from planner.plan_document import plan_document
from planner.study_lookup import find_study
from planner.terminal import plan_text
from tests.planner.latency.test_matrix import site

PLACES = (("DE", 50.1), ("BR", -23.5), ("JP", 35.7))


def inputs(low, high, estimate=100.0):
    clients = tuple(Client(c, c, c, lat, 20.0 * n, 1.0) for n, (c, lat) in enumerate(PLACES))
    shape = len(clients), len(clients)
    return SimpleNamespace(
        demand=Demand(clients, np.ones(len(clients)), "test"),
        # Where the clients are: no light to beat.
        sites=tuple(site(each.id, each.lat, each.lon) for each in clients),
        matrix=LatencyMatrix(
            client_ids=tuple(each.id for each in clients),
            site_ids=tuple(each.id for each in clients),
            vantages=(),
            quantile=0.5,
            estimate_ms=np.full(shape, estimate),
            lower_ms=np.full(shape, low),
            upper_ms=np.full(shape, high),
            samples=np.zeros(shape, dtype=np.int64),
            loss_ratio=np.full(shape, math.nan),
            provenance=np.full(shape, MODELLED, dtype=np.int8),
            vantage=np.full(shape, -1, dtype=np.int32),
        ),
    )


def study(slo_ms, coverage=1.0):
    return SimpleNamespace(latency=SimpleNamespace(slo_ms=slo_ms, coverage=coverage))


def in_time():
    """The probability that 100 ms, 200 at the 95 % bound, are in truth at most 130."""
    return float(stdtr(2, math.log(1.3) / (math.log(2.0) / stdtrit(2, 0.95))))


def within(expected, found):
    return abs(expected - found) < 4 * math.sqrt(max(expected * (1 - expected), 0.01) / DRAWS)


def test_one_client_is_within_the_slo_as_often_as_its_bounds_say():
    found = certainty_of(study(130.0), inputs(80.0, 200.0), np.array([0, 0, 0])[:1], np.array([1.0]))
    assert within(in_time(), found.probability)
    assert found.probability_lower < found.probability < found.probability_upper


def test_clients_that_err_apart_must_all_be_lucky():
    """Three clients at three sites: nothing shared, so the probabilities multiply."""
    share = np.full(3, 1 / 3)
    found = certainty_of(study(130.0), inputs(80.0, 200.0), np.arange(3), share)
    one = in_time()
    assert within(one**3, found.probability)
    two_of_three = certainty_of(study(130.0, 0.66), inputs(80.0, 200.0), np.arange(3), share)
    assert within(one**3 + 3 * one**2 * (1 - one), two_of_three.probability)
    assert two_of_three.coverage == (pytest.approx(1 / 3), pytest.approx(1.0))
    assert {name for name, _ in found.hangs_on} == {"DE", "BR", "JP"}


def test_what_is_certain_hangs_on_nothing():
    found = certainty_of(study(130.0), inputs(100.0, 100.0), np.arange(3), np.full(3, 1 / 3))
    assert (found.probability, found.coverage, found.hangs_on) == (1.0, (1.0, 1.0), ())
    assert found.mean_ms == (pytest.approx(100.0), pytest.approx(100.0))


def test_without_a_promise_there_is_none_to_keep():
    found = certainty_of(study(None), inputs(80.0, 200.0), np.arange(3), np.full(3, 1 / 3))
    assert found.probability is None
    assert found.coverage is None
    low, high = found.p95_ms
    assert low < 200.0 < high


def test_a_plan_says_how_likely_it_is_and_the_same_each_time():
    tried = find_study("factory-outposts")
    plan = decide(tried, load_inputs(tried))
    assert plan.certainty is not None
    assert plan.kpi.coverage >= tried.latency.coverage
    said = plan_document(plan)["certainty"]
    assert said["probability"] == plan.certainty.probability
    assert said["probability_bounds"][0] <= said["probability"] <= said["probability_bounds"][1]
    assert "  certainty " in plan_text(plan, slo_ms=tried.latency.slo_ms)
    again = decide(tried, load_inputs(tried))
    assert again.certainty == plan.certainty
