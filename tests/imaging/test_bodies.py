"""Protects regions from points: right where the truth is known, alike for clicks apart, else refused."""

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from synthetic_spine import grid, spine

from helpers.errors import StudyError
from helpers.imaging.bodies import layers_around
from helpers.imaging.regions import VERTEBRAE, check_regions, missing_vertebrae, vertebra_centre
from helpers.study.places import REPOSITORY
from helpers.study.sites import POINTS_MARGIN_MM
from helpers.virtual import VirtualSite

CENTRE = np.array([3.0, -140.0, 520.0])
POINTS = {"T12": CENTRE + [0, 0, 16], "L1": CENTRE - [0, 0, 16]}
SPINE = spine()
MARGIN = 1.0
REAL = os.environ.get("RADBOOK_REAL_DATA")


def dice(one, other):
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def inside_of(image, margin):
    """Cancellous bone of the formula spine: 2 mm of shell, then the margin."""
    index = np.stack(np.indices(image.GetSize()[::-1])[::-1], axis=-1) * image.GetSpacing()
    x, y, z = np.moveaxis(
        index @ np.reshape(image.GetDirection(), (3, 3)).T + image.GetOrigin() - CENTRE, -1, 0
    )
    return np.minimum(15 - np.hypot(x, y), 12 - np.abs(np.abs(z) - 16)) > 2 + margin


@pytest.fixture(scope="module")
def patient():
    site = VirtualSite(REPOSITORY / "data" / "virtual" / "protocol.yml", "development", 8, 2)
    people = site.screened()
    return site.acquire(people.loc[people["exclusion"] == "", "patient_id"].iloc[0])


def test_a_body_made_from_a_formula_is_found_to_its_shell():
    layers = layers_around(SPINE.image, POINTS, MARGIN)
    drawn = sitk.GetArrayFromImage(layers)
    truth = inside_of(SPINE.image, MARGIN)
    assert dice(drawn > 0, truth) > 0.90
    in_shell = drawn[~inside_of(SPINE.image, 0)] > 0
    assert in_shell.sum() < 0.01 * (drawn > 0).sum()
    check_regions(layers, SPINE.image)


def test_the_layers_are_thirds_of_the_body_from_the_head_down():
    layers = layers_around(SPINE.image, POINTS, MARGIN)
    heights = sitk.GetArrayFromImage(layers)
    z = np.arange(layers.GetSize()[2]) * layers.GetSpacing()[2] + layers.GetOrigin()[2] - CENTRE[2]
    for vertebra, middle in (("T12", 16), ("L1", -16)):
        upper, centre, lower = ((heights == label).any(axis=(1, 2)) for label in VERTEBRAE[vertebra])
        assert z[upper].min() == pytest.approx(middle + 4, abs=1.1)
        assert z[centre].mean() == pytest.approx(middle, abs=0.6)
        assert z[lower].max() == pytest.approx(middle - 4, abs=1.1)


@pytest.mark.parametrize("step", [0.7, 1.5, 3.0])
def test_other_voxels_give_the_same_body(step):
    size = [int(length / step) for length in (84, 96, 80)]
    volume = grid(size, (0.8, 0.8, step) if step > 1 else (step,) * 3)
    if step > 1:
        volume = grid((105, 120, int(80 / step)), (0.8, 0.8, step))
    image = spine(volume).image
    drawn = sitk.GetArrayFromImage(layers_around(image, POINTS, MARGIN)) > 0
    assert drawn.sum() * np.prod(image.GetSpacing()) == pytest.approx(
        inside_of(image, MARGIN).sum() * np.prod(image.GetSpacing()), rel=0.25
    )


def test_axes_stored_in_another_order_give_the_same_region():
    direct = sitk.GetArrayFromImage(layers_around(SPINE.image, POINTS, MARGIN))
    turned = sitk.DICOMOrient(SPINE.image, "ASR")
    back = sitk.DICOMOrient(layers_around(turned, POINTS, MARGIN), "LPS")
    assert dice(sitk.GetArrayFromImage(back) > 0, direct > 0) > 0.995


