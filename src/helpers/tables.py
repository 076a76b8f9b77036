"""Hospitals' own tables: read, checked as a whole, brought to our columns and spellings."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers import privacy, schemas
from helpers.errors import StudyError
from helpers.study import Run, Site, Study

SEX_SPELLINGS = {
    **dict.fromkeys(["female", "f", "woman", "女", "女性"], "female"),
    **dict.fromkeys(["male", "m", "man", "男", "男性"], "male"),
}
REQUIRED = ["patient_id", "age", "sex", "t_score"]
OPTIONAL = ["interval_days", "scanner", "exclusion", "allocation"]


def check_tables(study: Study) -> list[str]:
    """Everything that is wrong in the sites' tables, one sentence a problem; empty when all is well.

    Raw patient numbers do not appear: rows are named as a spreadsheet numbers them (the header is row 1).
    """
    problems = []
    for site in study.sites:
        if site.virtual is not None:
            problems += _virtual_problems(study, site)
            continue
        try:
            table = _read_csv(study, site)
        except StudyError as error:
            problems.append(str(error))
            continue
        found = _table_problems(table, study, site) or _missing_files(table, study, site)
        problems += [f"Table '{site.table.path}': {problem}" for problem in found]
    return problems


def _virtual_problems(study: Study, site: Site) -> list[str]:
    problems = [
        f"Site '{site.name}': virtual patients have no predictor '{name}'; they have age and sex."
        for name in _extra(study)
    ]
    if not study.path(site.virtual.protocol).is_file():
        problems.append(
            f"Site '{site.name}': there is no protocol '{site.virtual.protocol}'. Check its path."
        )
    return problems


def read_table(run: Run, site: Site) -> pd.DataFrame:
    """One site's table, which `check_tables` has passed, with pseudonyms for raw patient numbers."""
    table = _read_csv(run.study, site)
    known = [column for column in [*REQUIRED, *OPTIONAL, *_extra(run.study)] if column in table]
    people = table[known].assign(site=site.name, sex=_sex(table["sex"]))
    for column in people.columns.intersection(["age", "t_score", "interval_days"]):
        people[column] = pd.to_numeric(people[column])
    for column in _extra(run.study):
        people[column] = _predictor(people[column])
    people["exclusion"] = people["exclusion"] if "exclusion" in people else ""
    people["patient_id"] = privacy.pseudonyms(run, site.name, people["patient_id"].tolist())
    return people


def _extra(study: Study) -> list[str]:
    """Clinical predictors beyond age and sex."""
    return [name for name in study.predictors if name not in REQUIRED]


def _predictor(texts: pd.Series) -> pd.Series:
    """Numbers where every value is one, else the words as they are."""
    numbers = pd.to_numeric(texts, errors="coerce")
    return texts if numbers.isna().any() else numbers


def _sex(texts: pd.Series) -> pd.Series:
    return texts.str.lower().map(SEX_SPELLINGS)


def _read_csv(study: Study, site: Site) -> pd.DataFrame:
    """A site's table as text, with our column names where the study file maps them."""
    path = study.path(site.table.path)
    if not path.is_file():
        raise StudyError(f"Site '{site.name}': there is no table '{site.table.path}'. Check its path.")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise StudyError(f"Table '{site.table.path}' is not UTF-8: save it as 'CSV UTF-8'.") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise StudyError(f"Table '{site.table.path}' is no comma-separated table: {error}.") from None
    table.columns = table.columns.str.strip()
    names = {header: name for name, header in site.table.columns.items()}
    return table.apply(lambda column: column.str.strip()).rename(columns=names)


def _table_problems(table: pd.DataFrame, study: Study, site: Site) -> list[str]:
    headers = {**{name: name for name in [*REQUIRED, *OPTIONAL, *_extra(study)]}, **site.table.columns}
    unknown = sorted(set(site.table.columns) - {*REQUIRED, *OPTIONAL, *_extra(study)})
    problems = [
        f"the study file maps '{name}', which is none of our columns ({', '.join([*REQUIRED, *OPTIONAL])}) "
        "and no predictor; remove it or name it under predictors."
        for name in unknown
    ]
    asked = [*REQUIRED, *_extra(study), *(name for name in site.table.columns if name in OPTIONAL)]
    problems += [
        f"column '{headers[name]}' ({name}) is missing; add it, or name the right one under columns. "
        f"The table has: {', '.join(table.columns)}."
        for name in asked
        if name not in table
    ]
    return problems + [
        f"column '{headers[name]}': {fault}"
        for name in headers
        if name in table
        for fault in _column_faults(table[name], name)
    ]


def _column_faults(texts: pd.Series, name: str) -> list[str]:
    """What is wrong in one column: a sentence with all rows concerned, or nothing."""
    if name in ("scanner", "exclusion"):
        return []
    if name == "allocation":
        known = texts.isin(["", *schemas.COHORTS])
        return _fault(~known, texts, "write training or internal, or leave the cell empty")
    if name == "patient_id":
        twice = texts.duplicated(keep=False) & (texts != "")
        return _fault(texts == "", texts, "every row needs a patient number", show=False) + _fault(
            twice, texts, "the same patient stands in several rows; keep one row a patient", show=False
        )
    if name == "sex":
        return _fault(_sex(texts).isna(), texts, "write female or male, F or M, 女 or 男")
    if name in ("age", "t_score", "interval_days"):
        limits = schemas.CONTRACTS["screened"].columns[name].checks[0].statistics
        low, high = limits["min_value"], limits["max_value"]
        possible = pd.to_numeric(texts, errors="coerce").between(low, high)
        if name == "interval_days":  # an unknown interval excludes the patient, it stops nobody
            possible |= texts == ""
        return _fault(~possible, texts, f"needs a number from {low} to {high}")
    return _fault(texts == "", texts, "a predictor needs a value for every patient", show=False)


def _fault(wrong: pd.Series, texts: pd.Series, remedy: str, show: bool = True) -> list[str]:
    if not wrong.any():
        return []
    rows = [f"row {row + 2}" + (f" ('{texts[row]}')" if show else "") for row in np.flatnonzero(wrong)]
    return [f"{', '.join(rows)}: {remedy}."]


def _missing_files(table: pd.DataFrame, study: Study, site: Site) -> list[str]:
    """A pattern that finds no file at all is a slip in the study file; single missing files go to QC."""
    staying = (
        table.loc[table["exclusion"] == "", "patient_id"] if "exclusion" in table else table["patient_id"]
    )
    return [
        f"none of the {len(staying)} patients has {key} at '{pattern}'; check that path in the study file."
        for key, pattern in (("images", site.images), ("masks", site.masks))
        if not any(study.path(pattern.format(patient_id=raw)).exists() for raw in staying)
    ]
