"""Analyses that must find nothing: permuted labels, and a region without bone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import SimpleITK as sitk
from scipy.stats import t
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from threadpoolctl import threadpool_limits

from helpers.chapters.strict_tables import region_row
from helpers.chapters.strict_validation import Procedure, nested_auc, nested_predictions
from helpers.checked_inputs import checked_outcome
from helpers.errors import StudyError
from helpers.features.blocks import read_settings
from helpers.features.cache import CaseCache, source_hash
from helpers.features.cases import Case, map_cases
from helpers.features.cluster import scheduler_address
from helpers.features.engine.resampling import crop
from helpers.features.extraction import extract_case
from helpers.features.prepare import cases_of, prepare
from helpers.imaging.boxes import around
from helpers.imaging.regions import LAYERS
from helpers.imaging.sources import ImageSource, Scan, image_sources
from helpers.learning.draws import feasible_folds
from helpers.learning.selection import selection_pipeline
from helpers.learning.smote import LimitedSmote
from helpers.study.number_texts import NOT_ESTIMABLE, span
from helpers.study.run_folder import Run

# HU of muscle in body composition analysis, and the mean of a plausible muscle.
NO_IMAGES = "the study's features came ready-made, without images"
SKIPPED = ["patient_id", "reason"]
MUSCLE_HU = (-29, 150)
MEAN_HU = (0, 100)
SMOOTHING_MM = 1.5  # before a voxel is called muscle, else noise decides
BACKWARD_MM = range(30, 64, 3)
SIDEWAYS_MM = [*range(-45, -14, 3), *range(15, 46, 3)]
BONE_MARGIN_MM = 3.0  # kept from everything brighter than muscle: the blurred edge of bone is bone
LEAST_SHARE = 0.5  # of the region that must be left
EVERY = 17  # of the region's voxels is looked at while the place is sought
MARGIN_MM = 70.0  # of the scan around the region that the search may see


def permuted_labels(
    procedure: Procedure,
    features: pd.DataFrame,
    y: np.ndarray,
    folds: int,
    repeats: int,
    permutations: int,
    seed: int,
    workers: int,
) -> pd.DataFrame:
    """Cross-validated AUC with the outcome dealt out at random, in the strict and in a leaky way.

    Parameters
    ----------
    procedure, features, y, folds, repeats, seed, workers
        As for :func:`helpers.chapters.strict_validation.nested_predictions`.
    permutations : int
        How often the labels are dealt out anew.

    Returns
    -------
    DataFrame
        One row a permutation: strict, ci_low, ci_high (nested AUC and its interval), leaky_lr and leaky_rf
        (`leaky_auc`).
    """
    y = checked_outcome(y)
    rows = []
    for number, one in enumerate(np.random.SeedSequence(seed).generate_state(permutations).tolist(), start=1):
        shuffled = np.random.default_rng(one).permutation(y)
        label = f"Permuted labels {number}/{permutations}"
        nested = nested_predictions(procedure, features, shuffled, folds, repeats, one, workers, label)
        area = nested_auc(shuffled, nested)
        row = {"strict": area.auc, "ci_low": area.ci_low, "ci_high": area.ci_high}
        rows.append(row | leaky_auc(procedure, features, shuffled, folds, one))
    return pd.DataFrame(rows)


def leaky_auc(
    procedure: Procedure, features: pd.DataFrame, y: np.ndarray, folds: int, seed: int
) -> dict[str, float]:
    """Cross-validated AUC when SMOTE and the selection came before the cross-validation: a trap, on purpose.

    The held-out patients have taken part in choosing the features, and synthetic patients lie between
    patients of the training and of the held-out folds.

    Returns
    -------
    dict
        leaky_lr (logistic regression) and leaky_rf (random forest): mean AUC over the folds.
    """
    y = checked_outcome(y)
    models = {
        "leaky_lr": LogisticRegression(solver="newton-cholesky"),
        "leaky_rf": RandomForestClassifier(n_estimators=200, random_state=seed, n_jobs=1),
    }
    with threadpool_limits(1):
        scaled = (features - features.mean()) / features.std().replace(0, 1)
        balanced, outcome = LimitedSmote(random_state=seed).fit_resample(scaled, y)
        inner = feasible_folds(y, procedure.settings.folds)
        settings = replace(procedure.settings, smote="none", folds=inner)
        selected = selection_pipeline(procedure.agreement(features), settings, seed).fit_transform(
            balanced, outcome
        )
        cv = StratifiedKFold(feasible_folds(outcome, folds), shuffle=True, random_state=seed)
        return {
            name: float(cross_val_score(model, selected, outcome, cv=cv, scoring="roc_auc").mean())
            for name, model in models.items()
        }


def permuted_in_words(table: pd.DataFrame) -> dict[str, str]:
    """What the page says of `permuted_labels`, by glue's names."""
    covered = table["ci_low"].le(0.5) & table["ci_high"].ge(0.5)
    low, high = interval_of_mean(table["strict"])
    return {
        "permuted-interval": span(low, high) if len(table) > 1 else NOT_ESTIMABLE,
        "permuted-n": f"{len(table)}",
        "permuted-covered": f"{covered.sum()}",
        **{f"permuted-{name}": f"{table[name].mean():.2f}" for name in ("strict", "leaky_lr", "leaky_rf")},
    }


