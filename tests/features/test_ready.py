"""Ready features: every usual style of table gives the same features, what cannot be used is told, and a
study of features goes through all notebooks that it needs."""

import gzip
import os
import re
from pathlib import Path

import in_this_process
import numpy as np
import pandas as pd
import pytest
import yaml

from helpers.commands import record
from helpers.commands.parameters import notebook_parameters, notebook_source
from helpers.commands.run import is_needed, other_problems, run_study
from helpers.errors import StudyError
from helpers.features.feature_tables import check_feature_tables, engine_of, feature_name
from helpers.features.ready import bring_features, features_for
from helpers.features.reliability import icc
from helpers.learning import selection
from helpers.learning.classifiers import fit_models, predict
from helpers.patients import cohort
from helpers.study.places import STEPS
from helpers.study.run_folder import open_run
from helpers.study.study_file import load_study

N = 40
RNG = np.random.default_rng(4)
OUTCOME = np.tile([0, 0, 1, 1], N // 4)
IDS = [f"MRN-7700{i:02d}" for i in range(N)]
NAMES = ["original_firstorder_Mean", "wavelet-LLH_glcm_Imc1", "log-sigma-2-0-mm-3D_glszm_ZoneEntropy"]
VALUES = pd.DataFrame(RNG.normal(size=(N, 3)) + OUTCOME[:, None] * [1, 0.3, 0], columns=NAMES)
VALUES["original_glcm_Contrast"] = 10 + VALUES.iloc[:, 0] ** 2


@pytest.fixture
def hospital(tmp_path):
    """Write a feature table and a study around it; give back the run."""

    def write(table: pd.DataFrame, second: pd.DataFrame | None = None, name="features.csv", **keys):
        people = pd.DataFrame({"ID": IDS, "Target": OUTCOME})
        people.to_csv(tmp_path / "people.csv", index=False)
        table.to_csv(tmp_path / name, index=False, sep=keys.pop("sep", ","), decimal=keys.pop("decimal", "."))
        site = {
            "name": "Ours",
            "role": "development",
            "table": {"path": "people.csv", "columns": {"patient_id": "ID", "outcome": "Target"}},
            "features": {"path": name, "patient_id": keys.pop("patient_id", "ID")},
        }
        if second is not None:
            second.to_csv(tmp_path / "second.csv", index=False)
            site["second_reader_features"] = {"path": "second.csv", "patient_id": "ID"}
        study = {"name": "own", "title": "Own", "seed": 1, "outcome": {"given": True}, "predictors": []}
        (tmp_path / "study.yml").write_text(yaml.safe_dump(study | {"sites": [site]} | keys))
        return open_run(tmp_path / "study.yml", tmp_path / "run")

    return write


def wide(values=VALUES, **changes):
    return pd.concat([pd.Series(IDS, name="ID"), values.assign(**changes)], axis=1)


def brought(run):
    """What notebook 01 does; features (by raw number), and what was left out."""
    screened = cohort.apply_inclusion(cohort.load_screened(run), run.study)
    people = cohort.assign_cohorts(screened, run.study, 0.7, run.study.rng("split"))
    people["second_reader"] = False
    run.write("cohort", people)
    left_out = bring_features(run, people)
    raw = pd.read_csv(run.private / "identifiers.csv").set_index("patient_id")["raw_id"]
    features = run.read("features").set_index("patient_id")
    return features.set_axis(raw[features.index]).sort_index(), left_out.set_index("reason")


def expected(columns=VALUES.columns):
    return VALUES[columns].set_axis(IDS).sort_index()


def test_a_table_as_pyradiomics_writes_it(hospital):
    versions = {"diagnostics_Versions_PyRadiomics": "v3.0.1", "diagnostics_Image-original_Mean": "12.5"}
    run = hospital(wide(**versions))
    features, left_out = brought(run)
    np.testing.assert_array_equal(features.to_numpy(), expected().to_numpy())
    assert list(features) == list(VALUES)
    assert left_out.loc["PyRadiomics' diagnostics, no feature", "count"] == 2
    assert engine_of(run.study) == {"pyradiomics-bhklab": "v3.0.1"}


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("original_firstorder_Mean", "original_firstorder_Mean"),
        ("original-firstorder-Mean", "original_firstorder_Mean"),
        ("original firstorder 10Percentile", "original_firstorder_10Percentile"),
        ("wavelet_LLH_glcm_Imc1", "wavelet-LLH_glcm_Imc1"),
        ("log.sigma.2.0.mm.3D_glszm_ZoneEntropy", "log-sigma-2-0-mm-3D_glszm_ZoneEntropy"),
        ("wavelet-HHH-GLCM-Imc1", "wavelet-HHH_glcm_Imc1"),
        ("Portal_original_shape2D_Perimeter", "Portal-original_shape2D_Perimeter"),
        ("Mean density (HU)", "Mean density (HU)"),
    ],
)
def test_names_of_other_writers_become_pyradiomics(header, name):
    assert feature_name(header) == name


