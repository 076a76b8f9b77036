"""Protects the measurement of the shell around a region, on bodies whose shell is known from a formula."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage
from synthetic_spine import grid, like, spine

from helpers.imaging.regions import label_codes, six_layers
from helpers.imaging.surroundings import SIDES, surroundings

# Bodies of 15 mm radius and 24 mm height with a shell of 2 mm: its inner side lies 13 mm from the axis and
# 10 mm from the middle of the body.
GRIDS = {
    "cubic": grid(),
    "fine": grid((150, 160, 120), (0.6, 0.6, 0.7)),
    "slices of 1.5 mm": grid((110, 110, 60), (0.8, 0.8, 1.5)),
    "other order of axes": grid((80, 96, 84), direction=[[0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
}


def regions(found, erode_mm=4.0):
    return six_layers(label_codes(found.vertebrae, "verse"), found.bodies, erode_mm)[0]


@pytest.mark.parametrize("tilt", [0.0, 0.35])
@pytest.mark.parametrize("name", GRIDS)
def test_margins_and_body_are_those_of_the_formula_on_any_grid(name, tilt):
    found = spine(GRIDS[name], tilt)
    facts = surroundings(found.image, regions(found))
    step = {size: facts[f"step_{size}"] for size in ("height", "width", "depth")}
    assert sorted(step.values()) == pytest.approx(sorted(found.image.GetSpacing()))
    for vertebra in ("t12", "l1"):
        # Shrunk by 4 mm: 2 mm to the shell's inner side, and up to half a voxel at either end of a ray.
        for side in SIDES:
            assert facts[f"margin_{vertebra}_{side}"] == pytest.approx(2.0, abs=1.05), side
            assert facts[f"shell_{vertebra}_{side}"] == pytest.approx(300, abs=160)
        assert facts[f"body_{vertebra}_height"] == pytest.approx(20.0, abs=1.5)
        # Rays of a cylinder: all that are longer than six tenths of the longest.
        for size in ("width", "depth"):
            assert 22 <= facts[f"body_{vertebra}_{size}"] <= 27


@pytest.mark.parametrize(
    ("shift", "nearer", "farther"),
    [((2, 0, 0), "head", "foot"), ((0, 0, 2), "left", "right"), ((0, -2, 0), "front", "back")],
)
def test_a_shift_shows_as_a_difference_of_the_margins(shift, nearer, farther):
    found = spine()
    before = surroundings(found.image, regions(found))
    layers = regions(found)
    moved = like(ndimage.shift(sitk.GetArrayFromImage(layers), shift, order=0), layers)
    after = surroundings(found.image, moved)
    for vertebra in ("t12", "l1"):
        change = {
            side: after[f"margin_{vertebra}_{side}"] - before[f"margin_{vertebra}_{side}"]
            for side in (nearer, farther)
        }
        assert change[nearer] == pytest.approx(-2, abs=0.5)
        assert change[farther] == pytest.approx(2, abs=0.5)


def test_a_region_that_reaches_into_the_shell_has_a_negative_margin():
    found = spine()
    facts = surroundings(found.image, regions(found, erode_mm=0.5))
    assert all(facts[f"margin_{vertebra}_{side}"] < -0.5 for vertebra in ("t12", "l1") for side in SIDES)


def test_where_nothing_is_brighter_there_is_no_shell():
    found = spine()
    flat = sitk.Cast(sitk.Clamp(found.image, upperBound=150), sitk.sitkInt16)
    facts = surroundings(flat, regions(found))
    assert all(np.isnan(facts[f"margin_t12_{side}"]) for side in SIDES)
    assert np.isnan(facts["body_l1_width"])


def test_one_vertebra_is_measured_alone_and_beyond_the_image_nothing_is_known():
    found = spine()
    alone = sitk.GetArrayFromImage(regions(found))
    alone[alone > 3] = 0
    top = np.flatnonzero(alone.any(axis=(1, 2))).max() + 1
    cut = [volume[:, :, : int(top)] for volume in (found.image, like(alone, found.image))]
    facts = surroundings(*cut)
    assert np.isnan(facts["margin_t12_head"])
    assert facts["margin_t12_foot"] == pytest.approx(3, abs=0.1)  # centres at 9 and 5 mm, counted by hand
    assert not [name for name in facts if "l1" in name]