def interval_of_mean(values: pd.Series) -> tuple[float, float]:
    """95 % limits of the mean of independent values (Student's t)."""
    half = t.ppf(0.975, len(values) - 1) * values.sem()
    low, high = values.mean() - half, values.mean() + half
    return float(low), float(high)


def muscle_scan(scan: Scan, patient_id: str) -> Scan:
    """The same scan with the region moved into the muscle beside the spine.

    The region is moved as a whole, 30 to 63 mm backwards and 15 to 45 mm to either side, to where most of it
    is muscle (-29 to 150 HU after smoothing with 1.5 mm); what is not muscle there, or lies within 3 mm of
    anything brighter, is cut off.

    Raises
    ------
    StudyError
        When at no place half of the region is muscle, with a mean of 0 to 100 HU.
    """
    box = around(scan.mask, MARGIN_MM)
    scan = Scan(crop(scan.image, *box), crop(scan.mask, *box), scan.facts)
    muscle = _muscle(scan.image)
    layers = sitk.GetArrayFromImage(scan.mask)
    places = np.argwhere(layers > 0)
    shift = _best_shift(scan.image, muscle, places)
    moved = np.zeros_like(layers)
    if shift is not None:
        there = places + shift
        moved[tuple(there.T)] = layers[tuple(places.T)]
        moved[~muscle] = 0
    hu = sitk.GetArrayViewFromImage(scan.image)[moved > 0]
    enough = hu.size >= LEAST_SHARE * len(places) and len(np.unique(moved[moved > 0])) == len(LAYERS)
    if not enough or not MEAN_HU[0] <= hu.mean() <= MEAN_HU[1]:
        raise StudyError(
            f"{patient_id}: no place beside the spine is muscle for the most part; left out of this control."
        )
    mask = sitk.GetImageFromArray(moved)
    mask.CopyInformation(scan.image)
    return Scan(scan.image, mask, scan.facts)


def _muscle(image: sitk.Image) -> np.ndarray:
    smooth = sitk.SmoothingRecursiveGaussian(image, SMOOTHING_MM)
    radius = np.ceil(BONE_MARGIN_MM / np.array(image.GetSpacing())).astype(int).tolist()
    near_bone = sitk.BinaryDilate(smooth > MUSCLE_HU[1], radius, sitk.sitkBox)
    return sitk.GetArrayFromImage((smooth >= MUSCLE_HU[0]) & (near_bone == 0)) > 0


def _best_shift(image: sitk.Image, muscle: np.ndarray, places: np.ndarray) -> np.ndarray | None:
    """Shift (z, y, x in voxels) with the largest share of muscle; None when all leave the scan."""
    to_voxels = (
        np.linalg.inv(np.array(image.GetDirection()).reshape(3, 3)) / np.array(image.GetSpacing())[:, None]
    )
    looked_at, best, share = places[::EVERY], None, 0.0
    low, high = places.min(axis=0), places.max(axis=0)
    for sideways in SIDEWAYS_MM:
        for backward in BACKWARD_MM:
            # DICOM's axes: x to the patient's left, y to the back.
            shift = np.round(to_voxels @ [sideways, backward, 0.0]).astype(int)[::-1]
            if (low + shift < 0).any() or (high + shift >= muscle.shape).any():
                continue
            found = muscle[tuple((looked_at + shift).T)].mean()
            if found > share:
                best, share = shift, found
    return best