def test_slicers_tables_long_and_with_a_column_a_patient(hospital):
    parts = pd.DataFrame(
        [name.split("_") for name in VALUES], columns=["Image type", "Feature Class", "Feature Name"]
    )
    beside = pd.concat([parts, VALUES.T.set_axis(IDS, axis=1).reset_index(drop=True)], axis=1)
    features, _ = brought(hospital(beside))
    np.testing.assert_array_equal(features.to_numpy(), expected().to_numpy())
    long = beside.melt(parts.columns, var_name="ID", value_name="Value")
    features, _ = brought(hospital(long))
    np.testing.assert_array_equal(features[list(VALUES)].to_numpy(), expected().to_numpy())


def test_semicolons_decimal_commas_and_plain_names(hospital):
    plain = VALUES.set_axis(["Mean density (HU)", "entropy", "zone_size", "contrast"], axis=1)
    features, _ = brought(hospital(wide(plain), sep=";", decimal=","))
    np.testing.assert_array_equal(features.to_numpy(), expected().to_numpy())
    assert list(features) == list(plain)


def test_columns_that_are_no_features_are_left_out_with_their_reason(hospital):
    gap, infinite = RNG.normal(size=(2, N))
    gap[3], infinite[5] = np.nan, np.inf
    table = wide(gap=gap, infinite=infinite, constant=1.5, word="coarse", Target=OUTCOME, age=61)
    features, left_out = brought(hospital(table))
    assert list(features) == list(VALUES)
    told = left_out["first"].to_dict()
    assert told == {
        "column of the patients' table": "Target",
        "missing or infinite in some patients": "gap",
        "the same in all patients": "constant",
        "holds text": "word",
    }
    assert left_out["count"].tolist() == [2, 2, 1, 1]


def test_patients_without_features_are_counted_and_cost_no_column(hospital):
    values = VALUES.copy()
    values.iloc[7] = np.nan
    features, left_out = brought(hospital(wide(values).drop(index=9)))
    assert len(features) == N - 2 and list(features) == list(VALUES)
    assert IDS[7] not in features.index and IDS[9] not in features.index
    assert left_out.loc["no row in the feature table", "count"] == "1"
    assert left_out.loc["no features at all", "count"] == "1"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.concat([wide(), wide().tail(1)]), "2 rows share a patient number"),
        (wide().rename(columns={"ID": "Nr"}), "no column 'ID'"),
        (wide(**{"original-glcm-Contrast": 1}), "two columns for the feature 'original_glcm_Contrast'"),
        (wide(**{"original_glcm_Correlation": 8123456.0}), "cannot exceed 1.*Excel"),
        (wide().assign(ID=[*IDS[:-1], ""]), "no patient number"),
    ],
)
def test_tables_that_cannot_be_used_are_refused_before_the_run(hospital, table, message):
    run = hospital(table)
    (found,) = check_feature_tables(run.study)
    assert pd.Series([found]).str.contains(message).all(), found
    assert "770001" not in found
    assert found in other_problems(run.study)


