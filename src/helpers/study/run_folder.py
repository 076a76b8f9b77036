"""The run folder: what a run of the notebooks reads and writes, and the only place that builds its paths.

It looks like this::

    runs/<study>/private/     patient-level artifacts, keyed by pseudonym; never leave the hospital
    runs/<study>/share/       aggregate tables and figures
    runs/<study>/notebooks/   executed notebooks
    runs/<study>/book/html/   the rendered book
    runs/<study>/run.json     versions, seed, commit, seconds and status of each notebook
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from helpers.errors import StudyError
from helpers.study import contracts, small_counts
from helpers.study.contracts import WRITTEN_BY
from helpers.study.formulas import without_formulas
from helpers.study.places import REPOSITORY, made_folder, replacing
from helpers.study.study_file import Study, load_study


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
        return made_folder(self.private / "cache")

    @property
    def check_page(self) -> Path:
        """What `radbook check` found, with pictures of patients."""
        return self.private / "check.html"

    def segmentation(self, patient_id: str, content: str) -> Path:
        """Folder of the masks that a tool drew of a patient's image, which ``content`` identifies."""
        return made_folder(self.private / "segmentations" / patient_id) / content

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
        return made_folder(self.folder / "notebooks")

    @property
    def book(self) -> Path:
        """The rendered book and its staged sources."""
        return made_folder(self.folder / "book")

    @property
    def record(self) -> Path:
        """run.json."""
        return self.folder / "run.json"

    def table_path(self, name: str) -> Path:
        """Where the shared table ``name`` lies."""
        return made_folder(self.folder / "share" / "tables") / f"{name}.csv"

    def figure_path(self, name: str, suffix: str, private: bool = False) -> Path:
        """Where the figure ``name`` lies, as ``svg`` or ``png``: in share/ unless it shows a real patient."""
        place = self.private if private else self.folder / "share"
        return made_folder(place / "figures") / f"{name}.{suffix}"

    def artifact_path(self, name: str) -> Path:
        """Where the patient-level artifact ``name`` lies."""
        return self.private / f"{name}.parquet"

    def write(self, name: str, frame: pd.DataFrame) -> None:
        """Check ``frame`` against the contract called ``name`` and write it (whole, or not at all)."""
        checked = contracts.check(name, frame)
        with replacing(self.artifact_path(name)) as path:
            checked.to_parquet(path, index=False)

    def read(self, name: str) -> pd.DataFrame:
        """Read the artifact called ``name`` and check it against its contract."""
        path = self.artifact_path(name)
        if not path.is_file():
            raise StudyError(
                f"private/{path.name} is not in the run folder yet: run the notebook that writes it first "
                f"({WRITTEN_BY[name]})."
            )
        return contracts.check(name, pd.read_parquet(path))

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
        shown = small_counts.protect(name, frame, self.study.min_cell, self._sizes())
        tables = {self.table_path(name): shown}
        if shown is not frame:
            tables[made_folder(self.private / "tables") / f"{name}.csv"] = frame
        if printed:
            tables = {target: printed(table) for target, table in tables.items()}
        for target, table in tables.items():
            labelled = table.copy()
            labelled.insert(0, "data", label)
            with replacing(target) as path:
                without_formulas(labelled).to_csv(
                    path, index=False, float_format="%.10g", lineterminator="\n"
                )
        return tables[self.table_path(name)]

    def _sizes(self) -> pd.DataFrame | None:
        """Patients and those with the outcome in each cohort; None before features are selected."""
        if not self.artifact_path("rad_score").is_file():
            return None
        return self.read("rad_score").groupby("cohort")["osteoporosis"].agg(n="size", events="sum")


def open_run(study: Study | Path | str, run_dir: Path | str) -> Run:
    """Open the run folder ``run_dir`` of a study, or of its file (made when it is not there)."""
    folder = Path(run_dir).expanduser()
    if not folder.is_absolute() and not folder.parent.exists():
        folder = REPOSITORY / folder
    study = study if isinstance(study, Study) else load_study(study)
    return Run(study=study, folder=made_folder(folder.resolve()))
