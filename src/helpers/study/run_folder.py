"""The run folder: what a run of the notebooks reads and writes, and the only place that builds its paths.

It looks like this::

    runs/<study>/private/     patient-level artifacts, keyed by pseudonym; never leave the hospital
                              ledger.json tells what made each file, here and below
    runs/<study>/share/       aggregate tables and figures
    runs/<study>/notebooks/   executed notebooks
    runs/<study>/book/html/   the rendered book
    runs/<study>/run.json     versions, seed, commit, seconds and status of each notebook
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from helpers.errors import StudyError
from helpers.study import contracts, small_counts
from helpers.study.content_hash import file_hash
from helpers.study.contracts import WRITTEN_BY
from helpers.study.ledger import Entry, Ledger, Misfit, require_fit, settings_hash, take_over
from helpers.study.places import REPOSITORY, as_json, made_folder, replacing, shown_path
from helpers.study.spreadsheets import to_plain_csv
from helpers.study.study_file import Study, load_study


class BookFolder:
    """A folder with executed notebooks, shared tables, and the book of both."""

    folder: Path

    @property
    def notebooks(self) -> Path:
        """Executed notebooks."""
        return made_folder(self.folder / "notebooks")

    @property
    def book(self) -> Path:
        """The rendered book and its staged sources."""
        return made_folder(self.folder / "book")

    def table_path(self, name: str) -> Path:
        """Where the shared table ``name`` lies."""
        return made_folder(self.folder / "share" / "tables") / f"{name}.csv"

    def shown_table(self, name: str) -> pd.DataFrame | None:
        """The shared table ``name`` for a page, whether or not it fits; None where it was not made."""
        path = self.table_path(name)
        return pd.read_csv(path) if path.is_file() else None


@dataclass(frozen=True)
class Run(BookFolder):
    """One run of the notebooks on one study: its folder, and how artifacts go in and out of it.

    Attributes
    ----------
    study : Study
    folder : Path
    chapter : str
        Number of the notebook that opened it; "" elsewhere.
    owner : Study, optional
        The study that the folder belongs to, where it is not ``study``: a new hospital's in chapter 11.
    read_so_far : dict of str to str
        SHA-256 of what was read, by place in the folder: what is written next was made of it.
    """

    study: Study
    folder: Path
    chapter: str = ""
    owner: Study | None = None
    read_so_far: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def private(self) -> Path:
        """Patient-level artifacts; never leaves the hospital; other users of the machine cannot read it."""
        folder = self.folder / "private"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    @property
    def cache(self) -> Path:
        """Per-case results keyed by content."""
        return made_folder(self.private / "cache")

    @property
    def check_page(self) -> Path:
        """What `radbook check` found, with pictures of patients."""
        return self.private / "check.html"

    def segmentation(self, patient_id: str, content: str) -> Path:
        """Folder of the masks that a tool drew of a patient's image, which ``content`` identifies."""
        return made_folder(self.private / "segmentations" / patient_id) / content

    def region(self, patient_id: str) -> Path:
        """Label map that was drawn from a patient's points, or corrected since."""
        return self.private / "regions" / f"{patient_id}.nii.gz"

    def click(self, patient_id: str) -> Path:
        """Points that were set on the page of `radbook click`, and what was decided there."""
        return self.private / "clicks" / f"{patient_id}.json"

    @property
    def handed_over(self) -> Path:
        """Files of a virtual hospital, exported as a real one would hand them over."""
        return self.private / "handed_over"

    @property
    def new_hospital(self) -> Path:
        """Run folder of that hospital: its pseudonyms, cache and scores."""
        return self.private / "new_hospital"

    @property
    def hospitals(self) -> Path:
        """Run folders of the small virtual hospitals that chapter 16 pools, and their pooled folder."""
        return self.private / "hospitals"

    @property
    def real_patients(self) -> Path:
        """Run folder of the real patients beside whom a virtual study is set: their pseudonyms and tables."""
        return self.private / "real_patients"

    @property
    def bundle(self) -> Path:
        """The frozen model."""
        return self.private / "bundle"

    @property
    def record(self) -> Path:
        """run.json."""
        return self.folder / "run.json"

    def figure_path(self, name: str, suffix: str, private: bool = False) -> Path:
        """Where the figure ``name`` lies, as ``svg`` or ``png``: in share/ unless it shows a real patient."""
        place = self.private if private else self.folder / "share"
        return made_folder(place / "figures") / f"{name}.{suffix}"

    def artifact_path(self, name: str) -> Path:
        """Where the patient-level artifact ``name`` lies."""
        return self.private / f"{name}.parquet"

    @property
    def ledger(self) -> Ledger:
        """What made each file of the folder."""
        return Ledger(self.private)

    def place(self, path: Path) -> str:
        """The name of a file of the run in its ledger, and for messages."""
        return path.relative_to(self.folder).as_posix()

    def misfits(self, *paths: Path) -> list[Misfit]:
        """Why files of the run do not fit it, each reason once."""
        misfit = self.ledger.judge(self.made_with)
        return list(dict.fromkeys(found for path in paths if (found := misfit(self.place(path)))))

    def has(self, path: Path) -> bool:
        """Whether a file of the run is there and fits it."""
        return path.is_file() and not self.misfits(path)

    def made_with(self, chapter: str, name: str) -> str:
        """Hash of what a chapter's file ``name`` has from the study, as the study file is now."""
        return settings_hash(self.owner or self.study, chapter, name)

    @contextmanager
    def writing(self, path: Path) -> Iterator[Path]:
        """Give a path to write to; it takes its place, and its line in the ledger, when all went well.

        Raises
        ------
        StudyError
            When the disk does not take it.
        """
        with replacing(path) as temporary:
            yield temporary
        self.enter(path)

    def enter(self, path: Path) -> None:
        """Put down in the ledger what made the file that was just written."""
        name = self.place(path)
        settings, read = {}, {one: digest for one, digest in self.read_so_far.items() if one != name}
        with self.ledger.changing() as entries:
            if name in self.read_so_far and name in entries:  # written on by a second chapter
                settings, read = entries[name].settings, entries[name].read | read
                self.read_so_far[name] = file_hash(path)
            take_over(entries, name, self.chapter)
            settings = settings | {self.chapter: self.made_with(self.chapter, name)}
            entries[name] = Entry(file_hash(path), settings, read)

    def reading(self, path: Path) -> Path:
        """The path of a file of the run that is about to be read; what is written later was made of it.

        Raises
        ------
        StudyError
            When it does not fit the run: which file, why, and the chapter to repeat it from.
        """
        require_fit(self.misfits(path))
        self.read_so_far[self.place(path)] = file_hash(path)
        return path

    def write(self, name: str, frame: pd.DataFrame) -> None:
        """Check ``frame`` against the contract called ``name`` and write it (whole, or not at all)."""
        checked = contracts.check(name, frame)
        with self.writing(self.artifact_path(name)) as path:
            checked.to_parquet(path, index=False)

    def read(self, name: str) -> pd.DataFrame:
        """Read the artifact called ``name`` and check it against its contract."""
        path = self.artifact_path(name)
        if not path.is_file():
            raise StudyError(
                f"private/{path.name} is not in the run folder yet: run the notebook that writes it first "
                f"({WRITTEN_BY[name]})."
            )
        return contracts.check(name, pd.read_parquet(self.reading(path)))

    def json_path(self, name: str) -> Path:
        """Where the small patient-free artifact ``name`` lies."""
        return self.private / f"{name}.json"

    def write_json(self, name: str, content: dict) -> None:
        """Write a small patient-free artifact as private/<name>.json."""
        with self.writing(self.json_path(name)) as path:
            path.write_text(as_json(content, allow_nan=True), encoding="utf-8")

    def read_json(self, name: str) -> dict:
        """Read private/<name>.json."""
        path = self.json_path(name)
        if not path.is_file():
            raise StudyError(
                f"private/{path.name} is not in the run folder yet: run the earlier notebooks first."
            )
        return json.loads(self.reading(path).read_text(encoding="utf-8"))

    def read_table(self, name: str) -> pd.DataFrame | None:
        """The shared table ``name`` as it was written; None while its notebook has not been run."""
        path = self.table_path(name)
        return pd.read_csv(self.reading(path)) if path.is_file() else None

    def write_table(
        self,
        name: str,
        frame: pd.DataFrame,
        data: str | None = None,
        printed: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
    ) -> pd.DataFrame:
        """Write an aggregate table to share/tables/<name>.csv; its first column says whose ``data`` it is.

        Counts below ``min_cell`` are left out there; the whole table is then in private/tables. Where cells
        hold texts made from counts, ``frame`` holds the numbers, and ``printed`` makes the texts of what is
        left of them. Returned is the table as it may be shown.
        """
        label = data or ("virtual" if self.study.is_virtual else self.study.name)
        sizes = self._sizes() if "cohort" in frame else None
        shown = small_counts.protect(name, frame, self.study.min_cell, sizes)
        tables = {self.table_path(name): shown}
        if shown is not frame:
            tables[made_folder(self.private / "tables") / f"{name}.csv"] = frame
        if printed:
            tables = {target: printed(table) for target, table in tables.items()}
        for target, table in tables.items():
            labelled = table.copy()
            labelled.insert(0, "data", label)
            with self.writing(target) as path:
                to_plain_csv(labelled, path)
        return tables[self.table_path(name)]

    def _sizes(self) -> pd.DataFrame | None:
        """Patients and those with the outcome in each cohort; None before features are selected."""
        before = self.chapter and self.chapter < WRITTEN_BY["rad_score"]
        if self.study.min_cell < 2 or before or not self.artifact_path("rad_score").is_file():
            return None
        return self.read("rad_score").groupby("cohort")["outcome"].agg(n="size", events="sum")