def test_a_table_of_other_patients_is_refused(hospital):
    with pytest.raises(StudyError, match="written alike in both"):
        brought(hospital(wide().assign(ID=[f"X{i}" for i in range(N)])))


def test_a_table_of_gaps_is_refused(hospital):
    with pytest.raises(StudyError, match="No column of the feature tables can be used.*no values"):
        brought(hospital(wide(VALUES * np.nan)))


def test_second_readers_features_give_the_icc_of_training_patients(hospital):
    again = VALUES + RNG.normal(0, 0.3, VALUES.shape)
    run = hospital(wide(), second=wide(again))
    brought(run)
    first, second = (run.read(name).set_index("patient_id") for name in ("features", "features_reader2"))
    training = run.read("cohort").query("cohort == 'training'")["patient_id"]
    assert set(second.index) == set(training)
    ratings = np.stack([first.loc[second.index].T, second.T], axis=-1)
    np.testing.assert_allclose(run.read("icc")["icc"], icc(ratings).icc)


def test_without_a_second_reader_no_feature_is_left_out_for_it(hospital):
    run = hospital(wide())
    features, _ = brought(run)
    agreement = run.read("icc").set_index("feature")["icc"]
    assert agreement.empty and run.read("features_reader2").empty
    threshold = selection.usable_threshold(agreement, 0.8)
    settings = selection.SelectionSettings(icc_threshold=threshold, folds=3)
    outcome = pd.Series(OUTCOME, IDS).loc[features.index].to_numpy()
    found = selection.select_features(features, outcome, agreement, settings, 1)
    assert found.survivors["icc"] == list(VALUES)
    assert "No ICC" in found.notes[0]


def test_a_frozen_model_takes_its_features_and_refuses_single_patients(hospital):
    values = VALUES.copy()
    values.iloc[2, 0] = np.nan
    run = hospital(wide(values, word="text").drop(index=5))
    people = cohort.load_screened(run)
    features, refused = features_for(run, people, NAMES[:2])
    assert list(features) == ["patient_id", *NAMES[:2]] and len(features) == N - 2
    assert sorted(refused["reason"]) == [
        "a feature of the model is missing or infinite",
        "no row in the feature table",
    ]
    assert refused["kind"].tolist() == ["features"] * 2
    with pytest.raises(StudyError, match="lacks 1 of the model's 2 features: original_shape_Volume"):
        features_for(run, people, [NAMES[0], "original_shape_Volume"])
    with pytest.raises(StudyError, match="'word' holds text"):
        features_for(run, people, ["word"])


def test_a_study_of_features_needs_no_image_notebooks_and_no_settings(hospital):
    study = hospital(wide()).study
    needed = {step: is_needed(study, step, {}) for step in ("01", "02", "03", "04", "10", "11", "12")}
    assert [step for step, is_needed in needed.items() if is_needed] == ["01", "04", "10"]
    assert is_needed(study, "11", {"new_study": "theirs.yml"})
    assert study.extraction is None


def test_the_summary_says_which_notebooks_were_not_needed(hospital, monkeypatch):
    executed = []

    def execute(run, step, parameters, alone):
        executed.append(step)
        (run.notebooks / f"{STEPS[step]}.ipynb").write_text("{}", encoding="utf-8")
        return record.StepResult(STEPS[step], "ok", 0.0)

    monkeypatch.setattr("helpers.commands.run.execute", execute)
    monkeypatch.setattr("helpers.commands.run.build_book", lambda run: None)
    run = hospital(wide())
    _, results = run_study(run.folder.parent / "study.yml", run.folder)
    skipped = [result.name for result in results if result.status == "not needed"]
    assert skipped == [STEPS[step] for step in ("02", "03", "11", "12", "15", "16")]
    assert {"01", "04", "10"} <= set(executed) and not {"02", "03", "11", "12"} & set(executed)
    assert re.search(r"02_preprocessing +not needed", record.summary(results, 1.0))


