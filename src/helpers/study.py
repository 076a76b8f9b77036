"""The study file, the run folder, and the only place that builds paths.

A study file (YAML) says where patients, images and masks come from and which rules make the outcome.
A run folder holds everything that one run of the notebooks reads and writes::

    runs/<study>/private/     patient-level artifacts, keyed by pseudonym; never leave the hospital
    runs/<study>/share/       aggregate tables and figures
    runs/<study>/notebooks/   executed notebooks
    runs/<study>/book/html/   the rendered book
    runs/<study>/run.json     versions, seed, commit, seconds and status of each notebook
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from helpers import disclosure, schemas
from helpers.errors import StudyError

REPOSITORY = Path(__file__).resolve().parents[2]
STEPS = {path.name[:2]: path.stem for path in sorted((REPOSITORY / "notebooks").glob("[0-9][0-9]_*.ipynb"))}


Vertebra = Literal["T12", "L1"]
Layer = Annotated[int, Field(ge=1, le=6)]
Masks = str | dict[Vertebra, str]
Choice = Literal["include", "exclude", "sensitivity"]


class Strict(BaseModel):
    """A part of the study file: unknown keys are errors, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VirtualSource(Strict):
    """A simulated hospital: ``patients`` of them, drawn as the protocol says."""

    protocol: Path
    patients: Annotated[int, Field(ge=8)]


class CohortTable(Strict):
    """A hospital's own table, one row a patient: CSV, or one sheet of an Excel file (the first by default).

    ``columns`` maps our names to the table's headers.
    """

    path: Path
    sheet: str | None = None
    columns: dict[str, str] = {}


class FeatureTable(Strict):
    """Ready radiomic features, one row a patient; ``patient_id`` is the header of the patient number."""

    path: Path
    patient_id: str = "patient_id"


class Site(Strict):
    """One hospital: its role, its patients' table, and images with masks, or ready features, or virtual ones.

    ``images``, ``masks`` and ``second_reader`` are path patterns with ``{patient_id}`` in them. An image is
    a DICOM folder (``series``: what the description of the wanted series holds) or a NIfTI, NRRD or MHA file.
    Masks are one file a patient, or one a vertebra. ``labels`` says what their labels mean: a numbering that
    is known by name, or each label's layer (1 to 6) or vertebra (T12, L1). Whole vertebrae are cut down to
    their bodies (``bodies``: TotalSegmentator's vertebrae_body), shrunk by ``erode_mm`` and split in thirds.
    ``segmenter`` draws the masks of a site that has none.
    """

    name: str
    role: Literal["development", "external"]
    virtual: VirtualSource | None = None
    table: CohortTable | None = None
    images: str | None = None
    series: str | None = None
    masks: Masks | None = None
    second_reader: Masks | None = None
    labels: Literal["layers", "verse", "totalsegmentator"] | dict[int | str, Layer | Vertebra] = "layers"
    bodies: str | None = None
    erode_mm: Annotated[float, Field(ge=0)] = 0.0
    segmenter: Literal["totalsegmentator", "spine-segment"] | None = None
    features: FeatureTable | None = None
    second_reader_features: FeatureTable | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Site:
        own = ["table", "images", "masks", "segmenter", "features"]
        given = [key for key in own if getattr(self, key) is not None]
        if self.virtual is not None and given:
            raise ValueError(f"site '{self.name}' has both 'virtual' and files of its own: keep one of them")
        if self.virtual is None and (missing := self._missing()):
            raise ValueError(f"site '{self.name}' needs {', '.join(missing)} (or 'virtual')")
        if self.masks is not None and self.segmenter is not None:
            raise ValueError(f"site '{self.name}' has both 'masks' and a 'segmenter': keep one of them")
        if self.features is not None and len(given) > 2:
            raise ValueError(f"site '{self.name}' has both 'features' and images: keep one of them")
        return self

    def _missing(self) -> list[str]:
        needed = {"table": self.table}
        if self.features is None:
            needed |= {"images": self.images, "masks": self.masks or self.segmenter}
        return [key for key, value in needed.items() if value is None]

    @field_validator("images", "masks", "second_reader", "bodies")
    @classmethod
    def _has_placeholder(cls, given: Masks | None) -> Masks | None:
        patterns = given.values() if isinstance(given, dict) else [given]
        if any(pattern is not None and "{patient_id}" not in pattern for pattern in patterns):
            raise ValueError("the path must hold {patient_id}, for example 'ct/{patient_id}.nii.gz'")
        return given


class Inclusion(Strict):
    """Who is in the study: CT within ``max_interval_days`` of DXA (days), at least ``min_age`` (years)."""

    max_interval_days: int = 30
    min_age: int = 50


