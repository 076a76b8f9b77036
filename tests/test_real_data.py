"""Real CT through the whole way of a hospital's files: load, mask, preprocessing, rules, features.

Protects what no synthetic scan shows: scanners' grids, tools' numberings, bone that looks like bone.
The data lie outside the repository, in the folder that RADBOOK_REAL_DATA names.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from scipy import ndimage
from small_bundle import make_bundle

from helpers.errors import StudyError
from helpers.features import extraction, names, prepare
from helpers.features.blocks import preprocess, read_settings
from helpers.features.cases import Case
from helpers.features.rules import apply_rules
from helpers.frozen import drift, new_hospital, verdicts
from helpers.frozen.bundle import load_bundle, score
from helpers.frozen.drift import RAD_SCORE
from helpers.imaging.dicom import read_dicom
from helpers.imaging.fields import is_whole
from helpers.imaging.regions import check_regions
from helpers.imaging.sources import Scan, image_source, whole_hu
from helpers.study import pseudonyms
from helpers.study.run_folder import Run
from helpers.study.sites import Site
from helpers.study.study_file import Plausibility, Rules, Study

PAPER = Path(__file__).parents[1] / "data" / "extraction" / "paper.yml"
CT = {
    "abdomen": "ct/crlm1006_GE/crlm1006_ct.nii.gz",
    "spine": "ct/totalsegmentator_example/example_ct.nii.gz",
    "cube": "ct/tptbox_L3/sub-ct_label-22_ct.nii.gz",
}
EXAMPLE = "ct/totalsegmentator_example"
TPTBOX = "ct/tptbox_L3/sub-ct_"


@pytest.fixture(scope="module")
def real():
    folder = os.environ.get("RADBOOK_REAL_DATA")
    if not folder:
        pytest.skip("RADBOOK_REAL_DATA is not set: no real CT to read")
    return Path(folder)


@pytest.fixture
def hospital(real, tmp_path):
    """A run of a one-patient hospital whose CT and masks are the real files, and its case."""

    def make(image, masks, bodies=None, **keys):
        (tmp_path / "files").mkdir()
        given = {"images": image, "masks": masks, "bodies": bodies}
        for key, name in given.items():
            if name is None:
                continue
            source = real / name
            given[key] = (
                f"files/{{patient_id}}_{source.name}" if source.is_file() else "files/{patient_id}_ct"
            )
            target = tmp_path / given[key].format(patient_id="0815")
            shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
        site = Site(name="here", role="development", table={"path": "dxa.csv"}, **given, **keys)
        study = Study(
            name="real", title="Real", seed=1, extraction=PAPER, sites=[site], file=tmp_path / "study.yml"
        )
        run = Run(study=study, folder=tmp_path / "run")
        (patient,) = pseudonyms.pseudonyms(run, "here", ["0815"])
        return run, Case(patient, "here")

    return make


# Whoever breaks a rule is kept and marked.
ASKED = Plausibility(**dict.fromkeys(Plausibility.model_fields, "ask"))


def measured(run, case, **settings):
    """Quality control after the rules that ``settings`` of the study file make, and the features."""
    quality = prepare.quality_table(run, [case], workers=1)
    cohort = pd.DataFrame({"patient_id": [case.patient_id]})
    quality = apply_rules(quality, cohort, run.study.model_copy(update=settings))
    run.write("preprocessing", quality)
    features, refused = extraction.features_table(run, [case], workers=1)
    assert refused.empty
    values = features[names.feature_names(features)].to_numpy()
    assert values.shape == (1, 1688)
    assert np.isfinite(values).all()
    return quality.iloc[0]


def test_abdominal_ct_with_one_label_a_vertebra(hospital):
    masks = "ct/crlm1006_GE/crlm1006_trabecular_approx_mask.nii.gz"
    run, case = hospital(CT["abdomen"], masks, labels="verse")
    with pytest.raises(StudyError, match="leave none of 1 usable patients.*voxels of 5.0 mm"):
        measured(run, case)
    quality = measured(run, case, plausibility=ASKED)
    # End plates drown in slices of 5 mm; nothing else is wrong.
    assert (quality["status"], quality["broken"]) == ("warned", "shell, thickness")
    assert "voxels of 5.0 mm" in quality["reason"]
    assert quality["missing_vertebra"] == ""
    assert 170 < quality["trabecular_hu"] < 185
    for vertebra in ("t12", "l1"):
        thirds = [quality[f"volume_{vertebra}_{part}"] for part in ("upper", "middle", "lower")]
        assert max(thirds) < 2.5 * min(thirds)


@pytest.mark.parametrize(
    ("masks", "keys"),
    [
        (
            "totalseg.nii.gz",
            {"labels": "totalsegmentator", "bodies": f"{EXAMPLE}/totalseg_vertebrae_body.nii.gz"},
        ),
        ("example_ct_trabecular_approx_mask.nii.gz", {"labels": "verse"}),
    ],
    ids=["automatic", "approximate"],
)
def test_automatic_masks_with_t12_at_the_edge(hospital, masks, keys):
    erode = {"erode_mm": 3.0} if "bodies" in keys else {}
    quality = measured(*hospital(CT["spine"], f"{EXAMPLE}/{masks}", **keys, **erode), plausibility=ASKED)
    # A part of T12 is missing; nothing else is wrong with these masks.
    assert (quality["status"], quality["broken"]) == ("warned", "cut_off" if erode else "")
    assert "the region ends" in quality["reason"]
    assert ("T12 is cut off by the edge of the scan" in quality["reason"]) == ("bodies" in keys)
    assert 100 < quality["trabecular_hu"] < 130
    assert quality["cortex_percent"] < 2


def test_erosion_takes_the_cortex_off(hospital):
    body = f"{EXAMPLE}/totalseg_vertebrae_body.nii.gz"
    run, case = hospital(CT["spine"], f"{EXAMPLE}/totalseg.nii.gz", body, labels="totalsegmentator")
    site = run.study.sites[0]
    hu = {}
    for erode_mm in (0.0, 3.0):
        scan = image_source(run, site.model_copy(update={"erode_mm": erode_mm})).load(case.patient_id)
        inside = sitk.GetArrayFromImage(scan.image)[sitk.GetArrayFromImage(scan.mask) > 0]
        hu[erode_mm] = (inside.mean(), (inside > 300).mean())
    assert hu[3.0][0] < hu[0.0][0] - 20
    assert hu[3.0][1] < hu[0.0][1] / 2


@pytest.mark.parametrize("erode_mm", [0, 1, 2, 3, 5])
def test_whole_automatic_vertebrae_without_bodies_are_refused(hospital, erode_mm):
    """Shrinking breaks the arch's ring open: what is left of it must not pass for a body."""
    keys = {"labels": "totalsegmentator", "erode_mm": erode_mm}
    run, case = hospital(CT["spine"], f"{EXAMPLE}/totalseg.nii.gz", **keys)
    with pytest.raises(StudyError, match="whole vertebra.*bodies"):
        image_source(run, run.study.sites[0]).load(case.patient_id)


