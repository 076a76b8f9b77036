"""DICOM files in any order, sorted: whose they are, what they show, and which of them are a chest CT."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from tqdm import tqdm

from helpers.imaging.dicom import THIN_MM, kernel, other_kind
from helpers.imaging.dicom_headers import (
    STEP_TOLERANCE_MM,
    numbers_of,
    read_header,
    slice_normal,
    texts_of,
)
from helpers.study.pseudonyms import same_number

_MORE = ("SOPInstanceUID", "StudyDate", "PatientSex", "PatientAge", "PatientComments")
_DRAWN = {"SEG", "RTSTRUCT"}
SIMULATED = "simulated, not a real patient"  # what helpers.virtual.export writes


@dataclass
class Series:
    """One axial CT series of a patient.

    Attributes
    ----------
    day : str
        Day of the examination, as the header writes it.
    kernel : str
    files : dict of str to Path
        The first file of each slice, by the slice's UID.
    heights : set of float
        Places of the slices along the patient (mm).
    """

    day: str
    kernel: str
    files: dict[str, Path] = field(default_factory=dict)
    heights: set[float] = field(default_factory=set)

    @property
    def step_mm(self) -> float:
        """Usual distance between slices; 0 where they are no volume."""
        steps = np.diff(sorted(self.heights))
        steps = steps[steps > STEP_TOLERANCE_MM]
        return float(np.median(steps)) if steps.size else 0.0


@dataclass
class Person:
    """What the DICOM files hold of one patient.

    Attributes
    ----------
    number : str
        PatientID; where files have none, the name of their folder.
    series : dict
        Axial CT series.
    files : list of Path
        All of the patient's files.
    drawn : list of Path
        DICOM SEG and RTSTRUCT.
    sex, age : str
        As the headers have them.
    """

    number: str
    series: dict[tuple, Series] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    drawn: list[Path] = field(default_factory=list)
    sex: str = ""
    age: str = ""

    def volumes(self) -> list[Series]:
        """Series that may be the wanted one: as `helpers.imaging.dicom` chooses, thick ones left aside."""
        whole = [one for one in self.series.values() if one.step_mm]
        return [one for one in whole if one.step_mm <= THIN_MM] or whole


@dataclass
class Export:
    """All DICOM files of a folder.

    Attributes
    ----------
    people : dict of str to Person
        By `same_number` of the patient number.
    dropped : Counter
        Files that are no axial CT slice, by what they are.
    damaged, copies : int
        Files that cannot be read; slices that lie there once more.
    simulated : bool
        This project's simulator wrote them.
    """

    people: dict[str, Person] = field(default_factory=dict)
    dropped: Counter = field(default_factory=Counter)
    damaged: int = 0
    copies: int = 0
    simulated: bool = False

    @property
    def single(self) -> int:
        """Axial series of one slice, or at one place: bolus timing and their like."""
        return sum(not one.step_mm for person in self.people.values() for one in person.series.values())

    @property
    def thick(self) -> int:
        """Axial series left aside for a thinner one."""
        whole = sum(bool(one.step_mm) for person in self.people.values() for one in person.series.values())
        return whole - sum(len(person.volumes()) for person in self.people.values())


def sort_dicom(files: Iterable[Path], number_of: Callable[[Path], str] | None = None) -> Export:
    """Read all headers.

    Parameters
    ----------
    files : iterable of Path
    number_of : callable, optional
        Whose a file is by its place, where the headers' PatientID says nothing.
    """
    export, known = Export(), {}
    for path in tqdm([*files], desc="DICOM headers", unit="file", disable=None):
        header = read_header(path, known, _MORE)
        if header is None or not header:
            export.damaged += 1
            continue
        number = number_of(path) if number_of else _text(header, "PatientID")
        _take(export, number or path.parent.name, path, header)
    return export


def _take(export: Export, number: str, path: Path, header: Dataset) -> None:
    person = export.people.setdefault(same_number(number), Person(number))
    person.files.append(path)
    person.sex = person.sex or _text(header, "PatientSex")
    person.age = person.age or _text(header, "PatientAge")
    export.simulated |= SIMULATED in _text(header, "PatientComments").casefold()
    if _text(header, "Modality") in _DRAWN:
        person.drawn.append(path)
        return
    if kind := other_kind(header):
        export.dropped[kind] += 1
        return
    key = _text(header, "SeriesInstanceUID"), _text(header, "SeriesNumber")
    series = person.series.setdefault(key, Series(_text(header, "StudyDate"), kernel(header)))
    uid = _text(header, "SOPInstanceUID") or str(path)
    export.copies += uid in series.files
    series.files.setdefault(uid, path)
    height = numbers_of(header, "ImagePositionPatient") @ slice_normal(header)
    series.heights.add(round(float(height), 3))


def _text(header: Dataset, tag: str) -> str:
    return next((text.strip() for text in texts_of(header, tag)), "")


def place_of(person: Person, volumes: list[Series], owners: dict[Path, set[str]]) -> Path | list[Path]:
    """Where a patient's images lie: a folder of this patient's alone, or else the files one by one.

    Parameters
    ----------
    person : Person
    volumes : list of Series
        Those of the person that are wanted.
    owners : dict
        As `owners_of` gives them.
    """
    wanted = [path for one in volumes for path in one.files.values()]
    folder = Path(os.path.commonpath([path.parent for path in wanted]))
    own = {same_number(person.number)}
    chosen = {id(one) for one in volumes}
    unwanted = [p for one in person.volumes() if id(one) not in chosen for p in one.files.values()]
    # Copies elsewhere are no loss; series left out on purpose must not lie in the folder.
    alone = not any(path.is_relative_to(folder) for path in unwanted)
    return folder if owners.get(folder) == own and alone else wanted


def owners_of(export: Export, top: Path) -> dict[Path, set[str]]:
    """Whose files lie in each folder and below."""
    found = defaultdict(set)
    for number, person in export.people.items():
        for own in {path.parent for path in person.files}:
            for folder in (own, *own.parents):
                found[folder].add(number)
                if folder == top:
                    break
    return found
