"""What a reader can take along: tables, figures, notebooks, the frozen model; and how they were made."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from helpers.frozen.bundle import FROZEN
from helpers.pages.markdown import list_table
from helpers.study.places import REPOSITORY, STEPS
from helpers.study.run_folder import Run

BUNDLE_FILES = (*FROZEN, "manifest.json")


def staged_files(run: Run) -> dict[str, bytes]:
    """The part that the page of downloads includes, and the archives it offers."""
    return {"reporting/downloads.md": page(run).encode()} | archives(run)


def archives(run: Run) -> dict[str, bytes]:
    """Zip files by name in the book's sources: all shared tables and, of virtual patients, the frozen model.

    The same files make the same bytes.
    """
    tables = sorted((run.folder / "share" / "tables").glob("*.csv"))
    found = {"reporting/tables.zip": _zipped(tables)} if tables else {}
    if run.study.is_virtual and (run.bundle / "manifest.json").is_file():
        found["reporting/bundle.zip"] = _zipped(run.bundle / name for name in BUNDLE_FILES)
    return found


def page(run: Run) -> str:
    """The computed part of the page, in MyST."""
    return "\n".join([_archives(run), _by_chapter(run), _build(run)])


def _zipped(paths: Iterable[Path]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:  # ZipInfo's own date, 1980: the real one would change the bytes
            archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _archives(run: Run) -> str:
    offered = archives(run)
    rows = [["What", "File"]]
    if "reporting/tables.zip" in offered:
        rows.append(["All tables (CSV)", _download("reporting/tables.zip", "tables.zip")])
    if "reporting/bundle.zip" in offered:
        rows.append(
            [
                "The frozen model ([model card](model_card.md))",
                _download("reporting/bundle.zip", "bundle.zip"),
            ]
        )
    elif not run.study.is_virtual:
        rows.append(["The frozen model", "`private/bundle` of the run folder: it stays with the hospital"])
    return "## All at once\n\n" + list_table(rows, "50 50")


def _by_chapter(run: Run) -> str:
    """One row a chapter: the tables and figures whose names stand in its code."""
    tables = [path.stem for path in sorted((run.folder / "share" / "tables").glob("*.csv"))]
    figures = [path.stem for path in sorted((run.folder / "share" / "figures").glob("*.svg"))]
    rows = [["Chapter", "Tables (CSV)", "Figures (SVG and PNG, 300 dpi)"]]
    for step in STEPS.values():
        if (run.notebooks / f"{step}.ipynb").is_file():
            made = set(re.findall(r'\\?"([a-z0-9_]+)\\?"', _source(step)))
            rows.append([f"[](/notebooks/{step}.ipynb)", *_files(tables, figures, made)])
            tables = [name for name in tables if name not in made]
            figures = [name for name in figures if name not in made]
    if tables or figures:
        rows.append(["Others", *_files(tables, figures, {*tables, *figures})])
    text = "A chapter's executed notebook is behind the arrow at the top of its page."
    if not run.study.is_virtual:
        text += " It shows single patients: keep it like `private`."
    return f"## Chapter by chapter\n\n{text}\n\n" + list_table(rows, "24 33 43")


def _source(step: str) -> str:
    return (REPOSITORY / "notebooks" / f"{step}.ipynb").read_text(encoding="utf-8")


def _files(tables: list[str], figures: list[str], made: set[str]) -> list[str]:
    csv = [_download(f"share/tables/{name}.csv", name) for name in tables if name in made]
    pictures = [
        f"{name}: " + " ".join(_download(f"share/figures/{name}.{kind}", kind) for kind in ("svg", "png"))
        for name in figures
        if name in made
    ]
    return [" <br> ".join(csv) or "–", " <br> ".join(pictures) or "–"]


def _download(path: str, text: str) -> str:
    return f"{{download}}`{text} <{path}>`"


def _build(run: Run) -> str:
    """What run.json says of the run, without names and places of the machine."""
    if not run.record.is_file():
        return "## How it was made\n\n_Not recorded._\n"
    record = json.loads(run.record.read_text(encoding="utf-8"))
    rows = [["Fact", "This run"]]
    facts = {"Study": "study", "Seed": "seed", "Commit": "commit", "Python": "python", "Machine": "platform"}
    rows += [[title, str(record.get(key) or "not recorded")] for title, key in facts.items()]
    # The day only: a page that changes with every second would be made anew each time.
    rows.append(["Last worked on", record.get("updated", "not recorded")[:10]])
    rows += [[name, version] for name, version in record.get("versions", {}).items()]
    times = [["Notebook", "Status", "Seconds"]]
    for step in STEPS.values():
        entry = record.get("notebooks", {}).get(step)
        if entry:
            times.append([step, entry["status"], f"{entry['seconds']:.0f}"])
    text = "A commit with “+” had changes that were not committed.\n"
    tables = list_table(rows, "30 70") + "\n" + list_table(times, "50 25 25", "radbook-compact")
    return f"## How it was made\n\n{text}\n{tables}"