def test_layers_drawn_with_pedicles_are_refused_and_without_them_not(hospital, real, tmp_path):
    """Layers drawn by hand: no whole vertebra anywhere, the canal open behind."""
    found = {}
    for behind_mm in (0, 9):
        vertebrae = sitk.DICOMOrient(sitk.ReadImage(real / (TPTBOX + "seg-vert_label-22_msk.nii.gz")), "LPS")
        parts = sitk.DICOMOrient(sitk.ReadImage(real / (TPTBOX + "seg-subreg_label-22_msk.nii.gz")), "LPS")
        whole = sitk.GetArrayFromImage(vertebrae) == 22
        body = whole & np.isin(sitk.GetArrayFromImage(parts), (49, 50))
        last = np.flatnonzero(body.any(axis=(0, 2))).max() + round(behind_mm / vertebrae.GetSpacing()[1])
        region = body | (whole & (np.arange(whole.shape[1]) <= last)[:, None]) if behind_mm else body
        thirds = np.linspace(*np.flatnonzero(region.any(axis=(1, 2)))[[0, -1]] + [0, 1], 4)
        height = np.digitize(np.arange(len(region)), thirds[1:3])
        layers = sitk.GetImageFromArray(np.where(region, (6 - height)[:, None, None], 0).astype(np.uint8))
        layers.CopyInformation(vertebrae)
        image = sitk.DICOMOrient(sitk.ReadImage(real / CT["cube"]), "LPS")
        found[behind_mm] = layers, image
    check_regions(*found[0])
    with pytest.raises(StudyError, match="pedicles"):
        check_regions(*found[9])


