"""The frozen model: a folder of plain text that scores new patients, made and read here only.

``model.json`` holds numbers and names (of the training patients a summary only: means, quantiles, shares),
``extraction.yml`` the settings of the features, ``manifest.json`` the SHA-256 of both. Loading verifies the
sums and reads JSON: no code comes from a bundle.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.errors import StudyError
from helpers.evaluation.cutoffs import youden_cutoff
from helpers.features.feature_tables import engine_of
from helpers.frozen.domain import domain_summary, voltages
from helpers.frozen.drawing import drawing_summary
from helpers.frozen.drift import RAD_SCORE, training_summary
from helpers.learning.classifiers import logistic_probability
from helpers.learning.logistic import LogisticModel, encode
from helpers.learning.nomogram import Nomogram
from helpers.learning.selection import rad_score, z_scores
from helpers.study.content_hash import content_hash
from helpers.study.places import as_json, made_folder, replacing
from helpers.study.run_folder import Run
from helpers.study.study_file import Outcome

FORMAT = 4
FROZEN = ("model.json", "extraction.yml")
MANIFEST = "manifest.json"
MODELS = ("clinical", "radiomics", "nomogram")
UNKNOWN_SETTINGS = b"# The features came ready-made; the settings of their extraction were not stated.\n"
CUTOFF_RULE = "largest Youden index in the training set"
LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "imbalanced-learn")


@dataclass(frozen=True)
class Bundle:
    """A frozen model, ready to score.

    Attributes
    ----------
    folder : Path
    model : dict
        The content of model.json: study, title, virtual, seed, outcome, predictors, selection (features,
        mean, sd, coefficients, intercept), radiomics, clinical (absent without predictors), nomogram,
        cutoffs, training (as `helpers.frozen.drift.training_summary` gives it), domain (as
        `helpers.frozen.domain.domain_summary` gives it), drawing (as `helpers.frozen.drawing.drawing_summary`
        gives it; empty for ready features), engine, libraries; and updated, where it was
        (`helpers.frozen.updated`).
    """

    folder: Path
    model: dict

    @property
    def features(self) -> list[str]:
        """Names of the radiomics features that the model needs."""
        return self.model["selection"]["features"]

    @property
    def models(self) -> list[str]:
        """Names of the models in it: without clinical predictors there is no clinical model."""
        return [name for name in MODELS if name in self.model]

    @property
    def learnt_from(self) -> list[str]:
        """Hospitals on whose patients the nomogram was updated; none where it is as it was first frozen."""
        return self.model.get("updated", {}).get("hospitals", [])

    @property
    def outcome(self) -> Outcome:
        """The rule that made the training patients' outcomes."""
        return Outcome(**self.model["outcome"])

    @property
    def chart(self) -> Nomogram:
        """The nomogram as points, with the training patients' axes."""
        return Nomogram(self.model["nomogram"]["coefficients"], self.model["nomogram"]["axes"])

    @property
    def extraction(self) -> Path:
        """Settings with which these features must be extracted."""
        return self.folder / "extraction.yml"

    def rad_score(self, features: pd.DataFrame) -> pd.Series:
        """Rad-score of each row of raw ``features``; StudyError naming features that are absent."""
        return rad_score(self.model["selection"], features)

    def radiomics(self, features: pd.DataFrame) -> pd.Series:
        """Probability by the radiomics model (logistic regression on the selected features)."""
        z = z_scores(self.model["selection"], features)
        model = self.model["radiomics"]
        probability = logistic_probability(model["intercept"], model["coefficients"], z.to_numpy())
        return pd.Series(probability, index=features.index, name="radiomics")

    def clinical(self, patients: pd.DataFrame) -> pd.Series:
        """Probability by the clinical model, from each patient's predictors (age in years, sex)."""
        return pd.Series(self._logistic("clinical").probability(patients), patients.index, name="clinical")

    def nomogram(self, patients: pd.DataFrame, features: pd.DataFrame) -> pd.Series:
        """Probability by the nomogram; ``patients`` and ``features`` are row for row the same patients."""
        scores = self.rad_score(features).to_numpy()
        probability = self._logistic("nomogram").probability(patients.assign(rad_score=scores))
        return pd.Series(probability, patients.index, name="nomogram")

    def nomogram_columns(self, patients: pd.DataFrame) -> pd.DataFrame:
        """The nomogram's columns of each patient (predictors and rad_score) as it codes them."""
        model = self._logistic("nomogram")
        return encode(patients, model.predictors, model.levels)

    def nomogram_slopes(self, columns: Iterable[str]) -> NDArray[np.float64]:
        """The nomogram's coefficients of its columns."""
        return np.array([self.model["nomogram"]["coefficients"][name] for name in columns])

    @property
    def nomogram_intercept(self) -> float:
        """The nomogram's intercept."""
        return self.model["nomogram"]["coefficients"]["Intercept"]

    def _logistic(self, name: str) -> LogisticModel:
        model = self.model[name]
        return LogisticModel(model["coefficients"], model["levels"], model["method"])


