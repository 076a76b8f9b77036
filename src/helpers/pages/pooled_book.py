"""The book of many hospitals: one chapter, its tables and figures, and what to know about them."""

from __future__ import annotations

from pathlib import Path

import nbformat
import yaml

from helpers.pages import figures, pooled_update
from helpers.pages.reading import fold_code
from helpers.pages.rendering import rendered
from helpers.pages.staging import SIMULATED_BANNER, drop_times, files_in, lay_out, own_config
from helpers.pooling.registry import Pooled
from helpers.study.places import POOLED, REPOSITORY

CHAPTER = f"notebooks/{POOLED}"
_BIBLIOGRAPHY = "# Bibliography\n\n```{bibliography}\n```\n"
_FOLDERS = ("_static/", "extra/")
_EXERCISES = "## Exercises"


def stage_pooled(pooled: Pooled, source: Path) -> None:
    """Lay out the sources of a pooled book."""
    book = REPOSITORY / "book"
    wanted = {
        name: content
        for name, content in files_in(book, book).items()
        if name == "references.bib" or name.startswith(_FOLDERS)
    }
    wanted |= files_in(pooled.folder / "share", pooled.folder)
    wanted["index.md"] = _landing(pooled).encode()
    wanted["bibliography.md"] = _BIBLIOGRAPHY.encode()
    wanted[f"{CHAPTER}.ipynb"] = _page(pooled)
    updated = pooled_update.page(pooled)
    if updated:
        wanted[f"{pooled_update.PAGE}.md"] = updated.encode()
    wanted["_toc.yml"] = yaml.safe_dump(_contents(bool(updated)), sort_keys=False).encode()
    wanted["_config.yml"] = _config(pooled)
    lay_out(wanted, source)


def nothing_private(pooled: Pooled) -> None:
    """Nothing to search for: what came was searched where it was made, and has no identifiers to compare."""


def _contents(is_updated: bool) -> dict:
    pages = [CHAPTER, *([pooled_update.PAGE] if is_updated else [])]
    return {
        "format": "jb-book",
        "root": "index",
        "parts": [
            {"caption": "Many hospitals", "chapters": [{"file": page} for page in pages]},
            {"caption": "Look things up", "chapters": [{"file": "bibliography"}]},
        ],
    }


def _landing(pooled: Pooled) -> str:
    tables = sorted(path.name for path in (pooled.folder / "share" / "tables").glob("*.csv"))
    return rendered(
        "pooled_index.md",
        chapter=CHAPTER,
        outcome=pooled.sites[0].outcome_name,
        pool=pooled.id,
        members=pooled.members().to_dict("records"),
        tables=tables,
    )


def _page(pooled: Pooled) -> bytes:
    """The executed chapter without its times, so that the same results make the same page."""
    notebook = nbformat.read(pooled.notebooks / f"{POOLED}.ipynb", as_version=4)
    figures.put_inline(notebook, pooled)
    drop_times(notebook)
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if {"injected-parameters", "parameters"} & set(tags):
            cell.metadata["tags"] = [*tags, "remove-cell"]
        cell.source = cell.source.partition(_EXERCISES)[0]  # which read the tables of a run
    fold_code(notebook)
    return nbformat.writes(notebook).encode()


def _config(pooled: Pooled) -> bytes:
    config = own_config()
    config["title"] = "Many hospitals, one model"
    if pooled.is_virtual:
        config["html"]["announcement"] = SIMULATED_BANNER
    return yaml.safe_dump(config, allow_unicode=True, sort_keys=False).encode()
