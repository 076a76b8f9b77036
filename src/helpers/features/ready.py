"""Ready radiomic features: read from a table, named as PyRadiomics does, checked, taken into the run.

A table has one row a patient and one column a feature, or it is SlicerRadiomics' table with the columns Image
type, Feature Class and Feature Name and one column a patient (or a patient column and one of values).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.errors import StudyError
from helpers.features.cache import engine_versions
from helpers.features.reliability import reader_icc
from helpers.patients.cells import read_cells, same_header
from helpers.patients.columns import values as column_values
from helpers.patients.spellings import MISSING
from helpers.study import pseudonyms
from helpers.study.run_folder import Run
from helpers.study.small_counts import shown_count
from helpers.study.study_file import FeatureTable, Site, Study

DIAGNOSTICS = "diagnostics_"
# Where PyRadiomics' own columns state the versions that `engine_versions` names by distribution.
STATED_VERSIONS = {
    "diagnostics_versions_pyradiomics": "pyradiomics-bhklab",
    "diagnostics_versions_pywavelet": "PyWavelets",
    "diagnostics_versions_simpleitk": "SimpleITK",
}
LONG = ("feature class", "feature name")
IMAGE_COLUMNS = ("image type", "input image type")
_NAME = re.compile(
    r"(?P<image>.+?)[-_. ](?P<group>shape2d|shape|firstorder|glcm|glrlm|glszm|gldm|ngtdm)[-_. ](?P<name>\w+)",
    re.IGNORECASE,
)
# Within -1 and 1 by definition; z-scores of them are still small numbers.
_BOUNDED = re.compile(
    r"_(Sphericity|Elongation|Flatness|Uniformity|Correlation|Imc1|Imc2|Idn?|Idmn?|JointEnergy|"
    r"MaximumProbability|ZonePercentage|RunPercentage|\w+Normalized)$"
)
_LARGEST_BOUNDED = 1000.0


@dataclass(frozen=True)
class Ready:
    """One site's feature table as it was read.

    Attributes
    ----------
    values : DataFrame
        Indexed by raw patient number; one column a feature, NaN where a cell is empty.
    left_out : dict of str to str
        Reason for each column that is no feature.
    engine : dict of str to str
        Versions that the table itself states.
    """

    values: pd.DataFrame
    left_out: dict[str, str]
    engine: dict[str, str]


def feature_name(header: str) -> str:
    """PyRadiomics' name of a column, whatever separates its parts; other names stay as they are.

    ``original-firstorder-Mean`` and ``original firstorder Mean`` become ``original_firstorder_Mean``; inside
    the image's name separators become dashes (``wavelet_LLH_glcm_Imc1``: ``wavelet-LLH_glcm_Imc1``).
    """
    parts = _NAME.fullmatch(header.strip())
    if parts is None:
        return header.strip()
    image = re.sub(r"[_. ]+", "-", parts["image"])
    return f"{image}_{parts['group'].lower().replace('2d', '2D')}_{parts['name']}"


def read_features(study: Study, site: Site, table: FeatureTable) -> Ready:
    """Read one feature table; patient numbers are still raw.

    Raises
    ------
    StudyError
        When it cannot be read, has no column of patient numbers, or names a patient or a feature twice.
    """
    shown = f"Feature table '{table.path}'"
    path = study.path(table.path)
    if not path.is_file():
        raise StudyError(f"Site '{site.name}': there is no feature table '{table.path}'. Check its path.")
    cells = _one_row_a_patient(read_cells(path, None, shown), table, shown)
    cells.index = column_values(cells.index.to_series(), "patient_id")
    _refuse_doubles(cells, shown)
    engine = _stated_engine(cells)
    people = {same_header(name) for name in _patient_columns(study, site)}
    values, left_out = {}, {}
    for header in cells:
        name = feature_name(header)
        if same_header(header) in people:
            left_out[header] = "column of the patients' table"
        elif header.lower().startswith(DIAGNOSTICS):
            left_out[header] = "PyRadiomics' diagnostics, no feature"
        elif name in values:
            raise StudyError(f"{shown} has two columns for the feature '{name}': keep one of them.")
        else:
            values[name] = _numbers(cells[header])
    ready = pd.DataFrame(values, index=cells.index)
    _refuse_lost_decimals(ready, shown)
    return Ready(ready, left_out, engine)


def _one_row_a_patient(cells: pd.DataFrame, table: FeatureTable, shown: str) -> pd.DataFrame:
    """The table indexed by patient, SlicerRadiomics' long tables turned."""
    headers = {same_header(header): header for header in cells.columns}
    image = next((headers[key] for key in map(same_header, IMAGE_COLUMNS) if key in headers), None)
    wanted, patient = [headers.get(same_header(name)) for name in LONG], same_header(table.patient_id)
    if image is None or None in wanted:
        if patient not in headers:
            raise StudyError(
                f"{shown} has no column '{table.patient_id}' with the patient numbers: name the right one "
                f"under patient_id. Its first columns are {', '.join(cells.columns[:5])}."
            )
        return cells.set_index(headers[patient])
    names = cells[[image, *wanted]].agg("_".join, axis=1)
    rest = cells.drop(columns=[image, *wanted])
    if patient not in headers:
        return rest.set_axis(names).T
    values = rest.columns.difference([headers[patient]])
    if len(values) != 1:
        raise StudyError(f"{shown} needs one column of values beside '{table.patient_id}' and the names.")
    keys = pd.MultiIndex.from_arrays([cells[headers[patient]], names])
    if keys.has_duplicates:
        raise StudyError(f"{shown} gives the same feature of a patient twice: keep one row for each.")
    return pd.Series(cells[values[0]].to_numpy(), keys).unstack(fill_value="")[list(dict.fromkeys(names))]


