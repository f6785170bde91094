"""Local search over open sites: judged by trying every set of sites and every placement in it."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from planner.inputs import load_inputs
from planner.problem import build_problem
from planner.solver.decision import broken_rules, objective_of
from planner.solver.nearby import best_near
from planner.solver.softened import Softened
from planner.study import parse_study
from tests.planner.four_cities import CLIENTS

STUDY = """
name = "tiny"
[demand]
csv = "clients.csv"
peak_rps = 2000
requests_per_month = 1.0e8
[candidates]
provider = "aws"
kinds = ["region", "local_zone"]
include = ["eu-central-1", "eu-central-1-waw-1a", "eu-west-3", "eu-south-2"]
[workload]
rps_per_instance = 3000
min_instances = 2
[latency]
statistic = "p50"
max_ms = 45
"""
COST = STUDY + "slo_ms = 25\ncoverage = 0.9\n"
MEAN = STUDY + '[objective]\nminimize = "mean_latency"\n[limits]\nmax_sites = 2\n'
SURVIVING = COST + '[resilience]\nsurvive = "site"\nbackup_within_ms = 45\n'
BUDGET = MEAN + "[budget]\nusd_per_month = 1010\n"
UPPER = STUDY + '[objective]\nminimize = "max_latency"\n[limits]\nmax_sites = 2\n'
FULL = COST + '[[rule]]\nkind = "capacity"\nsites = ["eu-west-3", "eu-central-1"]\nmax_rps = 800\n'
PRICE = 5_000.0


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nearby")
    (folder / "clients.csv").write_text(CLIENTS)

    study = parse_study(STUDY, name="tiny", directory=folder)
    inputs = load_inputs(study)

    def asked(text, factor):
        """The problem at latencies off by a factor for each pair."""
        study = parse_study(text, name="tiny", directory=folder)
        latency = inputs.matrix.estimate_ms * factor
        matrix = replace(inputs.matrix, estimate_ms=latency, lower_ms=latency, upper_ms=latency)
        return build_problem(study, replace(inputs, matrix=matrix))

    return asked


def placements(problem):
    """Every set of sites that may be open together, with every placement of everybody in it."""
    n, m = len(problem.site_ids), len(problem.client_ids)
    softened = Softened(problem, PRICE)
    sets = np.array([bits for bits in product([False, True], repeat=n) if any(bits)])
    for is_open in sets[softened.stand(sets)]:
        for assignment in product(np.nonzero(is_open)[0], repeat=m):
            yield is_open, np.array(assignment, dtype=np.intp)


@pytest.mark.parametrize("text", [COST, MEAN, SURVIVING, BUDGET, UPPER, FULL])
def test_it_ends_at_the_best_of_all(ask, text):
    for seed in range(2):
        factor = np.exp(np.random.default_rng(seed).normal(0.0, 0.4, (4, 4)))
        problem = ask(text, factor)
        softened = Softened(problem, PRICE)
        every = [softened.judged(*each) for each in placements(problem) if legal(softened, each[1])]
        best = min(every, key=lambda each: each.value)
        start = np.array([site != "eu-central-1-waw-1a" for site in problem.site_ids])
        start &= np.cumsum(start) <= 2
        found = best_near(softened, [start])
        assert found is not None
        assert found.value >= best.value - 1e-9
        assert found.value <= best.value * 1.01
        again = softened.judged(found.open, found.assignment)
        assert again.value == pytest.approx(found.value)


def legal(softened, assignment):
    return np.isfinite(softened.merit[np.arange(len(assignment)), assignment]).all()


@pytest.mark.parametrize("text", [COST, MEAN, BUDGET, FULL])
def test_nothing_is_missed_where_no_rule_is_broken(ask, text):
    problem = ask(text, np.ones((4, 4)))
    softened, kept, broken = Softened(problem, PRICE), 0, 0
    for is_open, assignment in placements(problem):
        if not legal(softened, assignment):
            continue
        placed = softened.judged(is_open, assignment)
        assert placed.objective == pytest.approx(objective_of(problem, is_open, assignment))
        sound = not broken_rules(problem, is_open, assignment)
        assert (placed.missed == 0.0) == sound
        assert placed.value == pytest.approx(placed.objective + PRICE * placed.missed)
        kept, broken = kept + sound, broken + (not sound)
    assert kept
    assert broken


def test_a_site_that_needs_another_opens_and_closes_with_it(ask):
    problem = ask(COST, np.ones((4, 4)))
    softened = Softened(problem, PRICE)
    zone, region = (problem.site_ids.index(name) for name in ("eu-central-1-waw-1a", "eu-central-1"))
    assert softened.needs == {zone: region}
    alone = np.zeros(4, dtype=bool)
    alone[zone] = True
    assert not softened.stand(alone[None])[0]
    found = best_near(softened, [np.arange(4) == region])
    assert found is not None
    assert found.open[region] or not found.open[zone]