class Outcome(Strict):
    """Osteoporosis is a DXA T-score of ``t_score_at_most`` or lower (paper 2.2).

    ``given``: the table has a ready column ``osteoporosis`` (0 or 1) instead.
    """

    t_score_at_most: float = -2.5
    given: bool = False


class Rules(Strict):
    """What happens to scans that are usable but out of the ordinary.

    ``include`` keeps them, ``exclude`` leaves them out, ``sensitivity`` keeps them and repeats the main
    results without them. Metal or cement is what exceeds ``metal_hu`` (HU) near the region.
    """

    missing_vertebra: Choice = "exclude"
    fracture: Choice = "include"
    metal: Choice = "include"
    contrast: Choice = "exclude"
    metal_hu: float = 2000.0


class Study(Strict):
    """A study file, read and checked.

    ``simulated`` says that files of a site come from a simulator too; the book then says so everywhere.
    ``extraction`` may be left out when ready features come from settings that nobody knows any more.
    Counts below ``min_cell`` are not shown in share/. ``scheduler`` is the address of a dask cluster.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    title: str
    simulated: bool = False
    seed: int
    extraction: Path | None = None
    inclusion: Inclusion = Inclusion()
    outcome: Outcome = Outcome()
    rules: Rules = Rules()
    predictors: list[str] = ["age", "sex"]
    second_reader_cases: Annotated[int, Field(ge=4)] = 40
    min_cell: Annotated[int, Field(ge=0)] = 0
    scheduler: str | None = None
    sites: Annotated[list[Site], Field(min_length=1)]
    parameters: dict[str, dict[str, bool | int | float | str | list]] = {}
    folder: Path

    @model_validator(mode="after")
    def _sites_fit_together(self) -> Study:
        roles = [site.role for site in self.sites]
        if roles.count("development") > 1:
            raise ValueError("two sites have the role 'development'; one develops, the others are external")
        names = [site.name for site in self.sites]
        if len(set(names)) < len(names):
            raise ValueError("two sites have the same name")
        if len({site.features is None for site in self.sites}) > 1:
            raise ValueError("either all sites bring ready 'features', or none does")
        if self.extraction is None and not self.has_features:
            raise ValueError("'extraction' is missing; name the file with the extraction settings")
        return self

    @property
    def has_features(self) -> bool:
        """Whether the sites bring ready features instead of images."""
        return self.sites[0].features is not None

    @property
    def is_virtual(self) -> bool:
        """Whether any of the patients are simulated."""
        return self.simulated or any(site.virtual is not None for site in self.sites)

    def path(self, relative: Path | str) -> Path:
        """Where a path written in the study file lies: relative to the study file's folder."""
        return (self.folder / relative).resolve()

    def rng(self, *step: str | int) -> np.random.Generator:
        """Random numbers of one named step: the same for any number of workers and any order of steps."""
        return np.random.default_rng(np.random.SeedSequence([self.seed, *map(_entropy, step)]))


def _entropy(part: str | int) -> int:
    return int.from_bytes(hashlib.sha256(str(part).encode()).digest()[:8], "big")


def resolve(path: Path | str) -> Path:
    """A path as the user gave it: from the working folder, else from the top of the repository."""
    path = Path(path).expanduser()
    return path if path.is_absolute() or path.exists() else REPOSITORY / path


