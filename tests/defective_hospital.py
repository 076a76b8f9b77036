"""Studies of ready features with one defect each: what hospitals do to their tables and study files.

Two small hospitals whose patients have age, sex, a predictor of words and twelve features. A defect changes
the tables or the study file. Either the study stops, and ``told`` stands in the reason, or it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml

HOME, AWAY = 60, 30
FEATURES = [f"original_glcm_Made{number:02d}" for number in range(12)]
# Light: what is looked for is whether a chapter stops.
LIGHT = {
    "04": {"resamples": 2, "folds": 3, "mrmr_features": 6, "workers": 1},
    "05": {"folds": 2, "workers": 1},
    "06": {"resamples": 10},
    "10": {"folds": 2, "repeats": 1, "resamples": 1, "permutations": 1, "workers": 1}
    | {"bootstrap_resamples": 20},
}
ALL = ("01", "04", "05", "06", "10")


def people(number: int, first: int, seed: int) -> pd.DataFrame:
    """A hospital's table; two in five patients have the outcome."""
    rng = np.random.default_rng(seed)
    outcome = np.resize([0, 1, 0, 0, 1], number)
    return pd.DataFrame(
        {
            "patient_id": [f"MRN-{first + patient}" for patient in range(number)],
            "age": np.round(rng.normal(63 + 4 * outcome, 7)).clip(50, 90),
            "sex": np.where(rng.random(number) < 0.5 + 0.1 * outcome, "female", "male"),
            "smoking": rng.choice(["never", "former", "current"], number),
            "outcome": outcome,
        }
    )


