"""Ready radiomic features, taken from the sites' tables into the run."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.errors import StudyError
from helpers.features.feature_tables import read_features
from helpers.features.reliability import reader_icc
from helpers.learning.ranking import is_constant
from helpers.study import pseudonyms
from helpers.study.run_folder import Run
from helpers.study.sites import Site
from helpers.study.small_counts import shown_count
from helpers.study.study_file import Study


def bring_features(run: Run, cohort: pd.DataFrame) -> pd.DataFrame:
    """Take the sites' ready features into the run; nothing happens in a study of images.

    Writes the artifacts ``features``, ``features_reader2`` and ``icc``; the last two of training patients,
    and empty without a second reader.

    Parameters
    ----------
    run : Run
    cohort : DataFrame
        As written by notebook 01.

    Returns
    -------
    DataFrame
        what ("column" or "patients"), count, reason, first (of columns, the first name): everything that was
        left out.

    Raises
    ------
    StudyError
        As `read_features`, or when no patient or no feature is left.
    """
    if not run.study.has_features:
        return pd.DataFrame(columns=["what", "count", "reason", "first"])
    taken = take_features(run, cohort)
    values = taken.values.rename_axis("patient_id").reset_index()
    second = second_reading(run, cohort, list(taken.values))
    run.write("features", values)
    run.write("features_reader2", second)
    run.write("icc", agreement_of(values, second))
    return _summed_up(taken.left_out, taken.absent, run.study.min_cell)


_LARGEST = 1e100  # its square, summed over patients, is still a number


class Taken(NamedTuple):
    """The ready features of a cohort.

    Attributes
    ----------
    values : DataFrame
        Indexed by patient_id; of the patients who have features, without gaps.
    left_out : dict of str to str
        Reason for each column that is not among them.
    absent : dict of str to int
        Patients of the cohort without features, by reason.
    """

    values: pd.DataFrame
    left_out: dict[str, str]
    absent: dict[str, int]


def take_features(run: Run, cohort: pd.DataFrame) -> Taken:
    """Read the sites' ready features of the patients in the cohort.

    Parameters and errors as for `bring_features`; nothing is written but pseudonyms.
    """
    ready = {site.name: read_features(run.study, site, site.features) for site in run.study.sites}
    parts = {name: _of_cohort(run, name, one.values, cohort) for name, one in ready.items()}
    _require_patients(run.study, cohort, parts)
    values = pd.concat(parts.values(), join="inner")
    if not values.shape[1]:
        tables = ", ".join(f"'{site.features.path}'" for site in run.study.sites)
        raise StudyError(f"The feature tables {tables} have no column in common: name features alike in all.")
    left_out = {header: reason for one in ready.values() for header, reason in one.left_out.items()}
    left_out |= {
        name: "not in the feature tables of all sites"
        for one in ready.values()
        for name in one.values
        if name not in values
    }
    values, unusable = usable_columns(values)
    gaps, values = int(values.isna().all(axis=1).sum()), values.dropna(how="all")
    absent = {"no row in the feature table": len(cohort) - len(values) - gaps, "no features at all": gaps}
    return Taken(values, left_out | unusable, absent)


def _require_patients(study: Study, cohort: pd.DataFrame, parts: dict[str, pd.DataFrame]) -> None:
    """Stop where a site's two tables have no patient in common."""
    strangers = [
        f"'{site.table.path}' and '{site.features.path}'"
        for site in study.sites
        if parts[site.name].empty and (cohort["site"] == site.name).any()
    ]
    if strangers:
        raise StudyError(
            f"No patient who stays in the study has a row in both tables: {'; '.join(strangers)}. The "
            "patient numbers must be written alike in both."
        )