def test_a_study_of_images_needs_settings(tmp_path):
    (tmp_path / "s.yml").write_text(
        "{name: a, title: A, seed: 1, sites: [{name: H, role: development, table: {path: t.csv}, "
        "images: 'ct/{patient_id}', masks: 'm/{patient_id}'}]}"
    )
    with pytest.raises(StudyError, match="'extraction' is missing"):
        load_study(tmp_path / "s.yml")


REAL = {"Hosny2018A": (293, 984), "HCC-TACE-Seg": (84, 420), "Petrillo2023": (128, 851)}
REAL["Colorectal-Liver-Metastases"] = (90, 525)


@pytest.fixture
def real_study(tmp_path):
    """A study around one of the real tables, which holds patients, outcome and features in one file."""
    if "RADBOOK_REAL_DATA" not in os.environ:
        pytest.skip("RADBOOK_REAL_DATA is not set: no real tables here")

    def write(name: str, **keys) -> Path:
        packed = Path(os.environ["RADBOOK_REAL_DATA"]) / "tables" / f"{name}.csv.gz"
        (tmp_path / "table.csv").write_bytes(gzip.decompress(packed.read_bytes()))
        columns = {"patient_id": "ID", "outcome": "Target"}
        site = {"name": "Real", "role": "development", "table": {"path": "table.csv", "columns": columns}}
        site["features"] = {"path": "table.csv", "patient_id": "ID"}
        study = {"name": "real", "title": name, "seed": 5, "outcome": {"given": True}, "predictors": []}
        (tmp_path / "study.yml").write_text(yaml.safe_dump(study | keys | {"sites": [site]}))
        return tmp_path / "study.yml"

    return write


def selected(run):
    """Features chosen on the training patients (as notebook 04), with everyone and their features."""
    people, values = run.read("cohort"), run.read("features").set_index("patient_id")
    training = people[people["cohort"] == "training"]
    settings = selection.SelectionSettings(icc_threshold=None, folds=5, mrmr_features=10)
    outcome = training["outcome"].to_numpy()
    chosen = selection.select_features(values.loc[training["patient_id"]], outcome, {}, settings, 2)
    return chosen.as_dict(), people, values.loc[people["patient_id"]]


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_real_tables_are_read_and_selected(real_study, tmp_path, name):
    run = open_run(real_study(name), tmp_path / "run")
    features, left_out = brought(run)
    assert features.shape == REAL[name]
    assert left_out["first"].to_dict() == {"column of the patients' table": "Target"}
    chosen, _, values = selected(run)
    assert 1 <= len(chosen["features"]) <= 10
    assert np.isfinite(selection.rad_score(chosen, values)).all()


@pytest.mark.slow
def test_a_real_table_is_modelled(real_study, tmp_path):
    run = open_run(real_study("Hosny2018A"), tmp_path / "run")
    brought(run)
    chosen, people, values = selected(run)
    table, training = values[chosen["features"]], (people["cohort"] == "training").to_numpy()
    fitted = fit_models(table[training], people.loc[training, "outcome"], 2, False, 2, 1)
    predictions = predict(fitted, table, people)
    assert predictions["probability"].between(0, 1).all()
    assert (predictions.groupby("model").size() == len(people)).all()


@pytest.mark.slow
def test_a_real_table_goes_through_all_notebooks_it_needs(real_study, tmp_path):
    """01 and 04 to 08: no image, no age, no sex, no second reader."""
    light = {
        "04": {"resamples": 2, "folds": 3, "mrmr_features": 10},
        "05": {"folds": 2},
        "06": {"resamples": 20},
    }
    study = real_study("HCC-TACE-Seg", parameters=light)
    run = open_run(study, tmp_path / "run")
    common = {"study": str(study), "run_dir": str(run.folder), "workers": 1}
    parameters = notebook_parameters(run.study.parameters, (), common)
    for step in ("01", "04", "05", "06", "07", "08"):
        in_this_process.execute(notebook_source(step), parameters[step])
    models = set(run.read("predictions")["model"])
    assert {"nomogram", "radiomics"} <= models and "clinical" not in models
    assert pd.read_csv(run.table_path("mean_hu")).empty
    assert (run.bundle / "model.json").is_file()