def score(bundle: Bundle, patients: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """Score new patients with all models of the bundle.

    Parameters
    ----------
    bundle : Bundle
    patients : DataFrame
        patient_id and the clinical predictors (age in years; sex female or male).
    features : DataFrame
        patient_id and raw features; a patient without features is an error.

    Returns
    -------
    DataFrame
        patient_id, rad_score, clinical (where there is one), radiomics, nomogram (probabilities), in the
        order of ``patients``.

    Raises
    ------
    StudyError
        Naming what is missing: patients, features, or predictors.
    """
    require_predictors(bundle, patients)
    absent = patients.loc[~patients["patient_id"].isin(features["patient_id"]), "patient_id"]
    if len(absent):
        raise StudyError(f"{len(absent)} patient(s) have no features, for example '{absent.iloc[0]}'.")
    rows = features.set_index("patient_id").loc[patients["patient_id"]].reset_index()
    people = patients.reset_index(drop=True)
    risks = {
        "clinical": lambda: bundle.clinical(people),
        "radiomics": lambda: bundle.radiomics(rows),
        "nomogram": lambda: bundle.nomogram(people, rows),
    }
    columns = [bundle.rad_score(rows), *(risks[name]() for name in bundle.models)]
    return pd.concat([people["patient_id"], *columns], axis=1)


def require_predictors(bundle: Bundle, known: Container[str]) -> None:
    """Raise StudyError unless every clinical predictor of the model is ``known``."""
    lacking = [name for name in bundle.model["predictors"] if name not in known]
    if lacking:
        raise StudyError(
            f"The model needs the predictor(s) {', '.join(lacking)}: add the column(s) to the patients' "
            "table, and name them under 'predictors' in the study file."
        )


def save_bundle(run: Run, fitted: dict[str, LogisticModel], chart: Nomogram) -> Path:
    """Freeze the run's models in private/bundle.

    Reads selection.json, models.json, the predictions of the run (for the training cut-offs), and what the
    training summary is made of: cohort, features, rad_score, preprocessing.

    Parameters
    ----------
    run : Run
    fitted : dict of str to LogisticModel
        The nomogram, whose Rad-score is the predictor ``rad_score``, and the clinical model where there is
        one.
    chart : Nomogram
        The nomogram's axes and points.

    Returns
    -------
    Path
        The bundle's folder.
    """
    selection, study = run.read_json("selection"), run.study
    regressions = {name: model.to_dict() for name, model in fitted.items()}
    regressions["nomogram"] |= chart.to_dict()
    predictors = [name for name in fitted["nomogram"].predictors if name != "rad_score"]
    content = {
        "format": FORMAT,
        "study": study.name,
        "title": study.title,
        "virtual": study.is_virtual,
        "seed": study.seed,
        "outcome": study.outcome.model_dump(),
        "predictors": predictors,
        "selection": {
            key: selection[key] for key in ("features", "mean", "sd", "coefficients", "intercept", "lambda")
        },
        "radiomics": {"algorithm": "LR", **run.read_json("models")["LR"]},
        **regressions,
        "cutoffs": {"rule": CUTOFF_RULE, **_training_cutoffs(run, ["radiomics", *regressions])},
        **_training(run, selection["features"], predictors, chart),
        "engine": engine_of(study),
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    settings = study.path(study.extraction).read_bytes() if study.extraction else UNKNOWN_SETTINGS
    return write_bundle(run.bundle, content, settings, run.writing)


def write_bundle(
    folder: Path,
    content: dict,
    settings: bytes,
    writing: Callable[[Path], AbstractContextManager[Path]] = replacing,
) -> Path:
    """Write a bundle's files; returns its folder.

    Parameters
    ----------
    folder : Path
    content : dict
        Of model.json.
    settings : bytes
        Of extraction.yml.
    writing : callable
        Gives a path to write a file to, which takes the file's place.
    """
    made_folder(folder)
    _write_json(writing, folder / "model.json", content)
    with writing(folder / "extraction.yml") as path:
        path.write_bytes(settings)
    sums = {name: content_hash(folder / name) for name in FROZEN}
    _write_json(writing, folder / MANIFEST, {"sha256": sums})
    return folder


def load_bundle(folder: Path | str) -> Bundle:
    """Read a bundle after verifying that nothing in it was altered.

    Raises
    ------
    StudyError
        When a file is absent or altered, or the format is not known.
    """
    folder = Path(folder)
    for name in (MANIFEST, *FROZEN):
        if not (folder / name).is_file():
            raise StudyError(f"The bundle '{folder.name}' has no {name}: copy the whole folder again.")
    expected = _read_json(folder / MANIFEST).get("sha256", {})
    for name in FROZEN:
        if expected.get(name) != content_hash(folder / name):
            raise StudyError(
                f"{name} of the bundle '{folder.name}' is not the file that was frozen (its SHA-256 differs "
                "from manifest.json). Get the bundle again from its makers; do not edit it."
            )
    model = _read_json(folder / "model.json")
    if model.get("format") != FORMAT:
        raise StudyError(
            f"The bundle '{folder.name}' has format {model.get('format')}; this radbook reads {FORMAT}."
        )
    return Bundle(folder, model)


def own_bundle(run: Run) -> Bundle:
    """The run's own bundle, after verifying as well that it is the one that this run has frozen.

    Raises
    ------
    StudyError
        As `load_bundle`; or when it does not fit the run.
    """
    bundle = load_bundle(run.bundle)
    for name in (MANIFEST, *FROZEN):
        run.reading(run.bundle / name)
    return bundle


def bundle_hash(bundle: Bundle) -> str:
    """What tells one frozen model from another: the checksums that its manifest holds."""
    manifest = _read_json(bundle.folder / MANIFEST)
    return content_hash(json.dumps(manifest["sha256"], sort_keys=True))


def _training(run: Run, features: list[str], predictors: list[str], chart: Nomogram) -> dict:
    """Summaries of the training patients: for the drift of later ones, and for the model's domain."""
    scores = run.read("rad_score").query("cohort == 'training'").set_index("patient_id")
    values = run.read("features").set_index("patient_id").loc[scores.index, features]
    people = run.read("cohort").set_index("patient_id").loc[scores.index, predictors]
    quality = None
    if not run.study.has_features:
        quality = run.read("preprocessing").set_index("patient_id").loc[scores.index]
    with_score = values.assign(**{RAD_SCORE: scores["rad_score"]})
    kvp = None if quality is None else voltages(quality.reset_index())
    return {
        "training": training_summary(with_score, people, quality, run.study.min_cell),
        "domain": domain_summary(values, chart.axes["rad_score"], kvp, run.study.min_cell),
        "drawing": {} if quality is None else drawing_summary(quality),
    }


def _training_cutoffs(run: Run, models: list[str]) -> dict[str, float]:
    predictions = run.read("predictions").query("cohort == 'training'")
    absent = [name for name in models if name not in set(predictions["model"])]
    if absent:
        raise StudyError(
            f"The predictions of the model(s) {', '.join(absent)} are not written yet: run 05_models and "
            "06_nomogram first."
        )
    rows = {name: predictions[predictions["model"] == name] for name in models}
    return {name: youden_cutoff(part["outcome"], part["probability"]) for name, part in rows.items()}


def _write_json(writing: Callable[[Path], AbstractContextManager[Path]], target: Path, content: dict) -> None:
    with writing(target) as path:
        path.write_text(as_json(content), encoding="utf-8")


def _read_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise StudyError(f"'{path.name}' of the bundle is damaged: copy the whole folder again.")
    return content
