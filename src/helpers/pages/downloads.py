"""What a reader can take along: tables, figures, notebooks, the frozen model; and how they were made."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

from helpers.frozen.bundle import FROZEN, MANIFEST
from helpers.pages.rendering import rendered
from helpers.study.places import REPOSITORY, STEPS
from helpers.study.run_folder import Run, read_record

BUNDLE_FILES = (*FROZEN, MANIFEST)


def staged_files(run: Run) -> dict[str, bytes]:
    """The part that the page of downloads includes, and the archives it offers."""
    return {"reporting/downloads.md": page(run).encode()} | archives(run)


def archives(run: Run) -> dict[str, bytes]:
    """Zip files by name in the book's sources: all shared tables and, of virtual patients, the frozen model.

    The same files make the same bytes.
    """
    tables = sorted((run.folder / "share" / "tables").glob("*.csv"))
    found = {"reporting/tables.zip": _zipped(tables)} if tables else {}
    if run.study.is_virtual and (run.bundle / MANIFEST).is_file():
        found["reporting/bundle.zip"] = _zipped(run.bundle / name for name in BUNDLE_FILES)
    return found


def page(run: Run) -> str:
    """The computed part of the page, in MyST."""
    return rendered(
        "downloads.md",
        virtual=run.study.is_virtual,
        archives=archives(run),
        chapters=_chapters(run),
        record=read_record(run.folder),
        steps=STEPS.values(),
    )


def _zipped(paths: Iterable[Path]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:  # ZipInfo's own date, 1980: the real one would change the bytes
            archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _chapters(run: Run) -> list[dict]:
    """The shared tables and figures, each under the first executed chapter that lists it, then the others."""
    share = run.folder / "share"
    tables = {path.stem for path in (share / "tables").glob("*.csv")}
    figures = {path.stem for path in (share / "figures").glob("*.svg")}
    chapters = []
    for step in STEPS.values():
        if (run.notebooks / f"{step}.ipynb").is_file():
            mine = offered(step)
            made = {
                "tables": tables.intersection(mine["tables"]),
                "figures": figures.intersection(mine["figures"]),
            }
            chapters.append({"name": step, **made})
            tables, figures = tables - made["tables"], figures - made["figures"]
    return [*chapters, {"name": "", "tables": tables, "figures": figures}] if tables or figures else chapters


def offered(step: str) -> dict[str, list[str]]:
    """What a chapter offers for download, as the metadata of its notebook says.

    Parameters
    ----------
    step : str
        Name of the notebook, such as "05_models".

    Returns
    -------
    dict
        tables and figures: names of what the chapter writes to share/, of some studies only a part.
    """
    notebook = json.loads((REPOSITORY / "notebooks" / f"{step}.ipynb").read_text(encoding="utf-8"))
    return notebook["metadata"]["radbook"]
