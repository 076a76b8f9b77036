"""Points in files: 3D Slicer's markups, MITK's, CSV, and points of an RTSTRUCT; all become mm, LPS.

Who wrote a point must say in which coordinates: none are guessed. A point belongs to the vertebra that its
name says: T12 or L1, with whatever stands around it. MITK's points have no names: there the upper one of two
is T12's.
"""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pydicom
import SimpleITK as sitk

from helpers.errors import StudyError
from helpers.study.pseudonyms import same_number
from helpers.study.sites import Vertebra

System = Literal["LPS", "RAS", "voxels"]
# CSV: three columns by which the coordinates are known. Voxels are counted from 0.
COLUMNS: dict[System, tuple[str, str, str]] = {
    "LPS": ("x_lps", "y_lps", "z_lps"),
    "RAS": ("x_ras", "y_ras", "z_ras"),
    "voxels": ("i", "j", "k"),
}
_NAME_COLUMNS = ("vertebra", "label", "name", "椎体")
_NAMES = {"T12": r"(?<![a-z0-9])th?-?12(?!\d)|胸-?12", "L1": r"(?<![a-z0-9])l-?0?1(?!\d)|腰-?1(?!\d)"}
# Slicer: before version 4.11 numbers stood for the coordinate systems.
_FCSV_SYSTEMS = {"0": "RAS", "1": "LPS", "RAS": "RAS", "LPS": "LPS"}
_ENCODINGS = ("utf-8-sig", "gbk")


class Mark(NamedTuple):
    """One named point as it stands in a file."""

    name: str
    place: tuple[float, float, float]
    system: System


def read_marks(path: Path) -> list[Mark]:
    """Read all points of one patient's file.

    Raises
    ------
    StudyError
        When it cannot be read, or does not say in which coordinates.
    """
    name = path.name.lower()
    if name.endswith(".json"):
        return _slicer_json(path)
    if name.endswith(".fcsv"):
        return _slicer_fcsv(_text(path))
    if name.endswith(".mps"):
        return _mitk(path)
    if name.endswith((".csv", ".txt")):
        return [_mark(row) for row in _rows(path)]
    return _rtstruct(path)


def marks_of_patient(path: Path, header: str, number: str) -> list[Mark]:
    """Points of one patient in a table with a row a point; ``header`` is that of the patient numbers."""
    rows = _rows(path)
    if rows and header not in rows[0]:
        raise StudyError(
            f"the table has no column '{header}'. Name it in the study file: points: patient_id."
        )
    return [_mark(row) for row in rows if same_number(row[header] or "") == same_number(number)]


def places(marks: Iterable[Mark], image: sitk.Image, is_folder: bool) -> dict[Vertebra, np.ndarray]:
    """Place (mm, LPS) of each vertebra's point.

    Parameters
    ----------
    marks : iterable of Mark
    image : sitk.Image
        Whose voxels are counted.
    is_folder : bool
        The image is a folder of DICOM files, whose slices programs count in their own ways.

    Raises
    ------
    StudyError
        When no point is T12's or L1's, two are of one vertebra, or voxels are counted in a DICOM folder.
    """
    found: dict[Vertebra, np.ndarray] = {}
    for mark in marks:
        vertebra = vertebra_named(mark.name)
        if vertebra is None:
            continue
        if vertebra in found:
            raise StudyError(f"there are two points of {vertebra}. Keep one.", "mask")
        if mark.system == "voxels" and is_folder:
            raise StudyError(
                "voxels are counted, but the image is a DICOM folder, whose slices programs count in "
                "their own ways. Give millimetres (x_lps, y_lps, z_lps).",
                "mask",
            )
        place = np.array(mark.place)
        if mark.system == "voxels":
            place = np.array(image.TransformContinuousIndexToPhysicalPoint(place.tolist()))
        found[vertebra] = place * ([-1, -1, 1] if mark.system == "RAS" else 1)
    if not found:
        raise StudyError("no point is named T12 or L1. Name the points after their vertebrae.", "mask")
    return found


def vertebra_named(name: str) -> Vertebra | None:
    """The vertebra that a point's name says; None where it says none, or both."""
    said = [vertebra for vertebra, pattern in _NAMES.items() if re.search(pattern, name.casefold())]
    return said[0] if len(said) == 1 else None


def _text(path: Path) -> str:
    content = path.read_bytes()
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise StudyError("the file is no text. Save it as CSV (UTF-8).")


def _rows(path: Path) -> list[dict[str, str]]:
    text = _text(path)
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def _mark(row: dict[str, str]) -> Mark:
    cells = {(header or "").strip().casefold(): cell or "" for header, cell in row.items() if header}
    systems = [system for system, columns in COLUMNS.items() if set(columns) <= set(cells)]
    if len(systems) != 1:
        raise StudyError(
            "the columns do not say in which coordinates the points are. Name them x_lps, y_lps, z_lps or "
            "x_ras, y_ras, z_ras (mm), or i, j, k (voxels, counted from 0)."
        )
    name = next((cells[column] for column in _NAME_COLUMNS if column in cells), None)
    if name is None:
        raise StudyError("there is no column 'vertebra' that says T12 or L1. Add it.")
    return Mark(name, _numbers([cells[column] for column in COLUMNS[systems[0]]]), systems[0])


