"""Problems whose optimum is known from the literature, written from their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from planner.solver import max_cover, p_center, set_cover


def hamming(base, length):
    """Distances between all words of a length over an alphabet."""
    words = np.array(list(itertools.product(range(base), repeat=length)))
    return (words[:, None] != words[None]).sum(axis=2).astype(float)


def triples(dimension):
    """Clients = the lines of the affine space over three elements, sites = its points.

    Fulkerson, Nemhauser & Trotter 1974: Steiner triple systems as covering problems.
    """
    points = list(itertools.product(range(3), repeat=dimension))
    place = {point: j for j, point in enumerate(points)}
    lines = set()
    for a, b in itertools.combinations(points, 2):
        third = tuple((-x - y) % 3 for x, y in zip(a, b, strict=True))
        lines.add(frozenset((place[a], place[b], place[third])))
    covers = np.zeros((len(lines), len(points)), dtype=bool)
    for i, line in enumerate(sorted(lines, key=sorted)):
        covers[i, list(line)] = True
    return covers


def queens(size):
    """Which squares a queen sees."""
    squares = np.array(list(itertools.product(range(size), repeat=2)))
    (rows, columns), (r, c) = squares.T[:, :, None], squares.T[:, None]
    return (rows == r) | (columns == c) | (rows - columns == r - c) | (rows + columns == r + c)


@pytest.mark.parametrize(("dimension", "optimum"), [(1, 1), (2, 5), (3, 18)])
def test_steiner_triples(dimension, optimum):
    covers = triples(dimension)
    assert covers.shape[0] == 3**dimension * (3**dimension - 1) // 6
    found = set_cover(covers, np.ones(3**dimension))
    assert found.objective == found.lower_bound == optimum


@pytest.mark.parametrize(("size", "optimum"), [(4, 2), (5, 3), (6, 3), (7, 4), (8, 5), (9, 5)])
def test_queens_that_see_every_square(size, optimum):
    found = set_cover(queens(size), np.ones(size * size))
    assert found.objective == found.lower_bound == optimum


@pytest.mark.parametrize(
    ("base", "length", "radius", "optimum"),
    [(2, 3, 1, 2), (2, 5, 1, 7), (2, 6, 2, 4), (3, 3, 1, 5), (3, 4, 1, 9), (4, 3, 1, 8)],
)
def test_covering_codes(base, length, radius, optimum):
    # Tables of Cohen, Honkala, Litsyn & Lobstein 1997.
    distance = hamming(base, length)
    found = set_cover(distance <= radius, np.ones(len(distance)))
    assert found.objective == found.lower_bound == optimum
    assert p_center(distance, optimum).objective == radius
    assert p_center(distance, optimum - 1).objective > radius


def test_fewer_words_than_a_perfect_code_cover_a_ball_less_each():
    within = hamming(2, 7) <= 1
    for p in (1, 7, 15, 16):
        found = max_cover(np.ones(128), within, p)
        assert found.objective == found.lower_bound == 8 * p


@pytest.mark.parametrize("nodes", [1, 2, 10, 47])
def test_centers_of_a_path_and_of_a_cycle(nodes):
    place = np.arange(nodes)
    path = np.abs(place[:, None] - place[None]).astype(float)
    cycle = np.minimum(path, nodes - path)
    for p in range(1, nodes + 1):
        assert p_center(path, p).objective == -(-(nodes - p) // (2 * p))
        assert p_center(cycle, p).objective == -(-(-(-nodes // p) - 1) // 2)
