"""The sites of a study file: each hospital's table, images, regions or ready features, and its role."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Vertebra = Literal["T12", "L1"]
Layer = Annotated[int, Field(ge=1, le=6)]
Masks = str | dict[Vertebra, str]
# Between a region from points and the inner side of cortex and end plates (mm): there readers draw.
POINTS_MARGIN_MM = 0.3
# In place of files of points: they are set on the page of `radbook click`, and kept in the private folder.
CLICK = "click"


class Strict(BaseModel):
    """A part of the study file: unknown keys are errors, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VirtualSource(Strict):
    """A simulated hospital: ``patients`` of them, drawn as the protocol says."""

    protocol: Path
    patients: Annotated[int, Field(ge=8)]


class CohortTable(Strict):
    """A hospital's own table, one row a patient: CSV, or one sheet of an Excel file (the first by default).

    ``columns`` maps our names to the table's headers. Of a table that several sites share, a site takes the
    rows in which every column named in ``where`` says what it says there. ``sexes`` says what codes such as
    1 and 2 mean, ``dates`` whether day or month comes first in dates such as 03/04/2024.
    """

    path: Path
    sheet: str | None = None
    columns: dict[str, str] = {}
    where: dict[str, str | int] = {}
    sexes: dict[str | int, Literal["female", "male"]] = {}
    dates: Literal["day first", "month first"] | None = None

    @field_validator("columns")
    @classmethod
    def _outcome_by_its_name(cls, columns: dict[str, str]) -> dict[str, str]:
        if "osteoporosis" in columns:
            raise ValueError(f"the key 'osteoporosis' is called 'outcome': {columns['osteoporosis']}")
        return columns


class FeatureTable(Strict):
    """Ready radiomic features, one row a patient; ``patient_id`` is the header of the patient number."""

    path: Path
    patient_id: str = "patient_id"


class PointTable(Strict):
    """Points of all patients, a row a point; ``patient_id`` is the header of the patient number."""

    path: Path
    patient_id: str = "patient_id"


class Calibration(Strict):
    """How HU of one tube voltage become those of another (``to``, kV): HU x ``slope`` + ``intercept``."""

    to: float
    slope: Annotated[float, Field(gt=0)]
    intercept: float


class Site(Strict):
    """One hospital: its role, its patients' table, and images with masks, or ready features, or virtual ones.

    ``images``, ``masks`` and ``second_reader`` are path patterns with ``{patient_id}`` in them, or with a
    column of ``files`` in braces: a table, a row a patient, that says where files lie whose names follow no
    pattern. An image is a DICOM folder, a text file that lists DICOM files (``series``: what the description
    of the wanted series holds, or several of which each patient has one), or a NIfTI, NRRD or MHA file.
    Masks are one file a patient, or one a vertebra. ``labels`` says what their labels mean: a numbering that
    is known by name, or each label's layer (1 to 6) or vertebra (T12, L1). Whole vertebrae are cut down to
    their bodies (``bodies``: TotalSegmentator's vertebrae_body), shrunk by ``erode_mm`` and split in thirds.
    ``segmenter`` draws the masks of a site that has none. From ``points`` in the middle of T12 and L1 (a file
    a patient, one table, or ``click``: set with `radbook click`) regions are drawn ``margin_mm`` away from
    cortex and end plates; a mask that is there comes first. ``kvp_calibration`` (by tube voltage, kV) makes
    HU of scans at another voltage comparable, as measured on a phantom.
    """

    name: str
    role: Literal["development", "external"]
    virtual: VirtualSource | None = None
    table: CohortTable | None = None
    files: Path | None = None
    images: str | None = None
    series: str | list[str] | None = None
    masks: Masks | None = None
    second_reader: Masks | None = None
    labels: Literal["layers", "verse", "totalsegmentator"] | dict[int | str, Layer | Vertebra] = "layers"
    bodies: str | None = None
    erode_mm: Annotated[float, Field(ge=0)] = 0.0
    segmenter: Literal["totalsegmentator", "spine-segment"] | None = None
    points: str | PointTable | None = None
    margin_mm: Annotated[float, Field(ge=0)] = POINTS_MARGIN_MM
    kvp_calibration: dict[float, Calibration] = {}
    features: FeatureTable | None = None
    second_reader_features: FeatureTable | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Site:
        own = ["table", "images", "masks", "segmenter", "points", "features"]
        given = [key for key in own if getattr(self, key) is not None]
        if self.virtual is not None and given:
            raise ValueError(f"site '{self.name}' has both 'virtual' and files of its own: keep one of them")
        if self.virtual is None and (missing := self._missing()):
            raise ValueError(f"site '{self.name}' needs {', '.join(missing)} (or 'virtual')")
        if self.masks is not None and self.segmenter is not None:
            raise ValueError(f"site '{self.name}' has both 'masks' and a 'segmenter': keep one of them")
        if self.points is not None and self.segmenter is not None:
            raise ValueError(f"site '{self.name}' has both 'points' and a 'segmenter': keep one of them")
        if self.features is not None and len(given) > 2:
            raise ValueError(f"site '{self.name}' has both 'features' and images: keep one of them")
        return self

    @property
    def has_second_reader(self) -> bool:
        """Whether some regions of this site were outlined twice."""
        return bool(self.virtual or self.second_reader or self.second_reader_features)

    def _missing(self) -> list[str]:
        needed = {"table": self.table}
        if self.features is None:
            needed |= {"images": self.images, "masks": self.masks or self.segmenter or self.points}
        return [key for key, value in needed.items() if value is None]

    @model_validator(mode="after")
    def _has_placeholders(self) -> Site:
        points = None if self.points == CLICK else self.points
        for given in (self.images, self.masks, self.second_reader, self.bodies, points):
            patterns = given.values() if isinstance(given, dict) else [given]
            if any(isinstance(pattern, str) and not self._has_placeholder(pattern) for pattern in patterns):
                raise ValueError("the path must hold {patient_id}, for example 'ct/{patient_id}.nii.gz'")
        return self

    def _has_placeholder(self, pattern: str) -> bool:
        return "{patient_id}" in pattern or bool(self.files and re.search(r"\{\w+\}", pattern))