def _numbers(cells: list) -> tuple[float, float, float]:
    try:
        x, y, z = (float(cell) for cell in cells)
    except (TypeError, ValueError):
        raise StudyError("a point has no three numbers as coordinates. Correct the file.") from None
    if not np.isfinite([x, y, z]).all():
        raise StudyError("a point has no three numbers as coordinates. Correct the file.")
    return x, y, z


def _slicer_json(path: Path) -> list[Mark]:
    """Slicer's markups; the schema says that coordinates are LPS where the file does not say."""
    try:
        markups = json.loads(_text(path))["markups"]
        listed = [(markup.get("coordinateSystem", "LPS"), markup["controlPoints"]) for markup in markups]
        points = [
            (system, str(point.get("label", "")), point.get("position"))
            for system, own in listed
            for point in own
            if point.get("positionStatus", "defined") == "defined"
        ]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StudyError(
            "the file holds no markups of 3D Slicer. Save the points again (.mrk.json)."
        ) from None
    wrong = next((system for system, *_ in points if system not in ("LPS", "RAS")), None)
    if wrong is not None:
        raise StudyError("its coordinate system is neither LPS nor RAS. Save the points again in 3D Slicer.")
    return [Mark(name, _numbers(list(place or [])), system) for system, name, place in points]


def _slicer_fcsv(text: str) -> list[Mark]:
    """Slicer's older fiducials: comments say which coordinates and columns."""
    said = dict(re.findall(r"^#\s*(\w+)\s*=\s*(.*?)\s*$", text, re.MULTILINE))
    system = _FCSV_SYSTEMS.get(said.get("CoordinateSystem", ""))
    if system is None:
        raise StudyError(
            "the line '# CoordinateSystem = LPS' (or RAS) is missing. Save the points again in 3D Slicer."
        )
    columns = [
        column.strip() for column in said.get("columns", "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label").split(",")
    ]
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    points = [dict(zip(columns, cells, strict=False)) for cells in csv.reader(lines)]
    return [Mark(str(p.get("label", "")), _numbers([p.get(axis) for axis in "xyz"]), system) for p in points]


def _mitk(path: Path) -> list[Mark]:
    """MITK's point set: mm, LPS, turned by the set's own geometry, which mostly turns nothing.

    Source: MITK's PointSetWriterService and Geometry3DToXML (file version 0.1).
    """
    try:
        root = ElementTree.parse(path).getroot()
        found = [
            geometry @ [*_numbers([point.findtext(axis) for axis in "xyz"]), 1]
            for series in root.findall("point_set/time_series") or root.findall("point_set")
            for geometry in [_mitk_geometry(series.find("Geometry3D"))]
            for point in series.findall("point")
        ]
    except (ElementTree.ParseError, AttributeError, TypeError, KeyError):
        raise StudyError("the file holds no point set of MITK. Save the points again (.mps).") from None
    if len(found) != 2:
        raise StudyError(
            f"the file has {len(found)} points. MITK's points have no names: set two, in the middle of T12 "
            "and of L1."
        )
    lower, upper = sorted(found, key=lambda place: place[2])
    return [Mark(name, _numbers(list(place)), "LPS") for name, place in (("T12", upper), ("L1", lower))]


def _mitk_geometry(element: ElementTree.Element | None) -> np.ndarray:
    """Rows of a turn and a shift (3, 4); older files have none, and turn nothing."""
    if element is None:
        return np.eye(3, 4)
    turn, shift = element.find("IndexToWorld"), element.find("Offset")
    turned = [_numbers([turn.attrib[f"m_{row}_{column}"] for column in range(3)]) for row in range(3)]
    return np.column_stack([turned, _numbers([shift.attrib[axis] for axis in "xyz"])])


def _rtstruct(path: Path) -> list[Mark]:
    try:
        dataset = pydicom.dcmread(path)
        names = {int(roi.ROINumber): str(roi.ROIName) for roi in dataset.StructureSetROISequence}
        points = [
            (names[int(roi.ReferencedROINumber)], list(contour.ContourData))
            for roi in dataset.ROIContourSequence
            for contour in roi.get("ContourSequence", [])
            if contour.ContourGeometricType == "POINT"
        ]
    except Exception:  # a damaged file can raise nearly anything
        raise StudyError(
            "the file holds no points that are known: 3D Slicer's .mrk.json or .fcsv, MITK's .mps, CSV, or "
            "an RTSTRUCT's. Export the points again."
        ) from None
    return [Mark(name, _numbers(place), "LPS") for name, place in points]
