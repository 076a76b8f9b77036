"""Protects what a page shows of a scan: same places, whole HU, small enough, no header of the file."""

import numpy as np
import pytest
import SimpleITK as sitk
from synthetic_spine import grid, spine

from helpers.imaging import shown
from helpers.imaging.shown import around_spine, nifti, region_of

CENTRE = np.array([3.0, -140.0, 520.0])


def read_back(folder, volume):
    (folder / "volume.nii").write_bytes(nifti(volume))
    return sitk.ReadImage(folder / "volume.nii")


@pytest.mark.parametrize("kind", [sitk.sitkInt16, sitk.sitkUInt8])
@pytest.mark.parametrize(
    "direction", [np.eye(3), [[0, 0, 1], [1, 0, 0], [0, -1, 0]], [[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]]
)
def test_another_reader_finds_the_same_voxels_in_the_same_places(tmp_path, kind, direction):
    volume = sitk.Cast(sitk.PhysicalPointSource(sitk.sitkVectorFloat64, [5, 6, 7]), sitk.sitkVectorFloat64)
    volume = sitk.Cast(sitk.VectorIndexSelectionCast(volume, 0) + 40, kind)
    volume.SetSpacing((0.5, 0.75, 2.0))
    volume.SetOrigin((-5.0, -200.0, 560.0))
    volume.SetDirection(np.ravel(direction).tolist())
    back = read_back(tmp_path, volume)
    assert back.GetPixelID() == kind
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(volume))
    for index in [(0, 0, 0), (4, 5, 6)]:
        wanted = volume.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(back.TransformIndexToPhysicalPoint(index), wanted, atol=1e-3)


def test_no_word_of_the_scans_header_is_sent():
    image = spine().image
    for key in ("descrip", "aux_file", "ITK_FileNotes", "0010|0010"):
        image.SetMetaData(key, "Doe^Jane")
    assert b"Doe" not in nifti(around_spine(image, CENTRE))


def test_the_first_look_is_at_the_spine():
    place = shown.spine(spine().image)
    assert abs(place[0] - CENTRE[0]) < 4
    assert abs(place[1] - CENTRE[1]) < 12
    assert abs(place[2] - CENTRE[2]) < 4
    empty = sitk.Image([20, 20, 20], sitk.sitkInt16)
    np.testing.assert_allclose(shown.spine(empty), 10, atol=4)


def test_few_voxels_are_shown_as_they_are():
    image = spine().image
    same = around_spine(image, CENTRE)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(same), sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(same.GetOrigin(), image.GetOrigin())


def test_a_large_scan_is_cut_to_the_spine_over_its_whole_height(monkeypatch):
    monkeypatch.setattr(shown, "_BESIDE_MM", 20.0)
    image = spine().image
    cut = around_spine(image, CENTRE)
    size, whole = np.array(cut.GetSize()), image.GetSize()
    assert size[2] == whole[2]
    assert 40 <= size[0] <= 42
    np.testing.assert_allclose(
        cut.TransformContinuousIndexToPhysicalPoint(((size - 1) / 2).tolist())[0], CENTRE[0], atol=1
    )


@pytest.mark.parametrize(
    "direction",
    [
        np.eye(3),
        np.diag([1, -1, -1]),
        [[0, 0, 1], [1, 0, 0], [0, -1, 0]],
        [[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]],
    ],
)
def test_coarser_voxels_lie_where_the_scans_do(monkeypatch, direction):
    """However the scan was stored: what is shown at a place (mm) is what the scan has there."""
    monkeypatch.setattr(shown, "MOST_VOXELS", 120_000)
    image = spine(grid(size=(84, 84, 84), direction=np.array(direction, float))).image
    coarse = around_spine(image, CENTRE)
    assert np.prod(coarse.GetSize()) <= 120_000
    assert coarse.GetPixelID() == sitk.sitkInt16
    np.testing.assert_allclose(np.reshape(coarse.GetDirection(), (3, 3)), np.eye(3), atol=1e-6)
    near = sitk.Resample(image, coarse, sitk.Transform(), sitk.sitkLinear, -1024)
    inner = (slice(12, -12),) * 3
    difference = sitk.GetArrayFromImage(near).astype(float) - sitk.GetArrayFromImage(coarse)
    assert np.abs(difference[inner]).mean() < 12  # of 450 HU between cortex and soft tissue


def test_a_region_is_sent_with_a_small_box_around_it():
    bodies = spine().bodies
    box = region_of(bodies)
    assert sitk.GetArrayFromImage(box).sum() == sitk.GetArrayFromImage(bodies).sum()
    assert np.prod(box.GetSize()) < 0.3 * np.prod(bodies.GetSize())