def _refuse_doubles(cells: pd.DataFrame, shown: str) -> None:
    doubled = cells.columns[cells.columns.duplicated()]
    if len(doubled):
        raise StudyError(f"{shown} has two columns '{doubled[0]}': keep one of them.")
    empty, twice = (cells.index == "").sum(), cells.index[cells.index != ""].duplicated(keep=False).sum()
    if empty:
        raise StudyError(f"{shown}: {empty} row(s) have no patient number. Fill it in, or delete the rows.")
    if twice:
        raise StudyError(
            f"{shown}: {twice} rows share a patient number with another row. Keep one row a patient; "
            "features of several regions of a patient go into columns."
        )


def _patient_columns(study: Study, site: Site) -> list[str]:
    """Headers that belong to the patients' table, which may be the same file."""
    ours = ["patient_id", "age", "sex", "t_score", "interval_days", "outcome", *study.predictors]
    ours += ["scanner", "exclusion", "allocation"]
    return [*ours, *site.table.columns.values()]


def _refuse_lost_decimals(values: pd.DataFrame, shown: str) -> None:
    """Refuse the whole table: where bounded features show it, the others have lost their decimals too."""
    numbers = values.select_dtypes("number")
    bounded = numbers[[name for name in numbers if _BOUNDED.search(name)]]
    wrong = bounded.columns[(bounded.abs() > _LARGEST_BOUNDED).any()]
    if len(wrong):
        raise StudyError(
            f"{shown}: {len(wrong)} column(s) hold impossibly large numbers, for example '{wrong[0]}', which "
            "cannot exceed 1. So it looks when Excel takes decimal points for thousands: export the table "
            "anew, and do not save it in Excel."
        )


def _stated_engine(cells: pd.DataFrame) -> dict[str, str]:
    stated = {}
    for header in cells:
        if name := STATED_VERSIONS.get(header.lower()):
            stated[name] = "/".join(sorted(set(cells[header])))
    return stated


def _numbers(texts: pd.Series) -> pd.Series:
    """Numbers with decimal points or, throughout, decimal commas; texts stay texts."""
    filled = texts.where(~texts.str.casefold().isin(MISSING), "")
    for reading in (filled, filled.str.replace(",", ".", regex=False)):
        numbers = pd.to_numeric(reading, errors="coerce")
        if not (numbers.isna() & (reading != "")).any():
            return numbers.astype(float)
    return texts


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
    ready = {site.name: read_features(run.study, site, site.features) for site in run.study.sites}
    values = pd.concat(
        [_of_cohort(run, name, one.values, cohort) for name, one in ready.items()], join="inner"
    )
    if values.empty:
        raise StudyError(
            "No patient of the patients' tables has a row in the feature tables: the patient numbers must be "
            "written alike in both."
        )
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
    run.write("features", values.rename_axis("patient_id").reset_index())
    _write_agreement(run, cohort, values)
    return _summed_up(left_out | unusable, absent, run.study.min_cell)


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
    if np.ptp(values.to_numpy()) == 0:
        return "the same in all patients"
    return ""


def _write_agreement(run: Run, cohort: pd.DataFrame, values: pd.DataFrame) -> None:
    """Artifacts ``features_reader2`` and ``icc``, of the training patients that two readers measured."""
    second = pd.DataFrame(index=pd.Index([], dtype=str), columns=values.columns, dtype=float)
    for site in run.study.development_sites:
        if site.second_reader_features is not None:
            training = cohort[cohort["cohort"] == "training"]
            table = read_features(run.study, site, site.second_reader_features).values
            read = _of_cohort(run, site.name, table, training).reindex(columns=values.columns)
            second = pd.concat([second, read]) if len(second) else read
    second = second.apply(pd.to_numeric, errors="coerce").rename_axis("patient_id").reset_index()
    run.write("features_reader2", second.astype({"patient_id": str}))
    first = values.rename_axis("patient_id").reset_index()
    agreement = reader_icc(first, second)
    run.write("icc", agreement if len(second) else agreement.iloc[:0])


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


def engine_of(study: Study) -> dict[str, str]:
    """The engine behind a study's features: this machine's, or what ready feature tables state.

    Returns
    -------
    dict
        Version by package, "/" between those of tables that differ; empty when the tables state none.
    """
    if not study.has_features:
        return engine_versions()
    stated = [read_features(study, site, site.features).engine for site in study.sites]
    return {
        name: "/".join(sorted({engine.get(name, "not stated") for engine in stated}))
        for name in sorted({name for engine in stated for name in engine})
    }


def check_feature_tables(study: Study) -> list[str]:
    """Everything that would stop the sites' feature tables, one sentence a table; empty when all is well."""
    problems = []
    for site in study.sites:
        for table in filter(None, (site.features, site.second_reader_features)):
            try:
                usable_columns(read_features(study, site, table).values)
            except StudyError as error:
                problems.append(str(error))
    return problems
