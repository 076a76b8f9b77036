"""What identifies the patients of a run: numbers, names and days of its tables, DICOM headers and folders."""

from __future__ import annotations

import datetime
import itertools
import json
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pydicom

from helpers.errors import StudyError
from helpers.imaging.dicom_headers import files_at, is_dicom_place
from helpers.pages.identifiers import Identifier, days, folded
from helpers.patients.cells import read_cells, same_header
from helpers.patients.own_ways import DAY_COLUMNS
from helpers.study.patterns import filled, patient_path
from helpers.study.places import STEPS
from helpers.study.pseudonyms import identifiers, raw_ids
from helpers.study.run_folder import Run
from helpers.study.sites import CLICK, Site
from helpers.study.study_file import Study, load_study

NAME_TAGS = ["PatientName", "PatientBirthName", "PatientMotherBirthName", "OtherPatientNames"]
STAFF_TAGS = ["ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName"]
STAFF_TAGS += ["NameOfPhysiciansReadingStudy", "RequestingPhysician"]
NUMBER_TAGS = ["PatientID", "OtherPatientIDs", "AccessionNumber", "StudyID", "MedicalRecordLocator"]
NUMBER_TAGS += ["PatientTelephoneNumbers", "PatientAddress", "StudyInstanceUID", "SeriesInstanceUID"]
HOSPITAL_TAGS = ["InstitutionName", "InstitutionAddress"]
DAY_TAGS = ["PatientBirthDate", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"]
_TAGS = [*NAME_TAGS, *STAFF_TAGS, *NUMBER_TAGS, *HOSPITAL_TAGS, *DAY_TAGS]
HOME = "your home folder"
HOSPITAL = "the hospital or its staff, as the DICOM headers have it"
_Told = tuple[str, str, datetime.date | None]
_FILES_TRIED = 5
_LONGEST_DAY = 25  # characters of a cell that holds a day, with the time of day
# Headers of columns that tell who a patient is; of other columns only long numbers do.
_WHO = re.compile(
    "name|姓名|患者|病人|联系人|tel|phone|mobile|电话|手机|address|地址|住址|mail|邮箱|身份证|ssn|insurance|医保|社保"
    "|住院号|门诊号|病历号|病案号|检查号|影像号|登记号|卡号|accession|mrn|birth|dob|出生|生日",
    re.IGNORECASE,
)
_LONG_NUMBER = re.compile(r"[^\W\d_]{0,4}[-_ ]?\d{6,}[xX]?")


def patients(run: Run) -> list[Identifier]:
    """The patient numbers of the sites' tables."""
    found = [Identifier(raw, f"the number of {patient}") for patient, raw in raw_ids(run).items()]
    return [identifier for identifier in found if identifier.words]


def sites(run: Run) -> list[tuple[Study, Site]]:
    """The real sites of the run's study, and of the new hospital to which chapter 11 applied its model."""
    studies = [run.study, *_new_study(run)]
    return [(study, site) for study in studies for site in study.sites if site.virtual is None]


def _new_study(run: Run) -> list[Study]:
    executed = run.notebooks / f"{STEPS['11']}.ipynb"
    try:
        asked = json.loads(executed.read_text(encoding="utf-8"))["metadata"]["papermill"]["parameters"]
        return [load_study(asked["new_study"])] if asked.get("new_study") else []
    except (OSError, ValueError, KeyError):  # not executed; a StudyError when the file is gone is one too
        return []


def home() -> list[Identifier]:
    """The user's home folder, whose name is mostly the user's."""
    folder = Path.home()
    known = len(folder.parts) > 2
    return [Identifier(folder.as_posix().lstrip("/"), HOME, True)] if known else []


def named(run: Run) -> tuple[list[Identifier], dict[datetime.date, str]]:
    """Names and numbers, and days, that DICOM headers and tables tell of patients; none of simulated ones.

    What several patients share in a header names nobody, but for staff and hospital; those are sought unless
    the study file names them itself.
    """
    met, told = Counter(), {}
    for study, site in sites(run):
        known = identifiers(run).query("site == @site.name")
        for whose, value, day in itertools.chain(_headers(study, site, known), _cells(study, site, known)):
            if day is None:
                met[value, whose] += 1
            elif not study.simulated:
                told.setdefault(day, whose)
    owners = Counter(value for value, _ in met)
    own = Identifier(" ".join(f"{study.title} {site.name}" for study, site in sites(run)), "").words
    found = [
        Identifier(value, whose)
        for value, whose in met
        if owners[value] == 1 and not (whose == HOSPITAL and set(Identifier(value, "").words) <= set(own))
    ]
    return [identifier for identifier in found if identifier.words], told


def _headers(study: Study, site: Site, known: pd.DataFrame) -> Iterator[_Told]:
    """Whose, text and day of what the headers tell; one file a patient."""
    for row in known.itertuples() if site.images else ():
        try:
            header = _header(patient_path(study, site, site.images, row.raw_id))
        except (StudyError, OSError):  # moved since the run
            continue
        for tag, value in header:
            if tag in DAY_TAGS:
                for day in days(folded(value)):
                    yield f"a date in the DICOM header of {row.patient_id}", "", day
            elif tag in HOSPITAL_TAGS or tag in STAFF_TAGS:
                if len(Identifier(value, "").words) > 1 or not value.isascii():
                    yield HOSPITAL, value, None
            elif value != row.raw_id:
                yield f"a name or number in the DICOM header of {row.patient_id}", value, None


def _header(place: Path) -> list[tuple[str, str]]:
    """Tags and values of the first file that has any; names in several scripts one by one."""
    files = files_at(place) if is_dicom_place(place) and place.exists() else []
    for path in files[:_FILES_TRIED]:
        try:
            with warnings.catch_warnings(action="ignore"):  # they quote the header
                header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
                values = [(tag, str(part)) for tag in _TAGS for part in _several(header.get(tag))]
        except Exception:  # a damaged header can raise nearly anything; the next file will do
            continue
        # A name may stand in several scripts: Zhang^Wei=张^伟.
        parts = [(tag, part.strip()) for tag, value in values for part in value.split("=")]
        return list(dict.fromkeys((tag, part) for tag, part in parts if part))
    return []


def _several(value: object) -> list:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, pydicom.multival.MultiValue)) else [value]