def features(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Ready features of the patients: the first four know something of the outcome."""
    values = np.random.default_rng(seed).normal(size=(len(table), len(FEATURES)))
    values[:, :4] += table["outcome"].to_numpy()[:, None] * np.linspace(1.0, 0.4, 4)
    return pd.concat([table["patient_id"], pd.DataFrame(values * 10 + 100, columns=FEATURES)], axis=1)


class Hospitals:
    """Tables by name, and the study file as YAML will hold it."""

    def __init__(self) -> None:
        self.tables = {"home": people(HOME, 100, 1), "away": people(AWAY, 500, 2)}
        for seed, name in enumerate(("home", "away"), start=3):
            self.tables[f"{name}_features"] = features(self.tables[name], seed)
        self.study = {"name": "defect", "title": "One defect", "seed": 7, "outcome": {"given": True}}
        self.study |= {"predictors": ["age", "sex", "smoking"], "parameters": dict(LIGHT)}
        self.study["sites"] = [
            {"name": name, "role": role, "table": {"path": f"{name}.csv"}}
            | {"features": {"path": f"{name}_features.csv"}}
            for name, role in (("home", "development"), ("away", "external"))
        ]

    @property
    def both(self) -> list[pd.DataFrame]:
        """The patients' tables of both hospitals."""
        return [self.tables["home"], self.tables["away"]]

    @property
    def measured(self) -> list[pd.DataFrame]:
        """The feature tables of both hospitals."""
        return [self.tables["home_features"], self.tables["away_features"]]

    def second_reader(self, noise: float = 3.0) -> pd.DataFrame:
        """Add the features as another reader measured them; returns that table."""
        table = self.tables["home_features"].copy()
        table[FEATURES] += np.random.default_rng(9).normal(0, noise, (len(table), len(FEATURES)))
        self.tables["second"] = table
        self.study["sites"][0]["second_reader_features"] = {"path": "second.csv"}
        return table

    def set(self, number: str, **values: object) -> None:
        """Set parameters of a notebook."""
        given = self.study["parameters"]
        self.study["parameters"] = given | {number: given.get(number, {}) | values}

    def write(self, folder: Path) -> Path:
        """Write tables and study file; returns the latter's path."""
        for name, table in self.tables.items():
            table.to_csv(folder / f"{name}.csv", index=False)
        text = yaml.safe_dump(self.study, sort_keys=False)
        (folder / "study.yml").write_text(text, encoding="utf-8")
        return folder / "study.yml"


class Defect(NamedTuple):
    """What is done, what is told of it ("": nothing stops), and the chapters it is about."""

    change: Callable[[Hospitals], None]
    told: str
    chapters: tuple[str, ...] = ALL


DEFECTS: dict[str, Defect] = {}


def defect(told: str, *chapters: str) -> Callable:
    """Put the function below among `DEFECTS`; its name says what is wrong."""

    def kept(change: Callable[[Hospitals], None]) -> Callable[[Hospitals], None]:
        name = change.__name__.removeprefix("_").replace("_", " ")
        DEFECTS[name] = Defect(change, told, chapters or ALL)
        return change

    return kept


# --- Predictors -------------------------------------------------------------------------------------------


@defect("", "01", "04", "05", "06")
def _constant_predictor(h):
    for table in h.both:
        table["smoking"] = "never"


@defect("")
def _age_and_sex_constant(h):
    h.study["predictors"] = ["age", "sex"]
    for table in h.both:
        table["age"], table["sex"] = 65, "male"


@defect("")
def _no_predictors_and_no_such_columns(h):
    h.study["predictors"] = []
    for name in ("home", "away"):
        h.tables[name] = h.tables[name][["patient_id", "outcome"]]


@defect("", "01", "04", "05", "06")
def _predictor_equals_the_outcome(h):
    h.study["predictors"] = ["age", "lesion"]
    for table in h.both:
        table["lesion"] = np.where(table["outcome"] == 1, "malignant", "benign")


@defect("smoking.*no value; fill it in")
def _predictor_missing_in_one_site(h):
    h.tables["away"]["smoking"] = ""


@defect("column 'smoking' .*is missing")
def _predictor_column_missing_in_one_site(h):
    h.tables["away"] = h.tables["away"].drop(columns="smoking")


@defect("", "01", "04", "05", "06")
def _predictor_has_one_level_where_the_model_is_made(h):
    h.tables["home"]["smoking"] = "never"


@defect("unknown level 'cigar' in 1 patient.* of away.*under exclusion")
def _category_of_the_external_site_unknown_in_training(h):
    h.tables["away"].loc[3, "smoking"] = "cigar"


@defect("'grade' is a number in 'away.csv' and words in 'home.csv': write it alike")
def _numbers_in_one_site_and_words_in_the_other(h):
    h.study["predictors"] = ["age", "grade"]
    h.tables["home"]["grade"] = np.where(np.arange(HOME) % 3 == 0, "low", "high")
    h.tables["away"]["grade"] = np.arange(AWAY) % 3 + 1


@defect("more than 10 different words")
def _predictor_with_twenty_categories(h):
    h.tables["home"]["smoking"] = [f"brand {patient % 20}" for patient in range(HOME)]


@defect("kg, lb carry the same information")
def _two_predictors_that_say_the_same(h):
    h.study["predictors"] = ["kg", "lb"]
    for table in h.both:
        table["kg"] = 50 + np.arange(len(table)) % 30
        table["lb"] = table["kg"] * 2.2046


@defect("or there are more of them than patients")
def _more_predictors_than_patients(h):
    h.study["predictors"] = [f"marker_{number}" for number in range(45)]
    for seed, table in enumerate(h.both):
        values = np.random.default_rng(seed).normal(size=(len(table), 45)).round(3)
        table[h.study["predictors"]] = values


@defect("", "01", "04", "05", "06")
def _patients_are_children(h):
    h.study["inclusion"] = {"min_age": 0}
    for table in h.both:
        table["age"] = np.arange(len(table)) % 17


# --- Patients and outcome -------------------------------------------------------------------------------


@defect("external validation has 0 patients with")
def _one_class_in_the_external_site(h):
    h.tables["away"]["outcome"] = 0


@defect("external validation has 1 patients with")
def _one_event_in_the_external_site(h):
    h.tables["away"]["outcome"] = np.eye(1, AWAY, 3, dtype=int)[0]


@defect("training has .* patients with")
def _one_class_where_the_model_is_made(h):
    h.tables["home"]["outcome"] = 1


@defect("", "01", "04", "05")
def _fewer_events_than_folds(h):
    h.tables["home"]["outcome"] = (np.arange(HOME) % 8 == 0).astype(int)
    for number in ("04", "05"):
        h.set(number, folds=10)


@defect("needs at least 2 patients of each outcome in every training part", "01", "04", "05")
def _three_events_in_training_and_two_folds(h):
    h.tables["home"]["outcome"] = np.repeat([1, 0], [5, 55])
    h.tables["home"]["allocation"] = np.where(
        np.isin(np.arange(HOME), (0, 1, *range(45, 60))), "internal", "training"
    )


@defect("write 1 .* or 0")
def _outcome_coded_1_and_2(h):
    for table in h.both:
        table["outcome"] += 1


@defect("'outcome': row 7: no value")
def _outcome_of_a_patient_missing(h):
    h.tables["home"]["outcome"] = h.tables["home"]["outcome"].astype(object)
    h.tables["home"].loc[5, "outcome"] = ""


@defect("same patient stands in several rows")
def _patient_in_the_table_twice(h):
    h.tables["home"] = pd.concat([h.tables["home"], h.tables["home"].tail(1)])


@defect("internal validation has 0 patients with")
def _allocation_leaves_nobody_for_internal_validation(h):
    h.tables["home"]["allocation"] = "training"


@defect("training has 0 patients with")
def _one_patient_only(h):
    h.tables = {name: table.iloc[:1] for name, table in h.tables.items()}


@defect("training has 0 patients with")
def _nobody_is_old_enough(h):
    for table in h.both:
        table["age"] = 40


@defect("external validation has 0 patients with")
def _external_site_excluded_as_a_whole(h):
    h.tables["away"]["exclusion"] = "lost"


# --- Features -------------------------------------------------------------------------------------------


@defect("no row in the other's|No patient who stays")
def _patient_numbers_that_do_not_match(h):
    h.tables["away_features"]["patient_id"] = [f"X{patient}" for patient in range(AWAY)]


@defect("training has 0 patients with|has 0 patients with")
def _features_of_patients_without_the_outcome_only(h):
    h.tables["home_features"] = h.tables["home_features"][h.tables["home"]["outcome"] == 0]


@defect("rows share a patient number")
def _features_of_a_patient_twice(h):
    h.tables["home_features"] = pd.concat([h.tables["home_features"], h.tables["home_features"].tail(1)])


@defect("", "01", "04")
def _features_of_half_of_the_patients(h):
    h.tables["home_features"] = h.tables["home_features"].iloc[::2]


@defect("'home_features.csv', 'away_features.csv' have no column in common")
def _sites_with_different_feature_columns(h):
    h.tables["away_features"].columns = ["patient_id", *(f"portal_{name}" for name in FEATURES)]


@defect("", "01", "04")
def _sites_with_partly_different_feature_columns(h):
    h.tables["away_features"] = h.tables["away_features"].iloc[:, :6]


@defect("No column of the feature tables can be used.*the same in all")
def _all_features_constant(h):
    for table in h.measured:
        table[FEATURES] = 1.0


@defect("Every feature is the same in all patients", "01", "04")
def _features_differ_between_sites_only(h):
    for value, table in enumerate(h.measured):
        table[FEATURES] = float(value)


@defect("")
def _one_feature(h):
    for name in ("home_features", "away_features"):
        h.tables[name] = h.tables[name][["patient_id", FEATURES[8]]]


@defect("", "01", "04")
def _copies_of_one_feature_only(h):
    h.set("04", spearman_threshold=1.0)
    for table in h.measured:
        table[FEATURES] = table[[FEATURES[0]]].to_numpy() * np.arange(1, 13)


@defect("", "01", "04")
def _no_feature_passes_mann_whitney(h):
    h.set("04", mann_whitney_p=1e-12)


@defect("", "01", "04")
def _more_mrmr_features_than_there_are(h):
    h.set("04", mrmr_features=500)


@defect("", "01", "04", "05", "06")
def _features_that_tell_the_outcome_without_error(h):
    for people, table in zip(h.both, h.measured, strict=True):
        table[FEATURES] += 1000.0 * people[["outcome"]].to_numpy()


@defect("", "01", "04")
def _infinite_and_missing_values(h):
    h.tables["home_features"].loc[3, FEATURES[0]] = np.inf
    h.tables["home_features"].loc[4, FEATURES] = np.nan


@defect("No column of the feature tables can be used.*missing or infinite")
def _a_gap_in_every_feature(h):
    for number, name in enumerate(FEATURES):
        h.measured[number % 2].loc[number, name] = np.nan


@defect("", "01", "04")
def _gaps_of_excluded_patients_only(h):
    h.tables["home"]["exclusion"] = np.where(np.arange(HOME) < 3, "lost", "")
    for number, name in enumerate(FEATURES):
        h.tables["home_features"].loc[number % 3, name] = np.nan


@defect("", "01", "04")
def _a_value_that_nobody_can_have_measured(h):
    h.tables["home_features"].loc[3, FEATURES[0]] = 1e300


@defect("numbers too large or too small")
def _features_too_small_to_be_squared(h):
    for table in h.measured:
        table[FEATURES] *= 1e-200


@defect("No column of the feature tables can be used.*holds text")
def _features_in_words(h):
    for table in h.measured:
        table[FEATURES] = "high"


@defect("", "01", "04", "05", "06")
def _features_of_0_and_1(h):
    for table in h.measured:
        table[FEATURES] = (table[FEATURES] > 100).astype(int)


# --- Second reader --------------------------------------------------------------------------------------


@defect("", "01", "04")
def _second_reader_lacks_columns(h):
    h.tables["second"] = h.second_reader().iloc[:, :4]


@defect("")
def _second_reader_of_two_patients(h):
    h.tables["second"] = h.second_reader().iloc[:2]


@defect("", "01", "04")
def _second_reader_of_patients_whom_nobody_knows(h):
    h.second_reader()["patient_id"] = [f"X{patient}" for patient in range(HOME)]


@defect("", "01", "04")
def _readers_who_agree_on_nothing(h):
    h.second_reader(noise=500)


# --- Study file -----------------------------------------------------------------------------------------


@defect("no parameter 'fold'")
def _parameter_that_does_not_exist(h):
    h.set("04", fold=3)


def _value(number: str, name: str, value: object) -> None:
    told = f"The parameter '{name}' of notebook {number} is "
    DEFECTS[f"{number}.{name} is {value!r}"] = Defect(lambda h: h.set(number, **{name: value}), told)


for number, name, value in (
    *(("01", "training_share", 1.0), ("01", "training_share", "0.7"), ("04", "folds", 1)),
    *(("04", "folds", "ten"), ("04", "mrmr_scheme", "JMI"), ("04", "smote", True), ("04", "resamples", 0)),
    *(("05", "smote", "no"), ("08", "threshold_step", 1.0), ("08", "shown_thresholds", [])),
    *(("10", "repeats", 0), ("11", "new_study", "nowhere.yml"), ("13", "numbers", "nowhere.csv")),
):
    _value(number, name, value)