def test_the_same_point_gives_the_same_voxels():
    one, other = (sitk.GetArrayFromImage(layers_around(SPINE.image, POINTS, MARGIN)) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_a_virtual_patient_is_drawn_as_its_reader_draws(patient):
    image, mask = patient
    layers = layers_around(image, {v: vertebra_centre(mask, v) for v in VERTEBRAE}, POINTS_MARGIN_MM)
    ours, drawn = sitk.GetArrayFromImage(layers), sitk.GetArrayFromImage(mask)
    hu = sitk.GetArrayFromImage(image)
    assert dice(ours > 0, drawn > 0) > 0.85  # two readers agree no better
    assert abs(hu[ours > 0].mean() - hu[drawn > 0].mean()) < 3


def test_clicks_five_millimetres_apart_give_nearly_the_same(patient):
    image, mask = patient
    centres = {v: vertebra_centre(mask, v) for v in VERTEBRAE}
    middle = sitk.GetArrayFromImage(layers_around(image, centres, POINTS_MARGIN_MM)) > 0
    for way in ([3, -3, 2.6], [-3, 3, -2.6]):
        moved = layers_around(image, {v: place + way for v, place in centres.items()}, POINTS_MARGIN_MM)
        assert dice(sitk.GetArrayFromImage(moved) > 0, middle) > 0.96


@pytest.mark.parametrize(
    "where",
    [
        pytest.param([0, 0, -16], id="disc"),
        pytest.param([0, 24, 0], id="canal"),
        pytest.param([30, 5, 0], id="psoas"),
        pytest.param([25, 38, 0], id="muscle"),
        pytest.param([14, 18, 5], id="pedicle"),
        pytest.param([5, -30, 0], id="aorta"),
        pytest.param([52, 8, 0], id="kidney"),
    ],
)
def test_a_point_beside_the_body_is_refused(patient, where):
    image, mask = patient
    t12 = vertebra_centre(mask, "T12")
    with pytest.raises(StudyError, match="T12: ") as refusal:
        layers_around(image, {"T12": t12 + where}, POINTS_MARGIN_MM)
    assert refusal.value.kind == "mask"


def test_points_that_cannot_be_are_refused_before_anything_is_searched():
    swapped = {"T12": POINTS["L1"], "L1": POINTS["T12"]}
    with pytest.raises(StudyError, match="Exchange their names"):
        layers_around(SPINE.image, swapped, MARGIN)
    near = {"T12": POINTS["T12"], "L1": POINTS["T12"] - [0, 0, 5]}
    with pytest.raises(StudyError, match="5 mm apart"):
        layers_around(SPINE.image, near, MARGIN)
    ras = {vertebra: place * [-1, -1, 1] for vertebra, place in POINTS.items()}
    with pytest.raises(StudyError, match="RAS, not LPS"):
        layers_around(SPINE.image, ras, MARGIN)
    with pytest.raises(StudyError, match="another image"):
        layers_around(SPINE.image, {"T12": CENTRE + [0, 0, 300]}, MARGIN)


def test_a_body_cut_off_by_the_scan_is_refused():
    cut = SPINE.image[:, :, :60]  # 8 mm of T12 are missing
    with pytest.raises(StudyError, match="T12: the body reaches beyond the edge of the scan") as refusal:
        layers_around(cut, {"T12": POINTS["T12"] - [0, 0, 3], "L1": POINTS["L1"]}, MARGIN)
    assert refusal.value.kind == "image"


def test_one_vertebra_alone_can_be_drawn():
    assert missing_vertebrae(layers_around(SPINE.image, {"L1": POINTS["L1"]}, MARGIN)) == ["T12"]


def test_a_margin_that_leaves_nothing_is_told():
    with pytest.raises(StudyError, match="margin_mm"):
        layers_around(SPINE.image, POINTS, 9.5)


@pytest.mark.skipif(not REAL, reason="RADBOOK_REAL_DATA is not set")
def test_a_real_body_of_low_density_agrees_with_its_mask():
    case = Path(REAL) / "ct" / "tptbox_L3"
    image, parts, levels = (
        sitk.ReadImage(str(case / f"sub-ct_{kind}label-22_{end}.nii.gz"))
        for kind, end in (("", "ct"), ("seg-subreg_", "msk"), ("seg-vert_", "msk"))
    )
    inside = sitk.GetArrayFromImage((parts == 50) & (levels == 22)) > 0
    centre = np.argwhere(inside).mean(axis=0)[::-1].tolist()
    point = np.array(image.TransformContinuousIndexToPhysicalPoint(centre))
    drawn = sitk.GetArrayFromImage(layers_around(image, {"L1": point}, POINTS_MARGIN_MM)) > 0
    hu = sitk.GetArrayFromImage(image)
    assert dice(drawn, inside) > 0.85
    assert abs(hu[drawn].mean() - hu[inside].mean()) < 5