@dataclass(frozen=True)
class MuscleImages:
    """The scans of another source, with the region in the muscle."""

    source: ImageSource

    def load(self, patient_id: str, reader: int = 1) -> Scan:
        """Load the scan and move the region."""
        return muscle_scan(self.source.load(patient_id, reader=reader), patient_id)

    def fingerprint(self, patient_id: str, reader: int = 1) -> str:
        """Hash of the source's fingerprint and of this rule."""
        return self.source.fingerprint(patient_id, reader=reader) + source_hash(sys.modules[__name__])


def muscle_features(run: Run, cases: Sequence[Case], workers: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features of the muscle region, cached a case like those of the bone.

    Returns
    -------
    features : DataFrame
        Indexed by patient; first-order and texture features of the unfiltered image. Shape is left out
        because it is the vertebra's, filtered images because they see the bone near by.
    skipped : DataFrame
        patient_id and reason of those without such a region; everyone, in a study of ready features.
    """
    if run.study.has_features:
        skipped = [(case.patient_id, NO_IMAGES) for case in cases]
        return pd.DataFrame(index=pd.Index([], name="patient_id")), pd.DataFrame(skipped, columns=SKIPPED)
    settings, cache = read_settings(run.study.path(run.study.extraction)), CaseCache(run.cache)
    settings |= {"imageType": {"Original": {}}}
    sources = {name: MuscleImages(source) for name, source in image_sources(run).items()}
    preparation = partial(prepare, sources=sources, settings=settings, cache=cache)
    function = partial(extract_case, prepare_case=preparation, settings=settings, cache=cache)
    outcomes = map_cases(function, cases, workers, "Muscle", scheduler_address(run.study))
    rows = {outcome.case.patient_id: outcome.value for outcome in outcomes if not outcome.refused}
    skipped = [(outcome.case.patient_id, outcome.reason) for outcome in outcomes if outcome.refused]
    features = pd.DataFrame.from_dict(rows, orient="index").rename_axis("patient_id")
    features = features[[name for name in features if "_shape_" not in name]]
    return features, pd.DataFrame(skipped, columns=SKIPPED)


def drawn_cases(training: pd.DataFrame, wanted: int, rng: np.random.Generator) -> list[Case]:
    """Cases of about ``wanted`` training patients (index), drawn within each outcome; all where fewer."""
    share = min(1, wanted / len(training))
    drawn = training.groupby("outcome").sample(frac=share, random_state=rng)
    return cases_of(drawn.sort_index().reset_index())


def both_regions(run: Run, case: Case) -> tuple[Scan, Scan]:
    """A patient's scan with the region as drawn, and with the region in the muscle."""
    scan = image_sources(run)[case.site].load(case.patient_id)
    return scan, muscle_scan(scan, case.patient_id)


def regions_table(
    procedure: Procedure,
    regions: dict[str, pd.DataFrame],
    patients: pd.DataFrame,
    predictors: list[str],
    **validation: int,
) -> tuple[pd.DataFrame, list[str]]:
    """How well each region predicts by itself and beside the clinical predictors.

    Parameters
    ----------
    procedure : Procedure
    regions : dict of str to DataFrame
        By region: features of the same patients, in the same columns.
    patients : DataFrame
        outcome and the predictors of these patients, row for row.
    predictors : list of str
    **validation : int
        folds, repeats, seed and workers of :func:`helpers.chapters.strict_validation.nested_predictions`.

    Returns
    -------
    table : DataFrame
        region, and the columns of :func:`helpers.chapters.strict_tables.region_row`.
    problems : list of str
        Why a region is not in the table.
    """
    outcome, rows, problems = patients["outcome"].to_numpy(), [], []
    for region, features in regions.items():
        try:
            nested = nested_predictions(procedure, features, outcome, **validation)
            rows.append({"region": region, **region_row(patients, nested, predictors)})
        except StudyError as problem:
            problems.append(f"{region}: not estimable with {len(features)} patients. {problem}")
    return pd.DataFrame(rows), problems