def _cells(study: Study, site: Site, known: pd.DataFrame) -> Iterator[_Told]:
    """The same of a table's cells: days, columns that name people, and long numbers of other columns."""
    try:
        table = read_cells(study.path(site.table.path), site.table.sheet, "The table")
    except (StudyError, OSError):  # moved since the run; the headers still tell
        return
    numbers = table.columns[[same_header(name) == same_header(patient_column(site)) for name in table]]
    patients = dict(zip(known["raw_id"], known["patient_id"], strict=True))
    ours = {same_header(header): name for name, header in site.table.columns.items()}
    for place, header in enumerate(table.columns):
        name = ours.get(same_header(header), header)
        if header in numbers or (header != name and name not in DAY_COLUMNS):
            continue
        for row, value in enumerate(table.iloc[:, place]):
            patient = patients.get(table[numbers[0]].iloc[row]) if len(numbers) else None
            whose = f"the table's column '{header}' of {patient or 'a patient'}"
            found = days(folded(value)) if len(value) <= _LONGEST_DAY else set()
            if found or _WHO.search(header) or _LONG_NUMBER.fullmatch(value):
                yield from ((whose, "", day) for day in found)
                if not found and Identifier(value, "").is_distinctive:
                    yield whose, value, None


def patient_column(site: Site) -> str:
    """The header of the patient numbers in a site's table."""
    if site.features is not None:
        return site.features.patient_id
    return site.table.columns.get("patient_id", "patient_id") if site.table else "patient_id"


def paths(run: Run, weak: dict[str, Identifier]) -> list[Identifier]:
    """Paths as the study file writes them, for numbers that say nothing on their own: ct/12, 12.nii.gz."""
    return [
        Identifier(written, identifier.whose, True)
        for study, site in sites(run)
        for shape in sorted(_shapes(site) - {"", "{patient_id}"})
        for raw, identifier in weak.items()
        if "{" not in (written := _written(study, site, shape, raw))
    ]


def _written(study: Study, site: Site, shape: str, raw: str) -> str:
    """A pattern filled in for one patient; as it is where the table of files has moved since the run."""
    try:
        return filled(study, site, shape, raw)
    except StudyError:
        return shape


def _shapes(site: Site) -> set[str]:
    """The ends of a site's path patterns: the file's name, and its folder where the name is the number."""
    points = site.points if isinstance(site.points, str) and site.points != CLICK else None
    given = [site.images, site.masks, site.second_reader, site.bodies, points]
    shapes = set()
    for pattern in itertools.chain(*(one.values() if isinstance(one, dict) else [one] for one in given)):
        *folders, name = Path(pattern or "").parts or [""]
        shapes.add("/".join([*folders[-1:], name]) if name == "{patient_id}" else name)
    return shapes
