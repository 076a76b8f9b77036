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

from helpers import schemas
from helpers.errors import StudyError

REPOSITORY = Path(__file__).resolve().parents[2]
STEPS = {path.name[:2]: path.stem for path in sorted((REPOSITORY / "notebooks").glob("[0-9][0-9]_*.ipynb"))}


class Strict(BaseModel):
    """A part of the study file: unknown keys are errors, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VirtualSource(Strict):
    """A simulated hospital: ``patients`` of them, drawn as the protocol says."""

    protocol: Path
    patients: Annotated[int, Field(ge=8)]


class CohortTable(Strict):
    """A hospital's own table, one row a patient; ``columns`` maps our names to the table's headers."""

    path: Path
    columns: dict[str, str] = {}


class Site(Strict):
    """One hospital: its role, and its patients' table, images and masks (files, or virtual).

    ``images``, ``masks`` and ``second_reader`` are path patterns with ``{patient_id}`` in them; an image
    may be a DICOM folder or a NIfTI, NRRD or MHA file. ``labels`` maps each mask label to its layer.
    """

    name: str
    role: Literal["development", "external"]
    virtual: VirtualSource | None = None
    table: CohortTable | None = None
    images: str | None = None
    masks: str | None = None
    second_reader: str | None = None
    labels: dict[int, int] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Site:
        missing = [key for key in ("table", "images", "masks") if getattr(self, key) is None]
        if self.virtual is None and missing:
            raise ValueError(f"site '{self.name}' needs {', '.join(missing)} (or 'virtual')")
        if self.virtual is not None and len(missing) < 3:
            raise ValueError(f"site '{self.name}' has both 'virtual' and files of its own: keep one of them")
        return self

    @field_validator("images", "masks", "second_reader")
    @classmethod
    def _has_placeholder(cls, pattern: str | None) -> str | None:
        if pattern is not None and "{patient_id}" not in pattern:
            raise ValueError("the path must hold {patient_id}, for example 'ct/{patient_id}.nii.gz'")
        return pattern


class Inclusion(Strict):
    """Who is in the study: CT within ``max_interval_days`` of DXA (days), at least ``min_age`` (years)."""

    max_interval_days: int = 30
    min_age: int = 50


class Outcome(Strict):
    """Osteoporosis is a DXA T-score of ``t_score_at_most`` or lower (paper 2.2)."""

    t_score_at_most: float = -2.5


class Study(Strict):
    """A study file, read and checked.

    ``simulated`` says that files of a site come from a simulator too; the book then says so everywhere.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    title: str
    simulated: bool = False
    seed: int
    extraction: Path
    inclusion: Inclusion = Inclusion()
    outcome: Outcome = Outcome()
    predictors: list[str] = ["age", "sex"]
    second_reader_cases: Annotated[int, Field(ge=4)] = 40
    sites: Annotated[list[Site], Field(min_length=1)]
    parameters: dict[str, dict[str, bool | int | float | str | list]] = {}
    folder: Path

    @model_validator(mode="after")
    def _one_development_site(self) -> Study:
        roles = [site.role for site in self.sites]
        if roles.count("development") != 1:
            raise ValueError("exactly one site must have role 'development'")
        names = [site.name for site in self.sites]
        if len(set(names)) < len(names):
            raise ValueError("two sites have the same name")
        return self

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
    path = Path(path)
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
        """Patient-level artifacts; never leaves the hospital."""
        return _made(self.folder / "private")

    @property
    def cache(self) -> Path:
        """Per-case results keyed by content."""
        return _made(self.private / "cache")

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
        place = "private" if private else "share"
        return _made(self.folder / place / "figures") / f"{name}.{suffix}"

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

    def write_table(self, name: str, frame: pd.DataFrame) -> None:
        """Write an aggregate table to share/tables/<name>.csv; its first column says whose data it is."""
        labelled = frame.copy()
        labelled.insert(0, "data", "virtual" if self.study.is_virtual else self.study.name)
        with replacing(self.table_path(name)) as path:
            labelled.to_csv(path, index=False, float_format="%.10g", lineterminator="\n")


def open_run(study: Path | str, run_dir: Path | str) -> Run:
    """Open the run folder ``run_dir`` of the study file ``study`` (made when it is not there)."""
    folder = Path(run_dir)
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