@pytest.mark.parametrize(
    ("masks", "labels", "message"),
    [
        ("seg-vert_label-22_msk.nii.gz", "verse", "neither T12 nor L1"),
        ("seg-subreg_label-22_msk.nii.gz", "verse", "neither T12 nor L1"),
        ("seg-vert_label-22_msk.nii.gz", "layers", "21, 22, 23 are not layers"),
        ("seg-subreg_label-22_msk.nii.gz", "layers", "41, 42, .* are not layers"),
    ],
)
def test_a_scan_of_other_levels_says_so(hospital, masks, labels, message):
    run, case = hospital(CT["cube"], TPTBOX + masks, labels=labels)
    with pytest.raises(StudyError, match=f"{case.patient_id}.*{message}"):
        prepare.quality_table(run, [case], workers=1)


def test_a_lone_vertebra_with_sub_regions_is_measured_when_the_rules_include_it(hospital):
    body = TPTBOX + "seg-subreg_label-22_msk.nii.gz"
    masks = TPTBOX + "seg-vert_label-22_msk.nii.gz"
    # L3 stands in for L1: the axes of this file run front to back, head to foot, and across.
    run, case = hospital(CT["cube"], masks, body, labels={22: "L1"}, erode_mm=3.0)
    quality = measured(run, case, rules=Rules(missing_vertebra="include"))
    assert quality["status"] == "warned"
    assert "T12 is missing" in quality["reason"]
    assert 20 < quality["trabecular_hu"] < 80
    assert quality["hu_l1_upper"] != quality["hu_l1_lower"]
    with pytest.raises(StudyError, match="excluded by the rule 'missing_vertebra'"):
        measured(run, case)


DICOM = "dicom/siemens_T11_T12_20slices_j2k"
DICOM_MASK = "dicom/example_seg_dicom.nii.gz"


def in_front_of_the_canal(path, label):
    """The part of a vertebra before its canal: a stand-in for a mask of bodies, which this example lacks."""
    mask = sitk.DICOMOrient(sitk.ReadImage(path), "LPS")
    vertebra = sitk.GetArrayFromImage(mask) == label
    seen = vertebra.any(axis=0)
    canal = np.nonzero(ndimage.binary_fill_holes(seen) & ~seen)[0].min()
    vertebra[:, canal - 2 :] = False
    body = sitk.GetImageFromArray(vertebra.astype(np.uint8))
    body.CopyInformation(mask)
    return body


def test_compressed_dicom_of_part_of_the_spine(hospital, real, tmp_path):
    sitk.WriteImage(in_front_of_the_canal(real / DICOM_MASK, 32), tmp_path / "body.nii.gz")
    keys = {"labels": "totalsegmentator", "erode_mm": 3.0}
    run, case = hospital(DICOM, DICOM_MASK, str(tmp_path / "body.nii.gz"), **keys)
    rules = Rules(missing_vertebra="sensitivity", contrast="include")
    quality = measured(run, case, rules=rules, plausibility=ASKED)
    # The stand-in for a body holds end plates, and the lower end of T12 is not in the scan.
    assert quality["broken"] == "shell, tissue, cut_off"
    for reason in (
        "mask axes reordered by its header",
        "T12 is cut off by the edge of the scan",
        "the region ends 0.0 mm from the edge",
        "L1 is missing",
        "contrast-enhanced scan",
    ):
        assert reason in quality["reason"]
    assert quality["sensitivity"] == "L1 is missing"
    assert quality["scanner"].startswith("SIEMENS")
    with pytest.raises(StudyError, match="L1 is missing .excluded.*; contrast-enhanced scan .excluded"):
        measured(run, case)


