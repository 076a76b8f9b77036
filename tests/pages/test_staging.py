"""The staged book: what was executed and nothing else, unchanged files untouched."""

import json
import re

import nbformat
import pandas as pd
import pytest
import yaml
from predicted_run import VIRTUAL, predicted_run

from helpers.errors import StudyError
from helpers.pages import staging
from helpers.study.places import REPOSITORY, STEPS


def staged_chapters(source):
    toc = yaml.safe_load((source / "_toc.yml").read_text(encoding="utf-8"))
    return [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]


def test_the_contents_list_executed_notebooks_and_all_prose(run, tmp_path):
    staging.stage(run, tmp_path / "source")
    chapters = staged_chapters(tmp_path / "source")
    assert [name for name in chapters if name.startswith("notebooks/")] == ["notebooks/01_cohort"]
    assert {"new_hospital", "checklist", "ibsi", "glossary"} <= set(chapters)
    missing = [name for name in chapters if not list((tmp_path / "source").glob(f"{name}.*"))]
    assert not missing


def test_every_page_of_the_book_folder_stands_in_the_contents():
    toc = (REPOSITORY / "_toc.yml").read_text(encoding="utf-8")
    pages = {f"book/{path.stem}" for path in (REPOSITORY / "book").glob("*.md")}
    assert not pages - {*toc.split()} - {"book/applied"}  # the landing page of radbook apply


def test_times_of_execution_do_not_reach_the_page(run, tmp_path):
    staging.stage(run, tmp_path / "source")
    page = (tmp_path / "source" / "notebooks" / "01_cohort.ipynb").read_text(encoding="utf-8")
    assert "3.2" not in page and "iopub" not in page


def test_a_table_without_rows_is_told_in_words_and_its_neighbour_stays(run, tmp_path):
    path = run.notebooks / "01_cohort.ipynb"
    notebook = nbformat.read(path, as_version=4)
    full, empty = pd.DataFrame({"who": ["A"]}), pd.DataFrame({"reason": []})
    html = full.style.hide().to_html() + empty.style.hide().to_html() + empty.to_html() + full.to_html()
    shown = nbformat.v4.new_output("display_data", {"text/html": html})
    notebook.cells.append(nbformat.v4.new_code_cell("shown", outputs=[shown]))
    nbformat.write(notebook, path)
    staging.stage(run, tmp_path / "source")
    page = nbformat.read(tmp_path / "source" / "notebooks" / "01_cohort.ipynb", as_version=4)
    text = page.cells[-1].outputs[0]["data"]["text/html"]
    assert text.count(staging.NO_ROWS) == 2 and "reason" not in text
    assert text.count("<table") == 2 and text.count(">A<") == 2


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


def test_pages_of_what_a_run_has_not_made_are_left_out_with_the_links_to_them(run, tmp_path):
    """A hospital that applied a model has no nomogram, cut-offs or model card of its own."""
    staging.stage(run, tmp_path / "source")
    unmade = {"nomogram_calculator", "cutoff_explorer", "model_card"}
    chapters = set(staged_chapters(tmp_path / "source"))
    assert not unmade & chapters
    assert {"volume_viewer", "reporting", "teaching"} <= chapters
    for page in (tmp_path / "source").rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert page.stem not in unmade
        for name in unmade:
            assert not re.search(rf"(:link: /?|`|\()(\.\./|/)?{name}", text), page
    teaching = (tmp_path / "source" / "teaching.md").read_text(encoding="utf-8")
    assert "Nomogram calculator (not made by this run), Cut-off explorer (not made by this run)" in teaching


def test_pages_of_a_frozen_model_are_there_with_it(tmp_path):
    run = predicted_run(tmp_path, VIRTUAL)
    staging.stage(run, tmp_path / "source")
    assert "cutoff_explorer" in staged_chapters(tmp_path / "source")
    assert "{doc}`cutoff_explorer`" in (tmp_path / "source" / "teaching.md").read_text(encoding="utf-8")
    assert ("nomogram_calculator" in staged_chapters(tmp_path / "source")) == run.bundle.is_dir()


@pytest.mark.parametrize("kept", [0, 40])
def test_a_truncated_notebook_names_its_chapter(run, tmp_path, kept):
    path = run.notebooks / "01_cohort.ipynb"
    path.write_text(path.read_text(encoding="utf-8")[:kept], encoding="utf-8")
    with pytest.raises(StudyError, match=r"notebooks/01_cohort\.ipynb .*damaged.*--from 01"):
        staging.stage(run, tmp_path / "source")


def test_what_a_run_has_not_made_is_told_at_the_head_of_every_page(run, tmp_path):
    """With the name as text, whatever it is."""
    run.enter(run.notebooks / "01_cohort.ipynb")
    staging.stage(run, tmp_path / "source")
    said = yaml.safe_load((tmp_path / "source" / "_config.yml").read_text("utf-8"))["html"]["announcement"]
    assert said == staging.VIRTUAL_BANNER.format("")
    run.table_path("<b>theirs").write_text("auc\n0.999\n", encoding="utf-8")
    staging.stage(run, tmp_path / "source")
    said = yaml.safe_load((tmp_path / "source" / "_config.yml").read_text("utf-8"))["html"]["announcement"]
    assert "share/tables/&lt;b&gt;theirs.csv" in said and "Repeat from chapter 01" in said


def test_the_notice_of_a_virtual_study_is_true_beside_real_patients(run, tmp_path):
    chapter = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Real patients")])
    nbformat.write(chapter, run.notebooks / f"{STEPS['15']}.ipynb")
    staging.stage(run, tmp_path / "source")
    said = yaml.safe_load((tmp_path / "source" / "_config.yml").read_text("utf-8"))["html"]["announcement"]
    assert said.startswith(
        "Virtual cohort: simulated patients and simulated CT. Only the paper's own numbers and"
    )
    assert "chapter 15 are about real people." in said
    page = (tmp_path / "source" / "real_patients.md").read_text(encoding="utf-8")
    assert ":link: /notebooks/15_real_patients" in page


def test_without_chapter_15_the_landing_page_has_no_door_to_it(run, tmp_path):
    staging.stage(run, tmp_path / "source")
    assert (tmp_path / "source" / "real_patients.md").read_text(encoding="utf-8") == ""