def read_record(folder: Path) -> dict[str, Any]:
    """What run.json of a run folder says; empty before anything was recorded.

    Raises
    ------
    StudyError
        When it is damaged, or lacks what every record has.
    """
    path = folder / "run.json"
    if not path.is_file():
        return {}
    try:
        return _Record.model_validate_json(path.read_bytes()).model_dump(exclude_unset=True)
    except ValidationError:
        raise StudyError(
            f"'{shown_path(path)}' is damaged. Remove it, and give the study to radbook run again: results "
            "are kept, and what has not changed is not executed again."
        ) from None


class _Ended(BaseModel):
    """How a notebook, or the book, ended."""

    model_config = ConfigDict(extra="allow")
    status: str
    seconds: float


class _Record(BaseModel):
    """What readers of run.json rely on; there is more in it."""

    model_config = ConfigDict(extra="allow")
    study_file: str
    updated: str
    versions: dict[str, str]
    notebooks: dict[str, _Ended]


def open_run(study: Study | Path | str, run_dir: Path | str, chapter: str = "") -> Run:
    """Open the run folder ``run_dir`` of a study, or of its file (made when it is not there).

    A notebook says by its number which ``chapter`` it is.
    """
    folder = Path(run_dir).expanduser()
    if not folder.is_absolute() and not folder.parent.exists():
        folder = REPOSITORY / folder
    study = study if isinstance(study, Study) else load_study(study)
    return Run(study=study, folder=made_folder(folder.resolve()), chapter=chapter)