def _of_cohort(run: Run, site: str, values: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
    """Rows of patients in the cohort, under their pseudonyms, in the cohort's order."""
    named = values.set_axis(pseudonyms.pseudonyms(run, site, values.index.tolist()))
    members = cohort.loc[cohort["site"] == site, "patient_id"]
    return named.loc[members[members.isin(named.index)]]


def usable_columns(values: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """The columns that can be features, and the reason for each of the others.

    A patient without any value does not count against a column; a patient with gaps does.
    """
    patients = values.dropna(how="all")
    reasons = {name: fault for name in values if (fault := _fault(patients[name]))}
    if len(reasons) == values.shape[1]:
        reason, name = next(iter(reasons.values()), "the table has none"), next(iter(reasons), "")
        raise StudyError(f"No column of the feature tables can be used; '{name}': {reason}.")
    return values.drop(columns=list(reasons)).astype(float), reasons


def _fault(values: pd.Series) -> str:
    """Why a column is no usable feature; "" when it is one."""
    if values.empty:
        return "no values"
    if not pd.api.types.is_numeric_dtype(values):
        return "holds text"
    if not np.isfinite(values).all():
        return "missing or infinite in some patients"
    numbers = values.to_numpy(float)
    if is_constant(numbers[:, None])[0]:
        return "the same in all patients"
    if np.abs(numbers).max() > _LARGEST or np.ptp(numbers) < 1 / _LARGEST:
        return "numbers too large or too small to be squared"
    return ""


def patients_in_tables(run: Run, people: pd.DataFrame) -> pd.Index:
    """Who of ``people`` (patient_id, site) has a row with any feature in the sites' tables."""
    rows = [
        _of_cohort(run, site.name, read_features(run.study, site, site.features).values, people)
        for site in run.study.sites
    ]
    return pd.concat([part.dropna(how="all") for part in rows]).index


def second_reading(run: Run, cohort: pd.DataFrame, features: list[str]) -> pd.DataFrame:
    """The second reader's ``features`` of the training patients, with patient_id; empty without a reader."""
    second = pd.DataFrame(index=pd.Index([], dtype=str), columns=features, dtype=float)
    for site in run.study.development_sites:
        if site.second_reader_features is not None:
            training = cohort[cohort["cohort"] == "training"]
            table = read_features(run.study, site, site.second_reader_features).values
            read = _of_cohort(run, site.name, table, training).reindex(columns=features)
            second = pd.concat([second, read]) if len(second) else read
    second = second.apply(pd.to_numeric, errors="coerce").rename_axis("patient_id").reset_index()
    return second.astype({"patient_id": str})


def agreement_of(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """The artifact ``icc`` of two readings (patient_id and features); empty without a second one."""
    agreement = reader_icc(first, second)
    return agreement if len(second) else agreement.iloc[:0]


def _summed_up(columns: dict[str, str], patients: dict[str, int], min_cell: int) -> pd.DataFrame:
    table = pd.DataFrame(columns.items(), columns=["first", "reason"])
    grouped = table.groupby("reason", sort=False)["first"].agg(["size", "first"]).reset_index()
    rows = [("column", row.size, row.reason, row.first) for row in grouped.itertuples(index=False)]
    rows += [
        ("patients", shown_count(count, min_cell), reason, "") for reason, count in patients.items() if count
    ]
    return pd.DataFrame(rows, columns=["what", "count", "reason", "first"])


def features_for(run: Run, people: pd.DataFrame, names: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The ready features that a frozen model needs, of new patients.

    Parameters
    ----------
    run : Run
    people : DataFrame
        patient_id (pseudonym) and site.
    names : list of str
        The model's features.

    Returns
    -------
    features : DataFrame
        ``patient_id`` and ``names``, without gaps, in the order of ``people``.
    refused : DataFrame
        ``patient_id``, ``reason`` and ``kind`` ("features") of the others.

    Raises
    ------
    StudyError
        As `read_features`, or naming features that a table lacks or that cannot be true.
    """
    parts = []
    for site in run.study.sites:
        table = read_features(run.study, site, site.features).values
        _require(table, names, site)
        parts.append(_of_cohort(run, site.name, table[names], people))
    values = pd.concat(parts).reindex(people["patient_id"]).replace([np.inf, -np.inf], np.nan)
    found = values.isna().all(axis=1).map({True: "no row in the feature table", False: ""})
    found = found.mask(
        values.isna().any(axis=1) & (found == ""), "a feature of the model is missing or infinite"
    )
    refused = found[found != ""].rename("reason").rename_axis("patient_id").reset_index()
    return values[found == ""].rename_axis("patient_id").reset_index(), refused.assign(kind="features")


def _require(values: pd.DataFrame, names: list[str], site: Site) -> None:
    missing = [name for name in names if name not in values]
    if missing:
        raise StudyError(
            f"Feature table '{site.features.path}' lacks {len(missing)} of the model's {len(names)} "
            f"features: {', '.join(missing[:5])}. Extract them with the bundle's settings (extraction.yml)."
        )
    texts = [name for name in names if not pd.api.types.is_numeric_dtype(values[name])]
    if texts:
        raise StudyError(
            f"Feature table '{site.features.path}': column '{texts[0]}' holds text, not numbers."
        )