def test_every_real_scan_here_is_known_to_be_cut(real):
    images = [sitk.ReadImage(str(real / name)) for name in CT.values()] + [read_dicom(real / DICOM)[0]]
    assert [is_whole(image, simulated=False) for image in images] == [False] * 4


@pytest.mark.parametrize("axes", ["RAS", "SPL"])
def test_a_real_scan_cut_and_stored_otherwise_has_the_same_features_on_the_region_s_grid(real, axes):
    image, mask = (
        sitk.ReadImage(str(real / name))
        for name in (CT["abdomen"], "ct/crlm1006_GE/crlm1006_trabecular_approx_mask.nii.gz")
    )
    scan = Scan(whole_hu(image), sitk.Cast(mask > 0, sitk.sitkUInt8))
    # The region lies 60 voxels and more from these edges, and near the first and last of the thick slices.
    cut = Scan(*(sitk.DICOMOrient(volume[31:-40, 20:-7, :], axes) for volume in (scan.image, scan.mask)))
    settings = read_settings(PAPER) | {"resampling_grid": "region"}
    whole, part = (extraction.extract(preprocess(one, settings), settings) for one in (scan, cut))
    assert whole == part


def test_whole_vertebrae_on_dicom_are_refused_without_the_raw_number(hospital):
    run, case = hospital(DICOM, DICOM_MASK, labels="totalsegmentator")
    with pytest.raises(StudyError, match="whole vertebra") as error:
        image_source(run, run.study.sites[0]).load(case.patient_id)
    assert "0815" not in str(error.value)


@pytest.fixture(scope="module")
def virtual_bundle(real, tmp_path_factory):
    """A small frozen model learnt from virtual patients with the paper's extraction settings."""
    return load_bundle(make_bundle(tmp_path_factory.mktemp("bundle"), PAPER).bundle)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("image", "masks", "keys"),
    [
        (CT["abdomen"], "ct/crlm1006_GE/crlm1006_trabecular_approx_mask.nii.gz", {"labels": "verse"}),
        (
            CT["spine"],
            f"{EXAMPLE}/totalseg.nii.gz",
            {
                "bodies": f"{EXAMPLE}/totalseg_vertebrae_body.nii.gz",
                "labels": "totalsegmentator",
                "erode_mm": 3.0,
            },
        ),
    ],
    ids=["abdomen", "spine"],
)
def test_a_virtual_model_scores_real_patients_and_tells_how_far_they_lie(
    hospital, virtual_bundle, image, masks, keys
):
    run, case = hospital(image, masks, **keys)
    # Slices of 5 mm, and T12 cut off: kept and marked here, to see how far such patients lie.
    run = replace(run, study=run.study.model_copy(update={"plausibility": ASKED}))
    people = pd.DataFrame({"patient_id": [case.patient_id], "site": "here", "age": 64.0, "sex": "female"})
    new_hospital.require_same(new_hospital.origins(virtual_bundle, run), accept_differences=False)
    measured = new_hospital.measure(run, people, virtual_bundle.features, workers=1)
    assert measured.refused.empty
    scores = score(virtual_bundle, people, measured.features)
    table = verdicts.positions(virtual_bundle, people, scores.assign(warned=False))
    assert table[virtual_bundle.models].apply(lambda risk: risk.between(0, 1)).all(axis=None)
    assert np.isfinite(table["total_points"]).all()
    values = measured.features.assign(**{RAD_SCORE: scores["rad_score"]})
    told = drift.feature_drift(virtual_bundle.model["training"], values)
    # Thick slices of another scanner are not the virtual hospital's: the page must say so.
    assert told["outside"].max() == 1
    met = verdicts.meet(virtual_bundle, people.assign(exclusion=""), measured)
    assert met.table["status"].isin(["outside the domain", "scored with warning"]).all()
