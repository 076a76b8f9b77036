"""Protects that distances looked for in a part of space are those of the whole."""

import numpy as np
import pytest
from scipy import ndimage

from helpers.imaging.nearness import near

RNG = np.random.default_rng(0)
REGIONS = {
    "scattered": RNG.random((17, 21, 19)) < 0.003,
    "box at a corner": np.pad(np.ones((4, 5, 3), bool), ((0, 9), (0, 12), (0, 11))),
    "one voxel": np.pad(np.ones((1, 1, 1), bool), 10),
    "everything": np.ones((4, 5, 6), bool),
}


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.7, 0.7), (5.0, 0.8, 0.9), (9.0, 9.0, 9.0)])
@pytest.mark.parametrize("name", REGIONS)
def test_near_is_what_the_distance_transform_finds_near(name, spacing):
    region = REGIONS[name]
    distance = ndimage.distance_transform_edt(~region, sampling=spacing)
    for reach in (0.5, 3.3, 6.0):
        expected = (distance > 0) & (distance <= reach)
        beside = np.abs(distance - reach) < 1e-9  # by rounding, either may be right
        np.testing.assert_array_equal(near(region, spacing, reach) | beside, expected | beside)
