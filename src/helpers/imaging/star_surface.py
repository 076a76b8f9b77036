"""The best closed surface that each ray from a centre crosses once: one label a ray, neighbours alike.

Labels are places along the rays. The surface makes the sum of two costs small: what the image says of each
place, and the steps between neighbouring rays. Belief propagation (min-sum) finds it; the result does not
depend on any random number.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.spatial import ConvexHull

_ITERATIONS = 30
_DAMPING = 0.3  # share of the last message that is kept: messages on loops settle instead of swinging


class Sphere(NamedTuple):
    """Directions spread evenly over a sphere, and who lies beside whom.

    ``directions`` are unit vectors (rays, 3); ``triangles`` (triangles, 3) are turned outwards; ``pairs``
    (2, edges) holds each edge in both directions, the second half being the first half reversed.
    """

    directions: np.ndarray
    triangles: np.ndarray
    pairs: np.ndarray


def sphere(rays: int) -> Sphere:
    """Evenly spread directions (Fibonacci lattice) and their triangles."""
    place = np.arange(rays) + 0.5
    up, turn = 1 - 2 * place / rays, np.pi * (1 + np.sqrt(5)) * place
    flat = np.sqrt(1 - up**2)
    directions = np.column_stack([flat * np.cos(turn), flat * np.sin(turn), up])
    triangles = ConvexHull(directions).simplices
    corners = directions[triangles]
    inwards = np.einsum(
        "ij,ij->i", np.cross(*(corners[:, 1:] - corners[:, :1]).swapaxes(0, 1)), corners[:, 0]
    )
    triangles[inwards < 0] = triangles[inwards < 0][:, ::-1]
    edges = np.sort(
        np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1
    )
    edges = np.unique(edges, axis=0)
    return Sphere(directions, triangles, np.concatenate([edges, edges[:, ::-1]]).T)


def best_surface(costs: np.ndarray, pairs: np.ndarray, step_cost: float, reach: int) -> np.ndarray:
    """Place on each ray, in labels and parts of a label.

    Parameters
    ----------
    costs : ndarray of shape (rays, labels)
        What each place costs.
    pairs : ndarray of shape (2, edges)
        Neighbours, as of `Sphere`.
    step_cost : float
        Cost of each label by which two neighbours differ.
    reach : int
        They differ by this many labels at most.

    Returns
    -------
    ndarray of shape (rays,)
    """
    source, target = pairs
    edges, half = len(source), len(source) // 2
    gather = sparse.csr_matrix(
        (np.ones(edges, np.float32), (target, np.arange(edges))), shape=(len(costs), edges)
    )
    costs = costs.astype(np.float32)
    messages = np.zeros((edges, costs.shape[1]), np.float32)
    beliefs = costs
    for _ in range(_ITERATIONS):
        back = np.concatenate([messages[half:], messages[:half]])
        sent = _cheapest_within(beliefs[source] - back, np.float32(step_cost), reach)
        sent -= sent.min(axis=1, keepdims=True)
        messages = _DAMPING * messages + (1 - _DAMPING) * sent
        beliefs = costs + gather @ messages
    return _lowest(beliefs)


def _cheapest_within(costs: np.ndarray, step_cost: float, reach: int) -> np.ndarray:
    """The least over all labels within ``reach``, each step paid for."""
    best = costs.copy()
    for step in range(1, reach + 1):
        paid = costs + np.float32(step * step_cost)
        np.minimum(best[:, step:], paid[:, :-step], out=best[:, step:])
        np.minimum(best[:, :-step], paid[:, step:], out=best[:, :-step])
    return best


def _lowest(beliefs: np.ndarray) -> np.ndarray:
    """Label of each ray's lowest belief, with the part of a label that a parabola through it says."""
    lowest = beliefs.argmin(axis=1)
    middle = np.clip(lowest, 1, beliefs.shape[1] - 2)
    before, at, after = (
        np.take_along_axis(beliefs, (middle + step)[:, None], 1)[:, 0] for step in (-1, 0, 1)
    )
    bend = before - 2 * at + after
    part = np.where(bend > 1e-6, (before - after) / (2 * np.maximum(bend, 1e-6)), 0.0)
    return np.where(middle == lowest, middle + np.clip(part, -0.5, 0.5), lowest)
