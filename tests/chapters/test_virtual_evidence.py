"""The virtual cohort lies in the published ranges: a fixed small sample, with a tolerance for its size."""

import ast
import re
import tracemalloc

import nbformat
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from published_ranges import PROTOCOL, PUBLISHED, SITES, assert_within

from helpers.chapters import virtual_evidence
from helpers.study.places import REPOSITORY, STEPS
from helpers.virtual.patients import LATENT_COLUMNS


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    return virtual_evidence.included_people(PROTOCOL, [1, 2, 3])


@pytest.fixture(scope="module")
def measured() -> dict[str, pd.DataFrame]:
    return {
        role: pd.DataFrame(
            [virtual_evidence.measure_patient(site, one) for one in virtual_evidence.included(site)[:n]]
        )
        for (role, site), n in zip(SITES.items(), (10, 4), strict=True)
    }


def test_density_by_age_sex_and_t_score(people):
    assert_within(virtual_evidence.bone_laws(people))


def test_end_plates_sink_with_the_t_score_as_in_healthy_women(people):
    assert_within(virtual_evidence.concavity_law(PROTOCOL, people))


@pytest.mark.slow
def test_texture_follows_the_bone_and_measured_hu_the_truth(measured):
    assert_within(virtual_evidence.texture_laws(measured["development"]))


@pytest.mark.slow
def test_readers_agree_as_readers_do(measured):
    assert_within(virtual_evidence.reader_laws(pd.concat(measured.values())))


@pytest.mark.slow
def test_noise_spacing_and_pixels(measured):
    together = pd.concat(measured.values())
    found = {f"noise_{role}": rows["noise"].mean() for role, rows in measured.items()}
    found |= {f"slice_{role}": rows["slice_mm"].mean() for role, rows in measured.items()}
    found |= {"pixel_smallest": together["pixel_mm"].min(), "pixel_largest": together["pixel_mm"].max()}
    assert_within(found)


def test_aorta_noise_is_that_of_known_noise():
    tissue = np.zeros((3, 60, 60), np.float32)
    tissue[:, 20:40, 20:40] = 44
    voxels = tissue + np.random.default_rng(0).normal(0, 20, tissue.shape)
    assert virtual_evidence.aorta_noise(voxels, tissue, 44.0, (0.7, 0.7, 0.5)) == pytest.approx(20, rel=0.1)


def test_variogram_of_white_noise_is_flat_at_its_variance():
    values = np.random.default_rng(0).normal(0, 3, (40, 40, 40))
    gamma = virtual_evidence.variogram(values, np.ones(values.shape, bool), 1, [1, 2, 4])
    np.testing.assert_allclose(gamma, 9, rtol=0.03)
    inside = np.zeros(values.shape, bool)
    inside[10:30] = True
    np.testing.assert_allclose(virtual_evidence.variogram(values, inside, 0, [1, 4]), 9, rtol=0.05)


def test_order_of_reliability():
    names = ["shape", "firstorder", "glcm", "glcm"]
    table = pd.DataFrame({"feature_class": names, "icc": [0.9, 0.9, 0.9, 0.1]})
    table["image_type"] = ["Shape", "Original", "Original", "Wavelet"]
    found = virtual_evidence.reliability_order(table)
    assert found == {"icc_shape": 0.5, "icc_firstorder": 0.5, "icc_filters": 1.0}


def test_what_is_outside_is_named():
    judged = [virtual_evidence.BY_VALUE, virtual_evidence.BY_VALUE, "only a direction"]
    table = pd.DataFrame(
        {"quantity": ["HU", "noise", "slope"], "within": [True, False, True], "judged": judged}
    )
    said = "Of 2 quantities 1 lie outside the published range (noise)"
    assert virtual_evidence.evidence_in_words(table[:2]) == f"{said}."
    assert virtual_evidence.evidence_in_words(table).startswith(f"{said}; 1 more are shown without a verdict")


