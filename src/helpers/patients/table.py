"""Hospitals' own tables: read, checked as a whole, brought to our columns and spellings.

Dates and raw patient numbers stay behind this module: what leaves it are days between dates, and pseudonyms.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from helpers.errors import StudyError
from helpers.imaging.archives import has_archive_beside
from helpers.patients import spellings
from helpers.patients.cells import read_cells, same_header
from helpers.patients.columns import DATES, LIMITS, OPTIONAL, REQUIRED, T_SCORES, YES_NO, Fault, is_missing
from helpers.patients.columns import faults as column_faults
from helpers.patients.columns import values as column_values
from helpers.patients.own_ways import in_common_words
from helpers.patients.site_rows import rows_of_nobody, rows_of_site, shared_patients
from helpers.study import pseudonyms
from helpers.study.patterns import patient_path
from helpers.study.run_folder import Run
from helpers.study.sites import CLICK, PointTable, Site
from helpers.study.study_file import Study

_ROWS_TOLD = 10
# Columns and coefficients that the chapters make themselves.
RESERVED = ("outcome", "site", "cohort", "second_reader", "rad_score", "trabecular_hu", "Intercept")
RESERVED += ("radiomics", "radiomics_log_odds", "region")
_T_SCORE_ROUNDING = 0.05
# So many people of 50 or more cannot all have bone denser than the young adults' mean.
ENOUGH_T_SCORES = 10


def check_tables(study: Study) -> list[str]:
    """Everything that is wrong in the sites' tables, one sentence a problem; empty when all is well.

    Raw patient numbers do not appear: rows are named as a spreadsheet numbers them.
    """
    problems, numbers, sound = _predictor_names(study), [], []
    for site in study.sites:
        if site.virtual is not None:
            problems += _virtual_problems(study, site)
            continue
        try:
            table = _HospitalTable.read(study, site)
        except StudyError as error:
            problems.append(str(error))
            continue
        found = table.problems() or _missing_files(table)
        problems += [f"Table '{site.table.path}': {problem}" for problem in found]
        sound += [] if found else [table]
        if "patient_id" in table.texts:
            numbers.append((site, table.values("patient_id")))
    return problems + shared_patients(numbers) + _unlike_predictors(study, sound)


def table_remarks(study: Study) -> list[str]:
    """What stops nothing in tables that `check_tables` has passed, and should be known: a sentence each."""
    tables = [_HospitalTable.read(study, site) for site in study.sites if site.virtual is None]
    found = [f"Table '{table.site.table.path}': {remark}" for table in tables for remark in table.remarks()]
    return found + rows_of_nobody((table.site, table.texts.index, table.rows) for table in tables)


def read_table(run: Run, site: Site) -> pd.DataFrame:
    """One site's table, which `check_tables` has passed, with pseudonyms for raw patient numbers.

    Returns
    -------
    DataFrame
        patient_id, site, age (years), sex, exclusion, and as far as the table has them: t_score (the lowest
        given), outcome (0/1; where the study file says that it is given), interval_days, scanner,
        allocation, fracture and contrast (booleans), and the study's predictors. A table without outcomes
        gives neither t_score nor outcome.
    """
    people = _HospitalTable.read(run.study, site).people()
    people["patient_id"] = pseudonyms.pseudonyms(run, site.name, people["patient_id"].tolist())
    return people.assign(site=site.name).reset_index(drop=True)


def needs_outcome(study: Study) -> bool:
    """Whether every patient needs an outcome: a model is fitted here, not only applied."""
    return bool(study.development_sites)


def _required(study: Study) -> list[str]:
    """Columns that every table has: age and sex unless the study does without them as predictors."""
    return [name for name in REQUIRED if name not in ("age", "sex") or name in study.predictors]


def _extra(study: Study) -> list[str]:
    """Clinical predictors beyond age and sex."""
    return [name for name in study.predictors if name not in ("age", "sex")]


def _outcome(study: Study) -> list[str]:
    """Columns of which one gives the outcome."""
    return ["outcome"] if study.outcome.given else T_SCORES


def _known(study: Study) -> list[str]:
    """Our columns."""
    scores = T_SCORES if study.outcome.is_the_papers else []
    return list(dict.fromkeys([*REQUIRED, *_outcome(study), *scores, *OPTIONAL, *_extra(study)]))


def _predictor_names(study: Study) -> list[str]:
    taken = {*REQUIRED, *T_SCORES, *OPTIONAL, *RESERVED}
    found = [
        f"The predictor '{name}' has the name of a column with another meaning: call it otherwise, for "
        f"example {name}_history, and map that name under columns."
        for name in _extra(study)
        if name in taken
    ]
    return found + [
        f"The predictor '{name}' has a '=' in its name, which stands between a predictor and its category in "
        "the results: call it otherwise, and map that name under columns."
        for name in _extra(study)
        if "=" in name
    ]


def _unlike_predictors(study: Study, tables: list[_HospitalTable]) -> list[str]:
    """Predictors that are numbers in one table and words in another."""
    found = []
    for name in _extra(study):
        places: dict[bool, list[str]] = {True: [], False: []}
        for table in tables:
            numeric = pd.api.types.is_numeric_dtype(table.values(name))
            places[numeric].append(f"'{table.site.table.path}'")
        if all(places.values()):
            found.append(
                f"The predictor '{name}' is a number in {', '.join(places[True])} and words in "
                f"{', '.join(places[False])}: write it alike in all tables."
            )
    return found


def _virtual_problems(study: Study, site: Site) -> list[str]:
    problems = [
        f"Site '{site.name}': virtual patients have no predictor '{name}'; they have age and sex."
        for name in _extra(study)
    ]
    if study.outcome.given:
        problems.append(
            f"Site '{site.name}': virtual patients have T-scores: leave out 'given' and 'name' of outcome."
        )
    if not study.path(site.virtual.protocol).is_file():
        problems.append(
            f"Site '{site.name}': there is no protocol '{site.virtual.protocol}'. Check its path."
        )
    return problems


@dataclass(frozen=True)
class _HospitalTable:
    """A site's table as text, under our column names.

    Attributes
    ----------
    texts : DataFrame
        Our columns that the table has; the index is the row number in the spreadsheet.
    headers : list of str
        All headers of the table.
    rows : Index
        All rows of the table, those of other sites too.
    """

    study: Study
    site: Site
    texts: pd.DataFrame
    headers: list[str]
    rows: pd.Index

    @classmethod
    def read(cls, study: Study, site: Site) -> _HospitalTable:
        path = study.path(site.table.path)
        if not path.is_file():
            raise StudyError(f"Site '{site.name}': there is no table '{site.table.path}'. Check its path.")
        table = read_cells(path, site.table.sheet, f"Table '{site.table.path}'")
        cells, headers = rows_of_site(table, site), list(table.columns)
        places = {same_header(header): place for place, header in reversed([*enumerate(headers)])}
        names = [*_known(study), "birth_date"]
        wanted = {name: same_header(site.table.columns.get(name, name)) for name in names}
        texts = {name: cells.iloc[:, places[key]] for name, key in wanted.items() if key in places}
        understood = in_common_words(pd.DataFrame(texts, index=cells.index), site.table)
        return cls(study, site, understood, headers, table.index)

    def problems(self) -> list[str]:
        """What is wrong: headers first, then column by column, then what columns say of each other."""
        found = self._header_problems()
        if "patient_id" not in self.texts:
            return found
        for name in self.texts:
            must_be_filled = self.staying & self._is_needed(name)
            for fault in column_faults(self.texts[name], name, must_be_filled):
                found.append(f"column '{self.header(name)}': {self._told(fault)}")
        found += [problem for problem, enough in self._lost_signs() if enough]
        rows = [*self._t_score_faults(), *self._interval_faults()]
        return found + [self._told(fault) for fault in rows if fault.wrong.any()]

    def remarks(self) -> list[str]:
        """What may be right, but seldom is."""
        found = [problem for problem, enough in self._lost_signs() if not enough]
        if not self.has_outcome:
            found.append(
                f"no outcome is known ({' or '.join(_outcome(self.study))}): a model can be applied to these "
                "patients, not judged."
            )
        return found

    def _lost_signs(self) -> list[tuple[str, bool]]:
        """Columns of T-scores without one below 0, and whether they hold enough for this to be wrong."""
        found = []
        for name in [name for name in T_SCORES if name in self.texts]:
            scores = self.values(name).dropna()
            if len(scores) and scores.min() >= 0:
                told = (
                    f"column '{self.header(name)}': none of its {len(scores)} T-scores is below 0. The minus "
                    "signs seem to have been lost; take the column from the densitometer's own export again."
                )
                found.append((told, len(scores) >= ENOUGH_T_SCORES))
        return found

    def people(self) -> pd.DataFrame:
        """The table in our words; patient numbers are still raw."""
        carried = [
            *REQUIRED,
            "scanner",
            "accepted",
            "allocation",
            *YES_NO,
            "outcome",
            *_extra(self.study),
        ]
        people = pd.DataFrame({name: self.values(name) for name in carried if name in self.texts})
        people["exclusion"] = self.reasons
        for name, values in (("t_score", self._t_scores()), ("interval_days", self._intervals())):
            if values is not None:
                people[name] = values
        if not self.has_outcome:
            people = people.drop(columns=["t_score", "outcome"], errors="ignore")
        return people

    def header(self, name: str) -> str:
        """What the hospital calls our column ``name``."""
        return self.site.table.columns.get(name, name)

    def values(self, name: str) -> pd.Series:
        """Our column ``name``, read."""
        return column_values(self.texts[name], name)

    @property
    def reasons(self) -> pd.Series:
        """Why a patient is excluded; "" for those who stay."""
        if "exclusion" in self.texts:
            return self.values("exclusion")
        return pd.Series("", index=self.texts.index)

    @property
    def staying(self) -> pd.Series:
        """Who has no written reason to go."""
        return self.reasons == ""

    @property
    def has_outcome(self) -> bool:
        """Whether the outcome of anyone who stays is known."""
        columns = self.texts.columns.intersection(_outcome(self.study))
        return any((~is_missing(self.texts.loc[self.staying, name])).any() for name in columns)

    def _is_needed(self, name: str) -> bool:
        """Whether everyone who stays needs a value in this column."""
        if name == "outcome":
            return needs_outcome(self.study) or self.has_outcome
        return name in ("age", "sex", *YES_NO, *_extra(self.study))

    def _lowest_of_sites(self) -> pd.Series | None:
        measured = [self.values(name) for name in T_SCORES[1:] if name in self.texts]
        return pd.concat(measured, axis=1).min(axis=1) if measured else None

    def _t_scores(self) -> pd.Series | None:
        """The T-score given, else the lowest of the measured sites."""
        given = self.values("t_score") if "t_score" in self.texts else None
        lowest = self._lowest_of_sites()
        return lowest if given is None else given if lowest is None else given.fillna(lowest)

    def _intervals(self) -> pd.Series | None:
        """Days between CT and DXA: those given, else between the two dates."""
        given = self.values("interval_days") if "interval_days" in self.texts else None
        between = self._days_between()
        return between if given is None else given if between is None else given.fillna(between)

    def _days_between(self) -> pd.Series | None:
        if not set(DATES) <= set(self.texts):
            return None
        ct, dxa = map(self.values, DATES)
        return (ct - dxa).dt.days.abs().astype(float)

    def _header_problems(self) -> list[str]:
        known = _known(self.study)
        found = [
            f"the study file maps '{name}', which is none of our columns ({', '.join(known)}) "
            "and no predictor; remove it or name it under predictors."
            for name in sorted(set(self.site.table.columns) - {*known, "birth_date"})
        ]
        if sum(spellings.number(header) is not None for header in self.headers) > 1:
            return [*found, "its first row holds numbers, not headers. Add a row that names the columns."]
        asked = [*_required(self.study), *_extra(self.study), *self.site.table.columns]
        missing = [name for name in known if name in asked and name not in self.texts]
        found += [
            f"column '{self.header(name)}' ({name}) is missing; add it, or name the right one under columns. "
            f"The table has: {', '.join(self.headers)}."
            for name in missing
        ]
        outcome = _outcome(self.study)
        if needs_outcome(self.study) and not set(outcome) & {*self.texts, *missing}:
            found.append(
                f"no column gives the outcome ({' or '.join(outcome)}); add one, or name it under columns. "
                f"The table has: {', '.join(self.headers)}."
            )
        if len(set(DATES) & set(self.texts)) == 1 and "interval_days" not in self.texts:
            found.append("of ct_date and dxa_date only one is there; add the other, or interval_days.")
        return found + self._twice()

    def _twice(self) -> list[str]:
        """Headers of ours that stand over two columns."""
        keys = [same_header(header) for header in self.headers]
        ours = dict.fromkeys(self.header(name) for name in self.texts)
        return [
            f"two columns are called '{header}'; rename the one that is not meant."
            for header in ours
            if keys.count(same_header(header)) > 1
        ]

    def _t_score_faults(self) -> list[Fault]:
        given = [name for name in T_SCORES if name in self.texts]
        found = []
        if given and not self.study.outcome.given and (needs_outcome(self.study) or self.has_outcome):
            headers = " or ".join(f"'{self.header(name)}'" for name in given)
            remedy = f"no T-score in {headers}; fill it in, or write under exclusion why not"
            blank = pd.concat([is_missing(self.texts[name]) for name in given], axis=1).all(axis=1)
            found.append(Fault(blank & self.staying, remedy))
        lowest = self._lowest_of_sites()
        if "t_score" in given and lowest is not None:
            differs = (self.values("t_score") - lowest).abs() > _T_SCORE_ROUNDING
            found.append(Fault(differs, f"'{self.header('t_score')}' is not the lowest T-score; correct one"))
        return found

    def _interval_faults(self) -> list[Fault]:
        between = self._days_between()
        if between is None:
            return []
        found = [Fault(between > LIMITS["interval_days"][1], "CT and DXA lie more than 10 years apart")]
        if "interval_days" in self.texts:
            differs = (self.values("interval_days") - between).abs() > 1
            found.append(Fault(differs, "interval_days is not the time between the two dates; correct one"))
        return found

    def _told(self, fault: Fault) -> str:
        """A sentence with the rows concerned, and what they hold unless it is a patient's number."""
        numbers = set(self.texts["patient_id"])
        rows = fault.wrong.index[fault.wrong]
        hidden = fault.shown is None
        told = [
            f"row {row}" + ("" if hidden or fault.shown[row] in numbers else f" ('{fault.shown[row]}')")
            for row in rows[:_ROWS_TOLD]
        ]
        more = f" and {len(rows) - _ROWS_TOLD} more rows" if len(rows) > _ROWS_TOLD else ""
        return f"{', '.join(told)}{more}: {fault.remedy}."


