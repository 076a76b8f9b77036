"""The staged book: what was executed and nothing else, unchanged files untouched, a warning is a failure."""

import json
import re
import subprocess

import pandas as pd
import pytest
import yaml

from helpers.errors import StudyError
from helpers.pages import build, landing, staging
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run


@pytest.fixture
def run(tmp_path):
    run = open_run(REPOSITORY / "data" / "studies" / "quick.yml", tmp_path / "run")
    cell = {"cell_type": "code", "metadata": {"execution": {"iopub.execute_input": "now"}}, "source": ["1"]}
    cell |= {"outputs": [], "execution_count": 1, "id": "0"}
    metadata = {"papermill": {"duration": 3.2}, "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = {"cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    (run.notebooks / "01_cohort.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    run.write_table("scanners", pd.DataFrame({"scanner": ["A"], "patients": [40]}))
    return run


def staged_chapters(source):
    toc = yaml.safe_load((source / "_toc.yml").read_text(encoding="utf-8"))
    return [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]


def test_the_contents_list_executed_notebooks_and_all_prose(run, tmp_path):
    staging.stage(run, tmp_path / "source")
    chapters = staged_chapters(tmp_path / "source")
    assert [name for name in chapters if name.startswith("notebooks/")] == ["notebooks/01_cohort"]
    assert {"new_hospital", "zh/new_hospital", "checklist", "ibsi", "glossary"} <= set(chapters)
    missing = [name for name in chapters if not list((tmp_path / "source").glob(f"{name}.*"))]
    assert not missing


def test_every_page_of_the_book_folder_stands_in_the_contents():
    toc = (REPOSITORY / "_toc.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(REPOSITORY).with_suffix("") for path in (REPOSITORY / "book").rglob("*.md")]
    landing_pages_of_apply = {"book/applied", "book/zh/applied"}
    assert not {page.as_posix() for page in pages} - {*toc.split()} - landing_pages_of_apply


def test_times_of_execution_do_not_reach_the_page(run, tmp_path):
    staging.stage(run, tmp_path / "source")
    page = (tmp_path / "source" / "notebooks" / "01_cohort.ipynb").read_text(encoding="utf-8")
    assert "3.2" not in page and "iopub" not in page


def test_what_is_unchanged_keeps_its_date_and_what_is_gone_is_removed(run, tmp_path):
    source = tmp_path / "source"
    staging.stage(run, source)
    dates = {path: path.stat().st_mtime_ns for path in source.rglob("*.md")}
    (source / "old.md").write_text("gone from the book", encoding="utf-8")
    staging.stage(run, source)
    assert {path: path.stat().st_mtime_ns for path in source.rglob("*.md")} == dates


def test_shared_tables_are_staged_with_the_pages(run, tmp_path):
    staging.stage(run, tmp_path / "source")
    assert (tmp_path / "source" / "share" / "tables" / "scanners.csv").is_file()


def test_links_to_chapters_that_were_not_executed_become_plain_text(run, tmp_path):
    """Ready features need no 02, a hospital has no 12: a link there would stop the build as broken."""
    path = run.notebooks / "01_cohort.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    text = "See [chapter 02](02_preprocessing.ipynb), not [itself](01_cohort.ipynb)."
    notebook["cells"].append({"cell_type": "markdown", "metadata": {}, "source": [text], "id": "1"})
    path.write_text(json.dumps(notebook), encoding="utf-8")
    staging.stage(run, tmp_path / "source")
    staged = (tmp_path / "source" / "notebooks" / "01_cohort.ipynb").read_text(encoding="utf-8")
    assert "See chapter 02, not [itself](01_cohort.ipynb)." in staged
    index = (tmp_path / "source" / "index.md").read_text(encoding="utf-8")
    assert re.findall(r":link: /(notebooks/.*)", index) == ["notebooks/01_cohort"]
    teaching = (tmp_path / "source" / "teaching.md").read_text(encoding="utf-8")
    assert re.findall(r"\(notebooks/(\w+)\.ipynb\)", teaching) == ["01_cohort"]


def test_the_chinese_page_shows_the_figures_that_exist(run, tmp_path):
    """A partial run has a part of the figures, a hospital's share/ has none of single patients."""
    page = tmp_path / "source" / "zh" / "figures.md"
    staging.stage(run, tmp_path / "source")
    assert "{figure}" not in page.read_text(encoding="utf-8")
    for name in ("ages", "icc"):  # notebook 03 of the second has not been executed
        run.figure_path(name, "svg", private=False).write_bytes(b"")
    staging.stage(run, tmp_path / "source")
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"\{figure\} (\S+)", text) == ["../share/figures/ages.svg"]
    assert text.count("\n## ") == 1


def test_the_landing_pages_tell_whose_data_these_are(run, tmp_path):
    staging.stage(run, tmp_path / "source")
    for name, words in {"summary.md": "virtual patients", "zh/summary.md": "虚拟队列"}.items():
        assert words in (tmp_path / "source" / name).read_text(encoding="utf-8")


def test_the_summary_has_the_papers_and_the_runs_auc(run):
    rows = pd.DataFrame({"model": "nomogram", "cohort": ["training", "internal"], "paper_auc": [0.9, 0.8]})
    rows = rows.assign(auc=[0.8765, None], ci_low=[0.8123, None], ci_high=[0.9, None])
    run.write_table("table_5", rows)
    parts = {name: text.decode() for name, text in landing.staged_files(run).items()}
    assert "| nomogram | **0.900** → *0.876* (0.812 to 0.900) | **0.800** → – |  |" in parts["summary.md"]
    assert "| 列线图模型 | **0.900** → *0.876* （0.812~0.900） |" in parts["zh/summary.md"]


def test_a_warning_fails_the_build_and_is_not_forgotten(run, monkeypatch):
    """Sphinx tells of a page's warning only when it reads the page: its memory of pages must go."""
    (run.book / "doctrees").mkdir()
    build.printed_book(run).write_bytes(b"%PDF of the book as it was")

    def warning(command, **options):
        code = 1 if "sphinx" in command else 0
        return subprocess.CompletedProcess(command, code, "", "index.md:3: WARNING: unknown label")

    monkeypatch.setattr(build.subprocess, "run", warning)
    with pytest.raises(StudyError, match="index.md:3: WARNING: unknown label"):
        build.build_book(run)
    assert not (run.book / "doctrees").exists()
    assert not build.printed_book(run).exists()


def test_pictures_of_earlier_runs_do_not_stay_in_the_book(run, monkeypatch):
    """Sphinx names an output's picture by its content and removes none: they would pile up."""
    html = run.book / "html"
    files = {
        "index.html": '<img src="_images/now.png"><a href="_downloads/0a/table.csv">',
        "_images/now.png": "",
        "_images/before.png": "",
        "_downloads/0a/table.csv": "",
        "_downloads/0b/gone.csv": "",
        "_static/scripts/theme.js": "",
        "_static/scripts/theme.js.map": "",
    }
    for name, content in files.items():
        (html / name).parent.mkdir(parents=True, exist_ok=True)
        (html / name).write_text(content, encoding="utf-8")
    done = subprocess.CompletedProcess([], 0, "", "")
    monkeypatch.setattr(build.subprocess, "run", lambda *command, **options: done)
    build.build_book(run)
    left = {path.relative_to(html).as_posix() for path in html.rglob("*") if path.is_file()}
    assert left == {"index.html", "_images/now.png", "_downloads/0a/table.csv", "_static/scripts/theme.js"}