def test_a_range_that_could_hardly_fail_gives_no_verdict():
    """A sign, a number that the protocol sets, or one that was calibrated, agrees whatever is true."""
    table = virtual_evidence.evidence_table(
        {"hu_t_r": 0.4, "dice": 0.99, "sex_slope": -1.0, "slice_development": 0.5, "with_texture_r": 0.75}
    )
    shown = virtual_evidence.printed_evidence(table).set_index("quantity")["verdict"].str.split(":").str[0]
    assert shown["r of L1 HU and T-score"] == "within" and shown["Dice of two readers"] == "outside"
    assert (shown == "none").sum() == 3


def test_counts_of_thousands_are_shown_in_full():
    rows = [virtual_evidence.interval_row("features", 1234.0, 438.4, 1754.0, "-")]
    shown = virtual_evidence.printed_evidence(pd.DataFrame(rows)).iloc[0]
    assert (shown["simulated"], shown["published"]) == ("1234", "438 to 1754")


@pytest.mark.slow
def test_a_sample_is_measured_patient_by_patient_of_each_hospital():
    sample = {role: virtual_evidence.included(site)[:1] for role, site in SITES.items()}
    table = virtual_evidence.measure_sample(SITES, sample, workers=1)
    assert table["role"].tolist() == list(SITES)
    role, (patient,) = next(iter(sample.items()))
    alone = virtual_evidence.measure_patient(SITES[role], patient)
    assert table.iloc[0].drop("role").to_dict() == pytest.approx(alone)
    laws = virtual_evidence.image_laws(table)
    assert laws[f"noise_{role}"] == pytest.approx(alone["noise"])
    assert laws["pixel_smallest"] == table["pixel_mm"].min() <= laws["pixel_largest"]


def test_table_says_what_is_within_and_leaves_out_what_is_missing():
    table = virtual_evidence.evidence_table(
        {"hu_t_r": 0.4, "dice": 0.99, "sex_slope": -1.0, "icc_filters": np.nan}
    )
    columns = ["quantity", "simulated", "published_low", "published_high", "source", "within", "judged"]
    assert table.columns.tolist() == columns
    assert dict(zip(table["simulated"], table["within"], strict=True)) == {-1.0: True, 0.4: True, 0.99: False}


def test_published_ranges_have_a_source():
    assert PUBLISHED.index.is_unique and PUBLISHED[["quantity", "source"]].notna().all(axis=None)
    assert (PUBLISHED["low"].fillna(-np.inf) <= PUBLISHED["high"].fillna(np.inf)).all()


def test_truth_has_latents_true_masks_and_noise_free_volumes():
    site = SITES["development"]
    truth = site.truth(virtual_evidence.included(site)[0])
    assert truth.latent.index.tolist() == LATENT_COLUMNS
    assert set(np.unique(sitk.GetArrayViewFromImage(truth.mask))) == set(range(7))
    assert sitk.GetArrayViewFromImage(truth.noise_free).dtype == np.float32


def test_a_patient_takes_little_memory():
    site = SITES["development"]
    tracemalloc.start()
    site.acquire(virtual_evidence.included(site)[0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300e6


TRUTH = re.compile(r"\.truth\b|\bTruth\b|noise_free|true_mask|helpers\.virtual|simulate_patients|VirtualSite")


def test_no_analysis_notebook_reads_the_truth():
    forbidden = re.compile("|".join([TRUTH.pattern, *(rf"\b{name}\b" for name in LATENT_COLUMNS)]))
    for number, name in STEPS.items():
        if "02" <= number <= "11":
            notebook = nbformat.read(REPOSITORY / "notebooks" / f"{name}.ipynb", as_version=4)
            code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
            assert not forbidden.search(code), f"{name} reads what only the simulation knows"


def test_only_the_simulator_and_its_evidence_know_the_truth():
    # Who may import the simulator is a contract of import-linter (pyproject.toml).
    package = REPOSITORY / "src" / "helpers"
    others = [path for path in package.rglob("*.py") if path.parent.name not in ("virtual", "chapters")]
    assert len(others) > 50
    for path in others:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not named & {"truth", "noise_free"}, f"{path.name} reads the truth"


def test_screened_table_has_no_latent_column():
    for site in SITES.values():
        assert not set(LATENT_COLUMNS) & set(site.screened().columns)