def _missing_files(table: _HospitalTable) -> list[str]:
    """A pattern that finds no file at all is a slip in the study file; single missing files go to QC."""
    numbers = table.values("patient_id")[table.staying]
    hint = ""
    if numbers.str.fullmatch(r"\d+").all():
        hint = " If Excel has dropped leading zeros of the patient numbers, format that column as text."
    points = table.site.points
    found = []
    if isinstance(points, PointTable) and not table.study.path(points.path).is_file():
        found.append(f"there is no table of points '{points.path}'; check that path in the study file.")
    for key, pattern in _patterns(table.site):
        paths = [patient_path(table.study, table.site, pattern, raw) for raw in numbers]
        if not any(path.exists() for path in paths):
            told = f"none of the {len(numbers)} patients has {key} at '{pattern}'; "
            if any(map(has_archive_beside, paths)):
                found.append(f"{told}archives (zip files or their like) lie there: unpack them.")
            else:
                found.append(f"{told}check that path in the study file.{hint}")
    return found


def _patterns(site: Site) -> list[tuple[str, str]]:
    """Path patterns of a site's images and masks, with their keys in the study file."""
    masks = site.masks if isinstance(site.masks, dict) else {"": site.masks}
    named = [("images", site.images), *((f"masks {key}".strip(), one) for key, one in masks.items())]
    if site.points is not None:  # who has a point needs no mask
        files = isinstance(site.points, str) and site.points != CLICK
        named = [("images", site.images), ("points", site.points if files else None)]
    return [(key, pattern) for key, pattern in named if pattern is not None]
