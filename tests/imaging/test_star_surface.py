"""Protects the search for the best closed surface: exact where that is known, closed where nothing is."""

import itertools

import numpy as np
import pytest

from helpers.imaging.star_surface import best_surface, sphere

LABELS, STEP_COST = 5, 0.3


def cost_of(labels, costs, pairs):
    """What a surface costs, counted one by one; infinite where neighbours differ by more than 2."""
    half = pairs[:, : pairs.shape[1] // 2].T
    steps = [abs(labels[one] - labels[other]) for one, other in half]
    if max(steps) > 2:
        return np.inf
    return sum(costs[ray, label] for ray, label in enumerate(labels)) + STEP_COST * sum(steps)


@pytest.mark.parametrize("seed", range(5))
def test_a_chain_gets_the_least_of_all_possible_surfaces(seed):
    costs = np.random.default_rng(seed).random((6, LABELS))
    edges = np.array([[ray, ray + 1] for ray in range(5)])
    pairs = np.concatenate([edges, edges[:, ::-1]]).T
    every = itertools.product(range(LABELS), repeat=6)
    best = min(every, key=lambda labels: cost_of(labels, costs, pairs))
    found = np.round(best_surface(costs, pairs, STEP_COST, 2)).astype(int)
    np.testing.assert_array_equal(found, best)


def test_rays_that_see_nothing_follow_those_around_them():
    rays = sphere(300)
    costs = np.zeros((300, 21))
    costs[:, 12] = -1.0
    blind = rays.directions[:, 1] > 0.85
    costs[blind] = 0.0
    assert 10 < blind.sum() < 60
    np.testing.assert_allclose(best_surface(costs, rays.pairs, 0.1, 2), 12, atol=0.6)


def test_triangles_close_the_sphere_and_look_outwards():
    rays = sphere(400)
    a, b, c = rays.directions[rays.triangles].swapaxes(0, 1)
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6
    assert (volume > 0).all()
    assert volume.sum() == pytest.approx(4 / 3 * np.pi, rel=0.03)
    edges, half = rays.pairs.shape[1] // 2, rays.pairs.shape[1] // 2
    assert 400 - edges + len(rays.triangles) == 2  # Euler's formula for a closed surface
    np.testing.assert_array_equal(rays.pairs[:, :half], rays.pairs[::-1, half:])
