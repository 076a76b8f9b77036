"""The frozen model: the same probabilities as the notebooks', safe to load, refused when altered."""

import json

import numpy as np
import pandas as pd
import pytest

from helpers.errors import StudyError
from helpers.evaluation.cutoffs import youden_cutoff
from helpers.frozen.bundle import load_bundle, save_bundle, score
from helpers.learning import classifiers
from helpers.learning.logistic import LogisticModel, fit_logistic
from helpers.learning.nomogram import Nomogram
from helpers.learning.selection import SelectionSettings, rad_score, select_features
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import Run, open_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with 120 patients, of which chapters 4 to 6 were done in short."""
    run = open_run(REPOSITORY / "data" / "studies" / "virtual.yml", tmp_path_factory.mktemp("run"))
    rng = np.random.default_rng(1)
    y = np.tile([0, 0, 1], 40)
    names = [f"original_glcm_N{i}" for i in range(12)]
    features = pd.DataFrame(rng.normal(size=(120, 12)) * 1e3 + y[:, None] * 400, columns=names)
    patients = pd.DataFrame(
        {
            "patient_id": [f"D{i:04d}" for i in range(120)],
            "site": "Virtual hospital 1",
            "second_reader": False,
            "cohort": np.repeat(["training", "internal"], [90, 30]),
            "outcome": y,
            "age": rng.integers(50, 85, 120) + 3.0 * y,
            "sex": rng.choice(["female", "male"], 120),
        }
    )
    train = np.arange(90)
    train_or_not = np.arange(120) < 90
    selection = select_features(
        features.iloc[train], y[train], dict.fromkeys(names, 0.9), SelectionSettings(folds=5), 2
    ).as_dict()
    run.write_json("selection", selection)
    chosen = features[selection["features"]]
    fitted = classifiers.fit_models(chosen.iloc[train], y[train], 3, smote=True, seed=2, workers=1)
    run.write_json("models", {"LR": classifiers.logistic_coefficients(fitted["LR"])})
    patients["rad_score"] = rad_score(selection, features)
    clinical = fit_logistic(patients.iloc[train], "outcome", ["age", "sex"])
    nomogram = fit_logistic(patients.iloc[train], "outcome", ["age", "sex", "rad_score"])
    rows = patients[["patient_id", "cohort", "outcome"]]
    radiomics = classifiers.predict({"radiomics": fitted["LR"]}, chosen, patients)
    others = [
        rows.assign(model=name, probability=model.probability(patients))
        for name, model in (("clinical", clinical), ("nomogram", nomogram))
    ]
    run.write("predictions", pd.concat([radiomics, *others], ignore_index=True))
    features.insert(0, "patient_id", patients["patient_id"])
    quality = patients[["patient_id"]].assign(
        status="ok",
        reason="",
        kind="",
        trabecular_hu=100.0,
        kvp=120.0,
        kernel=np.where(train_or_not, "B40", "STANDARD"),
        spacing_x=0.7,
    )
    for name, frame in (("cohort", patients), ("features", features), ("preprocessing", quality)):
        run.write(name, frame)
    run.write("rad_score", patients[["patient_id", "cohort", "outcome", "rad_score"]])
    chart = Nomogram(nomogram.coefficients, patients.iloc[train])
    save_bundle(run, {"clinical": clinical, "nomogram": nomogram}, chart)
    return run, patients.drop(columns="rad_score"), features


def test_a_bundle_gives_the_notebooks_predictions(run):
    run, patients, features = run
    shuffled = patients.sample(frac=1, random_state=0)
    result = score(load_bundle(run.bundle), shuffled, features).set_index("patient_id")
    written = run.read("predictions").pivot(index="patient_id", columns="model", values="probability")
    for name in ("clinical", "radiomics", "nomogram"):
        np.testing.assert_allclose(result.loc[written.index, name], written[name], rtol=0, atol=1e-12)


def test_cutoffs_are_those_of_the_training_set(run):
    run, *_ = run
    training = run.read("predictions").query("cohort == 'training' and model == 'nomogram'")
    expected = youden_cutoff(training["outcome"], training["probability"])
    assert load_bundle(run.bundle).model["cutoffs"]["nomogram"] == expected


def test_a_bundle_says_where_it_comes_from_and_holds_no_patient(run):
    run, patients, _ = run
    model = load_bundle(run.bundle).model
    assert model["study"] == "virtual" and model["virtual"] is True and model["seed"] == run.study.seed
    assert {"scikit-learn", "numpy"} <= set(model["libraries"]) and model["engine"]
    assert list(model["nomogram"]["axes"]) == ["age", "sex", "rad_score"]
    assert not any(patient in json.dumps(model) for patient in patients["patient_id"])


def test_the_summary_is_of_the_training_patients_and_names_none(run):
    run, patients, features = run
    bundle = load_bundle(run.bundle)
    summary, training = bundle.model["training"], patients["cohort"] == "training"
    name = bundle.features[0]
    assert summary["patients"] == 90
    assert summary["features"][name]["mean"] == pytest.approx(features.loc[training, name].mean())
    assert summary["features"][name]["sd"] == pytest.approx(features.loc[training, name].std(ddof=0))
    assert summary["acquisition"]["kernel"]["categories"] == {"B40": 1.0}
    sizes = [
        len(values) for part in summary["features"].values() for values in (part["cuts"], part["shares"])
    ]
    assert max(sizes) <= 10


def test_a_bundle_without_clinical_predictors_has_two_models(run):
    run, patients, features = run
    alone = Run(run.study.model_copy(update={"predictors": []}), run.folder, owner=run.study)
    training = run.read("rad_score").query("cohort == 'training'")
    nomogram = fit_logistic(training, "outcome", ["rad_score"])
    before = {path: path.read_bytes() for path in run.bundle.iterdir()}
    try:
        save_bundle(alone, {"nomogram": nomogram}, Nomogram(nomogram.coefficients, training))
        bundle = load_bundle(run.bundle)
        result = score(bundle, patients[["patient_id"]], features)
    finally:
        for path, content in before.items():
            path.write_bytes(content)
    assert bundle.models == ["radiomics", "nomogram"]
    expected = nomogram.probability(run.read("rad_score"))
    np.testing.assert_allclose(result["nomogram"], expected, rtol=1e-12)
    assert "clinical" not in result


def models_of(bundle):
    parts = {
        name: LogisticModel(**{key: bundle.model[name][key] for key in ("coefficients", "levels", "method")})
        for name in ("clinical", "nomogram")
    }
    return parts, bundle.chart


def test_a_bundle_is_text_only_and_loading_runs_nothing(run, monkeypatch):
    run, *_ = run
    assert {path.suffix for path in run.bundle.iterdir()} == {".json", ".yml"}
    for call in ("eval", "exec", "compile", "__import__"):
        monkeypatch.setattr(f"builtins.{call}", lambda *a, **k: pytest.fail("code was run"))
    load_bundle(run.bundle)


@pytest.mark.parametrize("name", ["model.json", "extraction.yml", "manifest.json"])
def test_an_altered_or_incomplete_bundle_is_refused(run, tmp_path, name):
    run, *_ = run
    for path in run.bundle.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-2] + b" ")
    with pytest.raises(StudyError, match="SHA-256|damaged"):
        load_bundle(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(StudyError, match=f"has no {name}"):
        load_bundle(tmp_path)


def test_missing_features_patients_and_predictors_are_named(run):
    run, patients, features = run
    bundle = load_bundle(run.bundle)
    with pytest.raises(StudyError, match=bundle.features[0]):
        bundle.radiomics(features.drop(columns=bundle.features[0]))
    with pytest.raises(StudyError, match="D0003"):
        score(bundle, patients, features[features["patient_id"] != "D0003"])
    with pytest.raises(StudyError, match="needs the predictor.*age"):
        score(bundle, patients.drop(columns="age"), features)


def test_a_bundle_is_not_made_before_the_nomogram(run):
    run, *_ = run
    predictions = run.read("predictions")
    run.write("predictions", predictions[predictions["model"] != "nomogram"])
    try:
        with pytest.raises(StudyError, match="nomogram are not written"):
            save_bundle(run, *models_of(load_bundle(run.bundle)))
    finally:
        run.write("predictions", predictions)