def load_study(path: Path | str) -> Study:
    """Read a study file.

    Raises
    ------
    StudyError
        Naming every wrong key with its place in the file and the remedy.
    """
    shown, path = path, resolve(path)
    if not path.is_file():
        raise StudyError(f"There is no study file '{shown}'. Start from data/studies/template.yml.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise StudyError(f"'{shown}' is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise StudyError(f"'{shown}' is empty. Start from data/studies/template.yml.")
    try:
        return Study(**content, folder=path.parent.resolve())
    except ValidationError as error:
        raise StudyError(_explain(shown, error)) from None


def _explain(shown: Path | str, error: ValidationError) -> str:
    remedies = {
        "extra_forbidden": "is not a key that a study file knows; check its spelling against template.yml",
        "missing": "is missing; add it",
    }
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"]) or "the study"
        lines.append(
            f"{place}: {remedies.get(problem['type'], problem['msg'].removeprefix('Value error, '))}"
        )
    return f"The study file '{shown}' has {len(lines)} problem(s): " + "; ".join(lines) + "."


@dataclass(frozen=True)
class Run:
    """One run of the notebooks on one study: its folder, and how artifacts go in and out of it."""

    study: Study
    folder: Path

    @property
    def private(self) -> Path:
        """Patient-level artifacts; never leaves the hospital; other users of the machine cannot read it."""
        folder = self.folder / "private"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    @property
    def cache(self) -> Path:
        """Per-case results keyed by content."""
        return _made(self.private / "cache")

    @property
    def check_page(self) -> Path:
        """What `radbook check` found, with pictures of patients."""
        return self.private / "check.html"

    def segmentation(self, patient_id: str, content: str) -> Path:
        """Folder of the masks that a tool drew of a patient's image, which ``content`` identifies."""
        return _made(self.private / "segmentations" / patient_id) / content

    @property
    def handed_over(self) -> Path:
        """Files of a virtual hospital, exported as a real one would hand them over."""
        return self.private / "handed_over"

    @property
    def new_hospital(self) -> Path:
        """Run folder of that hospital: its pseudonyms, cache and scores."""
        return self.private / "new_hospital"

    @property
    def bundle(self) -> Path:
        """The frozen model."""
        return self.private / "bundle"

    @property
    def notebooks(self) -> Path:
        """Executed notebooks."""
        return _made(self.folder / "notebooks")

    @property
    def book(self) -> Path:
        """The rendered book and its staged sources."""
        return _made(self.folder / "book")

    @property
    def record(self) -> Path:
        """run.json."""
        return self.folder / "run.json"

    def table_path(self, name: str) -> Path:
        """Where the shared table ``name`` lies."""
        return _made(self.folder / "share" / "tables") / f"{name}.csv"

    def figure_path(self, name: str, suffix: str, private: bool = False) -> Path:
        """Where the figure ``name`` lies, as ``svg`` or ``png``: in share/ unless it shows a real patient."""
        place = self.private if private else self.folder / "share"
        return _made(place / "figures") / f"{name}.{suffix}"

    def artifact_path(self, name: str) -> Path:
        """Where the patient-level artifact ``name`` lies."""
        return self.private / f"{name}.parquet"

    def write(self, name: str, frame: pd.DataFrame) -> None:
        """Check ``frame`` against the contract called ``name`` and write it (whole, or not at all)."""
        checked = schemas.check(name, frame)
        with replacing(self.artifact_path(name)) as path:
            checked.to_parquet(path, index=False)

    def read(self, name: str) -> pd.DataFrame:
        """Read the artifact called ``name`` and check it against its contract."""
        path = self.artifact_path(name)
        if not path.is_file():
            raise StudyError(
                f"private/{path.name} is not in the run folder yet: run the notebook that writes it first "
                f"({schemas.WRITTEN_BY[name]})."
            )
        return schemas.check(name, pd.read_parquet(path))

    def write_json(self, name: str, content: dict) -> None:
        """Write a small patient-free artifact as private/<name>.json."""
        with replacing(self.private / f"{name}.json") as path:
            path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def read_json(self, name: str) -> dict:
        """Read private/<name>.json."""
        path = self.private / f"{name}.json"
        if not path.is_file():
            raise StudyError(
                f"private/{path.name} is not in the run folder yet: run the earlier notebooks first."
            )
        return json.loads(path.read_text(encoding="utf-8"))

    def write_table(self, name: str, frame: pd.DataFrame, data: str | None = None) -> pd.DataFrame:
        """Write an aggregate table to share/tables/<name>.csv; its first column says whose ``data`` it is.

        Counts below ``min_cell`` are left out there; the whole table is then in private/tables. Returned is
        the table as it may be shown.
        """
        label = data or ("virtual" if self.study.is_virtual else self.study.name)
        shown = disclosure.protect(name, frame, self.study.min_cell, self._sizes())
        tables = {self.table_path(name): shown}
        if shown is not frame:
            tables[_made(self.private / "tables") / f"{name}.csv"] = frame
        for target, table in tables.items():
            labelled = table.copy()
            labelled.insert(0, "data", label)
            with replacing(target) as path:
                labelled.to_csv(path, index=False, float_format="%.10g", lineterminator="\n")
        return shown

    def _sizes(self) -> pd.DataFrame | None:
        """Patients and those with the outcome in each cohort; None before features are selected."""
        if not self.artifact_path("rad_score").is_file():
            return None
        return self.read("rad_score").groupby("cohort")["osteoporosis"].agg(n="size", events="sum")


def open_run(study: Path | str, run_dir: Path | str) -> Run:
    """Open the run folder ``run_dir`` of the study file ``study`` (made when it is not there)."""
    folder = Path(run_dir).expanduser()
    if not folder.is_absolute() and not folder.parent.exists():
        folder = REPOSITORY / folder
    return Run(study=load_study(study), folder=_made(folder.resolve()))


class replacing:
    """Write to a temporary neighbour of ``path``, which takes its place only when all went well."""

    def __init__(self, path: Path):
        self.path = path
        self.temporary = path.with_name(f".{path.name}.{os.getpid()}.part")

    def __enter__(self) -> Path:
        return self.temporary

    def __exit__(self, kind: type | None, *_) -> None:
        if kind is None:
            self.temporary.replace(self.path)
        else:
            self.temporary.unlink(missing_ok=True)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
