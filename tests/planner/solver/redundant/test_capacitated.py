"""capacitated against every set of sites with explicit flows, and the edges of its contract."""

from __future__ import annotations

import _thread
import threading
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from planner.solver.redundant import capacitated
from tests.planner.solver.redundant.independent import Instance, check, draw, optimum

GAP = 1e-6


def solve(instance, **options):
    arguments, keywords = instance.arguments()
    return capacitated(*arguments, **{"gap": GAP, **keywords, **options})


@pytest.mark.parametrize("block", range(30))
def test_it_is_what_enumeration_finds(block):
    for seed in range(10 * block, 10 * block + 10):
        instance = draw(seed)
        best, found = optimum(instance), solve(instance)
        if np.isinf(best):
            assert found.termination == "infeasible", seed
            assert found.reason, seed
            assert len(found.open) == 0
            assert (found.assignment == -1).all()
        else:
            assert found.termination == "optimal", seed
            assert found.reason == ""
            check(instance, found)
            slack = 1e-5 * max(1.0, abs(best))
            assert abs(found.objective - best) <= slack, seed
            assert found.lower_bound <= best + 1e-9 * max(1.0, abs(best)), seed
            assert found.gap <= GAP + 1e-12


def middling(seed, n=25, m=60):
    """A random instance in the plane that enumeration cannot do: domains of several sites, some residency."""
    random = np.random.default_rng(seed)
    sites, clients = random.uniform(0, 100, (n, 2)), random.uniform(0, 100, (m, 2))
    distance = np.linalg.norm(clients[:, None] - sites[None], axis=2)
    demand = random.uniform(1, 10, m)
    east, confined = sites[:, 0] > 50, random.random(m) < 0.3
    resident = ~confined[:, None] | (east == (clients[:, :1] > 50))
    labels = random.integers(0, n // 2, n)
    domains = tuple(tuple(np.flatnonzero(labels == k).tolist()) for k in np.unique(labels))
    return Instance(
        random.uniform(300, 600, n),
        np.where(resident & (distance < 70), distance * demand[:, None], np.inf),
        demand,
        random.uniform(50, 110, n),
        resident & (distance < 90),
        domains,
    )


def explicit_milp(instance, gap):
    """Objective and bound of scipy's milp on the model with every flow written out."""
    n, m = len(instance.opening), len(instance.demand)
    count = n + m * n * (1 + len(instance.domains))
    cost = np.concatenate((instance.opening, np.nan_to_num(instance.cost, posinf=0.0).ravel()))
    cost = np.concatenate((cost, np.zeros(count - len(cost))))
    upper = np.concatenate((np.ones(n), np.isfinite(instance.cost).ravel()))
    x = n + np.arange(m * n).reshape(m, n)
    rows, low, high = [], [], []

    def add(columns, values, least, most):
        rows.append((columns, values))
        low.append(least)
        high.append(most)

    for i in range(m):
        add(x[i], np.ones(n), 1, 1)
        for j in range(n):
            add([x[i, j], j], [1, -1], -np.inf, 0)
    for j in range(n):
        add([*x[:, j], j], [*instance.demand, -instance.capacity[j]], -np.inf, 0)
    for k, domain in enumerate(instance.domains):
        r = x + m * n * (k + 1)
        inside = np.isin(np.arange(n), domain)
        upper = np.concatenate((upper, (instance.backup & ~inside).ravel()))
        for i in range(m):
            add([*r[i], *x[i, inside]], [1] * n + [-1] * int(inside.sum()), 0, 0)
        for j in np.flatnonzero(~inside):
            add(
                [*x[:, j], *r[:, j], j],
                [*instance.demand, *instance.demand, -instance.capacity[j]],
                -np.inf,
                0,
            )
    where = np.repeat(np.arange(len(rows)), [len(columns) for columns, _ in rows])
    columns, values = (np.concatenate([np.asarray(row[q], dtype=float) for row in rows]) for q in range(2))
    matrix = csr_array((values, (where, columns.astype(int))), shape=(len(rows), count))
    done = milp(
        cost,
        integrality=np.arange(count) < n,
        bounds=Bounds(0, upper.astype(float)),
        constraints=LinearConstraint(matrix, low, high),
        options={"mip_rel_gap": gap, "time_limit": 60},
    )
    return done.fun, done.mip_dual_bound


def test_it_is_what_milp_finds_with_every_flow_written_out():
    instance = middling(1, n=12, m=25)
    objective, bound = explicit_milp(instance, 1e-6)
    found = solve(instance)
    check(instance, found)
    assert found.termination == "optimal"
    assert found.lower_bound <= objective * (1 + 1e-9)
    assert found.objective >= bound * (1 - 1e-6)
    assert found.objective == pytest.approx(objective, rel=1e-5)


def test_a_rule_tightened_never_improves():
    instance = middling(2)
    free = replace(instance, domains=())
    harder = [
        replace(instance, capacity=instance.capacity * 0.9),
        replace(
            instance, backup=instance.backup & (np.random.default_rng(0).random(instance.backup.shape) < 0.8)
        ),
        replace(
            instance,
            domains=tuple(
                tuple(sorted(a + b))
                for a, b in zip(instance.domains[::2], instance.domains[1::2], strict=False)
            ),
        ),
        replace(instance, high=len(solve(instance).open) - 1),
        replace(instance, cost=np.where(np.arange(25) == solve(instance).open[0], np.inf, instance.cost)),
    ]
    base = solve(instance, gap=1e-4)
    check(instance, base)
    assert solve(free, gap=1e-4).lower_bound <= base.objective
    for tighter in harder:
        found = solve(tighter, gap=1e-4)
        assert found.objective >= base.lower_bound
        if found.termination != "infeasible":
            check(tighter, found)


def test_more_sites_never_cost_more():
    instance = middling(3)
    fewer = replace(
        instance, cost=np.where(np.arange(25) < 20, instance.cost, np.inf), opening=instance.opening
    )
    assert solve(instance, gap=1e-4).lower_bound <= solve(fewer, gap=1e-4).objective


def test_the_answer_is_the_same_on_every_run():
    instance = middling(4)
    first, second = solve(instance, gap=1e-3), solve(instance, gap=1e-3)
    assert first.objective == second.objective
    assert (first.open == second.open).all()
    assert (first.flows.share == second.flows.share).all()


def test_at_the_time_limit_there_is_a_valid_point_and_an_honest_bound():
    instance = middling(5)
    best = solve(instance, gap=1e-5)
    seen = []
    for limit in (0.0, 0.05, 0.2, 0.5):
        found = solve(instance, gap=1e-6, time_limit_s=limit)
        seen.append(found.termination)
        assert found.lower_bound <= best.objective * (1 + 1e-9)
        if len(found.open):
            check(instance, found)
            assert found.objective >= best.lower_bound * (1 - 1e-9)
        else:
            assert found.termination == "time_limit"
            assert found.objective == np.inf
    assert seen[0] == "time_limit"


@pytest.mark.parametrize("phase", ["root", "kernel"])
def test_ctrl_c_returns_what_there_is(phase):
    instance = middling(6)
    best = solve(instance, gap=1e-5)

    def interrupt(now, seconds, objective, bound):
        if now == phase:
            raise KeyboardInterrupt

    found = solve(instance, progress=interrupt)
    assert found.termination in ("time_limit", "optimal")
    assert found.lower_bound <= best.objective
    if phase == "kernel":
        check(instance, found)
        assert found.gap < 1.0


def test_ctrl_c_inside_highs_is_heeded():
    instance = middling(7, n=60, m=300)
    timer = threading.Timer(0.7, _thread.interrupt_main)
    timer.start()
    try:
        found = solve(instance)
    finally:
        timer.cancel()
    assert found.termination == "time_limit"
    assert found.seconds < 30
    if len(found.open):
        check(instance, found)


def test_progress_is_told_with_bounds_that_rise():
    told = []
    solve(middling(8), progress=lambda *line: told.append(line))
    bounds = [bound for _, _, _, bound in told]
    assert bounds == sorted(bounds)
    assert told[0][0] == "root"


def one_site(**changes):
    base = Instance(
        np.array([1.0]), np.array([[2.0]]), np.array([3.0]), np.array([5.0]), np.array([[True]]), ()
    )
    return replace(base, **changes)


@pytest.mark.parametrize(
    ("instance", "reason"),
    [
        (one_site(cost=np.array([[np.inf]])), "client 0 may be served by no site"),
        (one_site(domains=((0,),)), "client 0 may be backed up by no site outside"),
        (one_site(capacity=np.array([2.0])), "all sites together hold 2 of a demand of 3"),
        (one_site(high=0), "no site may open"),
        (one_site(low=2, high=2), "2 sites must open; there are 1"),
    ],
)
def test_infeasible_is_explained(instance, reason):
    found = solve(instance)
    assert found.termination == "infeasible"
    assert reason in found.reason


def three_sites(**changes):
    base = Instance(
        np.array([1.0, 1.0, 1.0]),
        np.array([[1.0, 2.0, np.inf], [1.0, 1.0, 1.0]]),
        np.array([4.0, 4.0]),
        np.array([6.0, 6.0, 6.0]),
        np.ones((2, 3), dtype=bool),
        ((0,), (1,), (2,)),
    )
    return replace(base, **changes)


@pytest.mark.parametrize(
    ("instance", "reason"),
    [
        (
            three_sites(capacity=np.array([2.0, 1.5, 9.0]), domains=()),
            "client 0 may be served by sites 0, 1 only",
        ),
        (three_sites(capacity=np.array([9.0, 1.0, 1.0])), "without site 0 the others hold"),
        (three_sites(high=1, domains=()), "the 1 largest sites hold 6 of a demand of 8"),
        (three_sites(high=2), "no 2 sites serve every client and have room after every failure"),
        (
            three_sites(
                backup=np.array([[True, True, False], [True, True, True]]),
                capacity=np.array([3.0, 3.0, 9.0]),
                domains=((0,), (1,)),
            ),
            "even with every site open there is no room",
        ),
    ],
)
def test_infeasible_together_is_explained(instance, reason):
    assert optimum(instance) == np.inf
    found = solve(instance)
    assert found.termination == "infeasible"
    assert reason in found.reason


def test_without_clients_only_what_must_open_does():
    found = capacitated([3.0, 1.0], np.empty((0, 2)), [], [1.0, 1.0], min_open=1)
    assert found.open.tolist() == [1]
    assert found.objective == pytest.approx(1.0)
    idle = capacitated(np.arange(1.0, 9.0), np.empty((0, 8)), [], np.ones(8))
    assert (idle.termination, idle.open.tolist(), idle.objective) == ("optimal", [], 0.0)


def test_labels_say_what_a_matrix_says():
    instance = draw(1, sites=6, clients=6)
    labels = np.array([-1, 4, 4, -1, 7, 9])[: len(instance.opening)]
    matrix = np.array([labels == k for k in np.unique(labels[labels >= 0])])
    arguments = instance.opening, instance.cost, instance.demand, np.full(len(labels), 20.0)
    one = capacitated(*arguments, failure_domain=labels, gap=GAP)
    other = capacitated(*arguments, failure_domain=matrix, gap=GAP)
    assert one.termination == other.termination
    assert one.objective == other.objective
    assert [d.tolist() for d in one.domains] == [d.tolist() for d in other.domains]


def test_backups_alone_let_each_site_fail_alone_and_nothing_at_all_lets_none():
    instance = middling(9)
    arguments, _ = instance.arguments()
    alone = capacitated(*arguments, backup_allowed=instance.backup)
    assert [d.tolist() for d in alone.domains] == [[j] for j in range(25)]
    none = capacitated(*arguments)
    assert none.domains == ()
    assert (none.backup == -1).all()
    assert none.objective <= alone.objective


@pytest.mark.parametrize(
    "change",
    [
        {"opening_cost": [1.0]},
        {"opening_cost": [np.inf, 1.0]},
        {"assignment_cost": [[np.nan, 1.0]]},
        {"assignment_cost": [[-np.inf, 1.0]]},
        {"demand": [-1.0]},
        {"demand": [np.inf]},
        {"demand": [1.0, 1.0]},
        {"capacity": [np.nan, 1.0]},
        {"capacity": [-1.0, 1.0]},
        {"backup_allowed": [[1, 1]]},
        {"backup_allowed": [[True]]},
        {"failure_domain": [0.5, 1.0]},
        {"failure_domain": [1]},
        {"min_open": -1},
        {"min_open": 2, "max_open": 1},
        {"gap": 0.0},
        {"gap": 1.0},
    ],
)
def test_wrong_arguments_are_refused(change):
    right = {
        "opening_cost": [1.0, 1.0],
        "assignment_cost": [[1.0, 1.0]],
        "demand": [1.0],
        "capacity": [2.0, 2.0],
    }
    assert capacitated(**right).termination == "optimal"
    with pytest.raises(ValueError):
        capacitated(**{**right, **change})
