"""Tables of ready radiomic features: read, and named as PyRadiomics does.

A table has one row a patient and one column a feature, or it is SlicerRadiomics' table with the columns Image
type, Feature Class and Feature Name and one column a patient (or a patient column and one of values).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from helpers.errors import StudyError
from helpers.features.cache import engine_versions
from helpers.patients.cells import read_cells, same_header
from helpers.patients.columns import values as column_values
from helpers.patients.spellings import MISSING
from helpers.study.content_hash import file_hash
from helpers.study.sites import FeatureTable, Site
from helpers.study.study_file import Study

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
    path = study.path(table.path)
    if not path.is_file():
        raise StudyError(f"Site '{site.name}': there is no feature table '{table.path}'. Check its path.")
    read = _as_it_is(path, file_hash(path), table)
    return _of_site(read, study, site, f"Feature table '{table.path}'")


# Sites that share a table read it once.
@lru_cache(maxsize=2)
def _as_it_is(path: Path, content: str, table: FeatureTable) -> tuple[pd.DataFrame, dict[str, str]]:
    """The table's columns as numbers where they are, indexed by patient; and the engine that it states."""
    shown = f"Feature table '{table.path}'"
    cells = _one_row_a_patient(read_cells(path, None, shown), table, shown)
    cells.index = column_values(cells.index.to_series(), "patient_id")
    _refuse_doubles(cells, shown)
    numbers = pd.DataFrame({header: _numbers(cells[header]) for header in cells}, index=cells.index)
    return numbers, _stated_engine(cells)


def _of_site(read: tuple[pd.DataFrame, dict[str, str]], study: Study, site: Site, shown: str) -> Ready:
    """The features in a table, under PyRadiomics' names, without columns that are none."""
    cells, engine = read
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
            values[name] = cells[header]
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
    plain = pd.to_numeric(texts, errors="coerce")
    if plain.notna().all():
        return plain.astype(float)
    filled = texts.where(~texts.str.casefold().isin(MISSING), "")
    for reading in (filled, filled.str.replace(",", ".", regex=False)):
        numbers = pd.to_numeric(reading, errors="coerce")
        if not (numbers.isna() & (reading != "")).any():
            return numbers.astype(float)
    return texts


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
    """Why the sites' feature tables cannot be read, one sentence a table; empty when they can."""
    problems = []
    for site in study.sites:
        for table in filter(None, (site.features, site.second_reader_features)):
            try:
                read_features(study, site, table)
            except StudyError as error:
                problems.append(str(error))
    return problems
