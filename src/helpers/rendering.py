"""Render the book of one run: stage prose, executed notebooks and shared tables, then Sphinx."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import yaml

from helpers import figures, interactive, privacy, reporting, schemas
from helpers.errors import StudyError
from helpers.study import REPOSITORY, Run, replacing

VIRTUAL_BANNER = (
    "Virtual cohort: simulated patients and simulated CT. Only the paper's own numbers are about real people."
)
BY_CONSTRUCTION = (
    "The virtual patients were built so that their Table 1 equals the paper's and their images tell about as "
    "much of the T-score as the literature says. Agreement with the paper is therefore no evidence for it. "
    "What can be learnt here is how each step works, and where the results do not follow: see "
    "[the virtual cohort](virtual_cohort.md)."
)
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"


def build_book(run: Run) -> Path:
    """Render the run's book to book/html and return its index page; unchanged pages are not made again.

    Raises
    ------
    StudyError
        When Sphinx warns or fails, with the lines that say where; when raw patient identifiers stand outside
        private/ (`helpers.privacy.find_leaks`): then there is no book.
    """
    source = run.book / "source"
    stage(run, source)
    sphinx = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-n", "-W", "--keep-going"]
    commands = [
        [sys.executable, "-c", JUPYTER_BOOK, "config", "sphinx", str(source)],
        [*sphinx, "-d", str(run.book / "doctrees"), str(source), str(run.book / "html")],
    ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
        if done.returncode:
            # Sphinx warns of a page only when it reads it: without this, the next build would pass.
            shutil.rmtree(run.book / "doctrees", ignore_errors=True)
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise StudyError("The book was not built:\n" + "\n".join(lines[-12:]))
    try:
        privacy.require_no_leaks(run)
    except StudyError:
        # The pages go, and with them what Sphinx would leave lying when the leak is mended.
        for folder in ("html", "doctrees"):
            shutil.rmtree(run.book / folder, ignore_errors=True)
        raise
    return book_page(run)


def book_page(run: Run) -> Path:
    """The landing page of the rendered book."""
    return run.book / "html" / "index.html"


def stage(run: Run, source: Path) -> None:
    """Lay out the sources of this run's book; a file whose content is the same keeps its date."""
    wanted = _prose() | _notebooks(run) | _shared(run) | {"summary.md": _summary(run)}
    wanted |= interactive.staged_files(run) | reporting.staged_files(run)
    if "notebooks/01_cohort.ipynb" not in wanted:  # a frozen model was applied, no study was run
        wanted["index.md"] = wanted["applied.md"]
    wanted["_toc.yml"] = _toc(wanted)
    wanted["_config.yml"] = _config(run)
    for old in [path for path in source.rglob("*") if path.is_file() and path.name != "conf.py"]:
        if old.relative_to(source).as_posix() not in wanted:
            old.unlink()
    for name, content in wanted.items():
        path = source / name
        if not (path.is_file() and path.read_bytes() == content):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_bytes(content)


def _prose() -> dict[str, bytes]:
    """The pages of book/, at the top of the staged sources, so that the landing page is html/index.html."""
    files = (path for path in (REPOSITORY / "book").rglob("*") if path.is_file())
    return {path.relative_to(REPOSITORY / "book").as_posix(): path.read_bytes() for path in files}


def _shared(run: Run) -> dict[str, bytes]:
    files = (path for path in (run.folder / "share").rglob("*") if path.is_file())
    return {path.relative_to(run.folder).as_posix(): path.read_bytes() for path in files}


def _notebooks(run: Run) -> dict[str, bytes]:
    return {f"notebooks/{path.name}": _page(path) for path in sorted(run.notebooks.glob("*.ipynb"))}


def _page(path: Path) -> bytes:
    """An executed notebook without its times, so that the same results make the same page."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
    return nbformat.writes(notebook).encode()


def _toc(staged: dict[str, bytes]) -> bytes:
    """The table of contents without the notebooks that this run has not executed."""
    toc = yaml.safe_load((REPOSITORY / "_toc.yml").read_text(encoding="utf-8").replace("book/", ""))
    for part in toc["parts"]:
        part["chapters"] = [
            chapter
            for chapter in part["chapters"]
            if not chapter["file"].startswith("notebooks/") or f"{chapter['file']}.ipynb" in staged
        ]
    toc["parts"] = [part for part in toc["parts"] if part["chapters"]]
    return yaml.safe_dump(toc, allow_unicode=True, sort_keys=False).encode()


def _summary(run: Run) -> bytes:
    """The landing page's table: each model's AUC as the paper prints it and as this run computed it."""
    origin = (
        "**virtual patients**: simulated CT, no real patient"
        if run.study.is_virtual
        else "this study's patients"
    )
    path = run.table_path("table_5")
    if not path.is_file():
        return f"_Data: {origin}. Notebook 06 has not been run yet, so there is no summary._\n".encode()
    table = pd.read_csv(path)
    lines = [
        f"AUC of the three models, **as the paper prints it** and → *as computed here* on {origin}.",
        "",
        "| Model | " + " | ".join(figures.COHORT_TITLES[cohort] for cohort in schemas.COHORTS) + " |",
        "|---|" + "---|" * len(schemas.COHORTS),
    ]
    for model, rows in table.groupby("model", sort=False):
        cells = [_auc_cell(rows.loc[rows["cohort"] == cohort]) for cohort in schemas.COHORTS]
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", BY_CONSTRUCTION if run.study.is_virtual else "", ""]).encode()


def _auc_cell(row: pd.DataFrame) -> str:
    if row.empty:
        return ""
    found = row.iloc[0]
    interval = f"({found['ci_low']:.3f} to {found['ci_high']:.3f})"
    return f"**{found['paper_auc']:.3f}** → *{found['auc']:.3f}* {interval}"


def _config(run: Run) -> bytes:
    config = yaml.safe_load((REPOSITORY / "_config.yml").read_text(encoding="utf-8").replace("book/", ""))
    if run.study.is_virtual:
        config["html"]["announcement"] = VIRTUAL_BANNER
    return yaml.safe_dump(config, allow_unicode=True, sort_keys=False).encode()
