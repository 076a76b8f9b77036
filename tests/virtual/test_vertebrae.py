"""The simulated spine: human sizes, mean HU as the latent state says, texture as asked for."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from helpers.errors import StudyError
from helpers.study.places import REPOSITORY
from helpers.virtual import VirtualSite, bone
from helpers.virtual.patients import LATENT_COLUMNS
from helpers.virtual.shapes import Grid

PROTOCOL = REPOSITORY / "data" / "virtual" / "protocol.yml"
SITE = VirtualSite(PROTOCOL, "development", 40, 11)
PATIENTS = list(SITE.screened()["patient_id"][:3])


@pytest.fixture(scope="module", params=PATIENTS)
def patient(request):
    image, mask = SITE.acquire(request.param)
    return image, mask, SITE.truth(request.param)


def test_image_and_masks_share_one_grid(patient):
    image, mask, truth = patient
    for other in (mask, truth.mask, truth.noise_free):
        assert other.GetSize() == image.GetSize()
        assert other.GetSpacing() == image.GetSpacing()
        assert other.GetOrigin() == image.GetOrigin()
        assert other.GetDirection() == image.GetDirection()
    assert image.GetPixelID() == sitk.sitkInt16 and mask.GetPixelID() == sitk.sitkUInt8


@pytest.mark.parametrize("which", ["reader", "truth"])
def test_six_layers_lie_one_below_the_other(patient, which):
    mask = patient[1] if which == "reader" else patient[2].mask
    voxels = sitk.GetArrayViewFromImage(mask)
    heights = [np.nonzero(voxels == layer)[0].mean() for layer in range(1, 7)]
    assert set(np.unique(voxels)) == set(range(7))
    assert heights == sorted(heights, reverse=True)


def test_vertebrae_lie_clear_of_the_border(patient):
    voxels = sitk.GetArrayViewFromImage(patient[1])
    for axis in range(3):
        where = np.nonzero(voxels.any(axis=tuple({0, 1, 2} - {axis})))[0]
        assert where[0] * 0.5 > 5 and (voxels.shape[axis] - where[-1]) * 0.5 > 5


def test_latent_density_is_the_mean_of_cancellous_bone(patient):
    truth = patient[2]
    mask, tissue = sitk.GetArrayViewFromImage(truth.mask), sitk.GetArrayViewFromImage(truth.noise_free)
    assert tissue[(mask > 0) & (mask < 4)].mean() == pytest.approx(truth.latent.hu_t12, abs=0.5)
    assert tissue[mask > 3].mean() == pytest.approx(truth.latent.hu_l1, abs=0.5)


def test_measured_density_is_near_the_latent_one(patient):
    image, mask, truth = patient
    voxels, layers = sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(mask)
    assert voxels[(layers > 0) & (layers < 4)].mean() == pytest.approx(truth.latent.hu_t12, abs=15)
    assert voxels[layers > 3].mean() == pytest.approx(truth.latent.hu_l1, abs=15)


def test_bodies_are_of_human_size(patient):
    mask = sitk.GetArrayFromImage(patient[2].mask) > 3
    dx, dy, dz = patient[2].mask.GetSpacing()
    spans = [np.ptp(np.nonzero(mask)[axis]) * step + 5 for axis, step in enumerate((dz, dy, dx))]
    assert 18 < spans[0] < 36 and 26 < spans[1] < 44 and 34 < spans[2] < 56  # height, depth, width of L1, mm


def test_a_patient_is_the_same_in_any_company_and_order():
    first = VirtualSite(PROTOCOL, "development", 40, 11)
    image, mask = SITE.acquire(PATIENTS[1])
    first.acquire(PATIENTS[0], reader=2)
    again = first.acquire(PATIENTS[1])
    for one, other in zip((image, mask), again, strict=True):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(one), sitk.GetArrayFromImage(other))


@pytest.mark.slow
def test_a_patient_is_the_same_in_another_process():
    code = (
        "import hashlib, sys, SimpleITK as sitk\n"
        "from pathlib import Path\nfrom helpers.virtual import VirtualSite\n"
        f"pair = VirtualSite(Path(sys.argv[1]), 'development', 40, 11).acquire('{PATIENTS[1]}')\n"
        "print(*[hashlib.sha256(sitk.GetArrayViewFromImage(i).tobytes()).hexdigest() for i in pair])"
    )
    there = subprocess.run([sys.executable, "-c", code, PROTOCOL], capture_output=True, text=True, check=True)
    here = [sitk.GetArrayFromImage(image).tobytes() for image in SITE.acquire(PATIENTS[1])]
    assert there.stdout.split() == [hashlib.sha256(voxels).hexdigest() for voxels in here]


def test_fingerprint_follows_what_determines_the_content(tmp_path):
    patient_id = PATIENTS[0]
    same = VirtualSite(PROTOCOL, "development", 40, 11).fingerprint(patient_id)
    assert SITE.fingerprint(patient_id) == same != SITE.fingerprint(patient_id, reader=2)
    edited = tmp_path / "protocol.yml"
    edited.write_text(PROTOCOL.read_text(encoding="utf-8") + "# a word\n", encoding="utf-8")
    assert VirtualSite(edited, "development", 40, 11).fingerprint(patient_id) != same
    assert VirtualSite(PROTOCOL, "development", 40, 12).fingerprint(patient_id) != same


def test_screened_table_hides_the_truth():
    assert not set(LATENT_COLUMNS) & set(SITE.screened().columns)


def test_unknown_patient_and_protocol_are_said():
    with pytest.raises(StudyError, match="D9999"):
        SITE.acquire("D9999")
    with pytest.raises(StudyError, match="no protocol file"):
        VirtualSite(PROTOCOL.with_name("none.yml"), "development", 40, 1).screened()


def test_bone_is_denser_behind_below_and_near_the_shell():
    ratios, rng = [], np.random.default_rng(3)
    numbers = yaml.safe_load(PROTOCOL.read_text(encoding="utf-8"))["bone"]["regional"]
    for patient_id in SITE.screened()["patient_id"][:6]:
        person, _, anatomy = SITE._patient(patient_id)
        for vertebra in (anatomy.vertebrae["T12"], anatomy.vertebrae["L1"]):
            hu = bone.regional_hu(numbers, person.hu_l1, vertebra, rng) / person.hu_l1
            inside, (_, v, w) = bone.cancellous(vertebra, 2.5), vertebra.local
            deep = vertebra.distance < -6
            pairs = (
                (inside & (v > 6), inside & (v < -6)),
                (inside & (w < -5), inside & (w > 5)),
                (inside, deep),
            )
            ratios.append([hu[one].mean() - hu[other].mean() for one, other in pairs])
    behind, below, outside = np.mean(ratios, axis=0)
    assert 0.05 < behind < 0.25 and 0.02 < below < 0.15 and 0.02 < outside < 0.10
    assert np.std(ratios, axis=0)[0] > 0.03  # each body has its own way


GRID = Grid(0.0, 0.0, 0.0, 0.7, 0.7, 0.5, 64, 64, 96)
UP = np.array([0.0, 0.0, 1.0])


def field(slope=2.2, plates=0.4, seed=0):
    state = bone.TextureState(contrast_hu=1.0, slope=slope, plates=plates)
    return bone.texture((96, 64, 64), GRID, UP, state, 1.0, np.random.default_rng(seed))


def roughness(texture, axis, mm):
    """Half the mean squared difference over about ``mm``, as a share of the variance (variogram)."""
    lag = round(mm / (0.5 if axis == 0 else 0.7))
    ahead, behind = np.arange(lag, texture.shape[axis]), np.arange(texture.shape[axis] - lag)
    return np.mean((texture.take(ahead, axis) - texture.take(behind, axis)) ** 2) / 2 / texture.var()


def test_texture_has_unit_variance_at_its_resolution():
    seen = sitk.SmoothingRecursiveGaussian  # an independent Gaussian filter
    variances = []
    for seed in range(8):
        image = sitk.GetImageFromArray(field(seed=seed))
        image.SetSpacing((0.7, 0.7, 0.5))
        variances.append(sitk.GetArrayFromImage(seen(image, 1 / 2.3548)).var())
    assert np.mean(variances) == pytest.approx(1, abs=0.15)


def test_steeper_spectrum_is_coarser():
    assert roughness(field(slope=1.6), 2, 1.4) > roughness(field(slope=2.8), 2, 1.4) + 0.1


def test_struts_run_along_the_spine_and_plates_across():
    assert roughness(field(plates=0.05), 0, 1.4) < roughness(field(plates=0.05), 2, 1.4) - 0.1
    assert roughness(field(plates=0.95), 0, 1.4) > roughness(field(plates=0.95), 2, 1.4) + 0.1
