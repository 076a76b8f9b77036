"""A run that is killed, starved of disk, or mixed with another study's results says so and loses nothing."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import nbformat
import pandas as pd
import pytest
from typer.testing import CliRunner

from helpers import cli
from helpers.commands.record import StepResult, write_record
from helpers.commands.run import execute, run_study
from helpers.errors import StudyError
from helpers.pages.doubts import doubts, require_own
from helpers.study.lock import locked
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run

TINY = REPOSITORY / "tests" / "data" / "tiny.yml"
resource = pytest.importorskip("resource", reason="limits of the disk are set as on Linux and macOS")
RADBOOK = [sys.executable, "-m", "helpers.cli"]


def changed_study(folder, old, new):
    """The tiny study with another word in it."""
    text = TINY.read_text(encoding="utf-8").replace("../../data", (REPOSITORY / "data").as_posix())
    text = text.replace("coarse.yml", (TINY.parent / "coarse.yml").as_posix())
    assert old in text
    (folder / "changed.yml").write_text(text.replace(old, new), encoding="utf-8")
    return folder / "changed.yml"


def edit_predictions(run):
    path = run.artifact_path("predictions")
    predictions = pd.read_parquet(path)
    predictions.assign(probability=1 - predictions["probability"]).to_parquet(path)


def test_all_that_a_finished_run_shows_is_its_own(finished):
    assert doubts(finished) == []


def test_libraries_warn_of_nothing_in_the_terminal(finished):
    told = (finished.folder.parent / "tiny.stderr").read_text(encoding="utf-8")
    assert "14_pitfalls ..." in told
    assert [line for line in told.splitlines() if "Warning" in line] == []


def test_a_later_chapter_does_not_go_on_with_another_seeds_results(own_run, tmp_path):
    study = changed_study(tmp_path, "seed: 7", "seed: 8")
    with pytest.raises(StudyError) as told:
        run_study(study, own_run.folder, "08", "08")
    assert "does not fit this run: the study file" in str(told.value)
    assert str(told.value).endswith("--from 01")


def test_edited_predictions_are_not_drawn(own_run):
    edit_predictions(own_run)
    with pytest.raises(StudyError) as told:
        run_study(TINY, own_run.folder, "08", "08")
    assert "private/predictions.parquet does not fit this run" in str(told.value)
    assert "(01, 02, 03, 04)" in str(told.value) and str(told.value).endswith("--from 05")


def test_the_next_whole_run_mends_what_was_edited(own_run):
    path = own_run.artifact_path("cohort")
    before = path.read_bytes()
    pd.read_parquet(path).assign(age=70.0).to_parquet(path)
    _, results = run_study(TINY, own_run.folder, last="08")
    assert [one.status for one in results[:8]] == ["ok", *["as before"] * 7]
    assert path.read_bytes() == before


def test_a_chapter_alone_with_another_parameter_outdates_what_follows(own_run):
    """The book of a run --to 08 is no failure, and says that chapter 13 is older, which a run then mends."""
    asked = ("08.threshold_step=0.02",)
    run_study(TINY, own_run.folder, "08", "08", asked)
    found = doubts(open_run(TINY, own_run.folder))
    assert {(one.chapter, one.why) for one in found} == {("13", "older")}
    require_own(own_run, last="08")
    with pytest.raises(StudyError, match="--from 13"):
        require_own(own_run)
    _, results = run_study(TINY, own_run.folder, "07", "13", asked)
    assert [one.status for one in results[:7]] == [*["as before"] * 6, "ok"]
    assert doubts(open_run(TINY, own_run.folder)) == []


def test_what_is_not_the_runs_own_is_found_among_what_a_book_shows(own_run):
    table = own_run.table_path("table_5")
    table.write_text(re.sub(r"0\.\d+", "0.999", table.read_text(encoding="utf-8")), encoding="utf-8")
    own_run.table_path("theirs").write_text("auc\n0.999\n", encoding="utf-8")
    model = own_run.bundle / "model.json"
    model.write_text(model.read_text(encoding="utf-8").replace("0.", "1.", 1), encoding="utf-8")
    notebook = own_run.notebooks / "07_delong.ipynb"
    notebook.write_text(notebook.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert {(one.file, one.why) for one in doubts(own_run)} == {
        ("share/tables/table_5.csv", "altered"),
        ("share/tables/theirs.csv", "unknown"),
        ("private/bundle/model.json", "altered"),
        ("notebooks/07_delong.ipynb", "altered"),
    }


def radbook(*arguments, **options):
    command = [*RADBOOK, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", **options)


def test_a_kill_during_sphinx_does_not_fail_the_next_build_and_an_edited_table_fails_each(
    whole_run, monkeypatch
):
    for path in whole_run.notebooks.glob("*.ipynb"):
        if path.name[:2] not in ("01", "07"):  # enough chapters for a book
            path.unlink()
    table = whole_run.table_path("table_5")
    table.write_text(re.sub(r"0\.\d+", "0.999", table.read_text(encoding="utf-8")), encoding="utf-8")
    build = subprocess.Popen(
        [*RADBOOK, "build", str(whole_run.folder)], start_new_session=True, stderr=subprocess.DEVNULL
    )
    while build.poll() is None and not (whole_run.book / "unfinished").exists():
        time.sleep(0.05)
    time.sleep(4)
    os.killpg(build.pid, signal.SIGKILL)
    assert build.wait() == -signal.SIGKILL
    # What a kill leaves when it comes while Sphinx writes its last files.
    for name in ("doctrees/environment.pickle", "html/searchindex.js", "html/index.html"):
        path = whole_run.book / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(path.read_bytes()[:1000] if path.exists() else b"x")
    asked = ["build", str(whole_run.folder)]
    done = CliRunner().invoke(cli.app, asked)
    assert done.exit_code == 1 and "share/tables/table_5.csv" in done.output, done.output
    pages = [page for page in (whole_run.book / "html").rglob("*.html") if "_static" not in page.parts]
    said = re.compile("Not all of this is the run(?:'|&#39;)s own|部分内容并非本次运行的结果或已过时")
    silent = [page.name for page in pages if not said.search(page.read_text("utf-8"))]
    assert len(pages) > 30 and silent == []
    monkeypatch.setattr(cli, "build_book", lambda run: None)  # it stands there
    assert CliRunner().invoke(cli.app, asked).exit_code == 1
    assert CliRunner().invoke(cli.app, [*asked, "--accept-foreign"]).exit_code == 0


@pytest.mark.parametrize("limit", [20_000, 200_000])
def test_a_full_disk_is_told_in_a_sentence_and_what_was_there_is_kept(own_run, limit):
    """A file larger than the limit cannot be written, neither by the runner nor by the notebook."""
    before = own_run.json_path("selection").read_bytes()
    asked = ["run", TINY, "--run-dir", own_run.folder, "--from", "04", "--to", "04", "-p", "04.resamples=3"]

    def starve():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = radbook(*asked, preexec_fn=starve)
    assert done.returncode == 1
    assert "could not be written: the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in own_run.folder.rglob(".*.part")]
    assert own_run.json_path("selection").read_bytes() == before
    assert json.loads(own_run.record.read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", ["check", "run", "apply", "build"])
def test_each_command_waits_for_the_folder(tmp_path, command):
    folder = tmp_path / "run"
    write_record(open_run(TINY, folder), StepResult("01_cohort", "ok", 1.0))
    study = [str(TINY), "--run-dir", str(folder)]
    given = {"apply": [str(tmp_path), *study], "build": [str(folder)]}.get(command, study)
    with locked(folder):
        done = CliRunner().invoke(cli.app, [command, *given])
    assert done.exit_code == 1
    assert f"process {os.getpid()} on" in done.output


@pytest.mark.slow
def test_a_notebook_whose_process_is_ended_is_told_in_plain_words(tmp_path, monkeypatch):
    """As the system does when memory is full."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import os\nos._exit(9)")])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "fatal.ipynb")
    monkeypatch.setattr("helpers.commands.run.notebook_source", lambda step: tmp_path / "fatal.ipynb")
    run = open_run(TINY, tmp_path / "run")
    with pytest.raises(StudyError, match=r"05_models was cut off.*--workers.*\(01, 02, 03, 04\).*--from 05"):
        execute(run, "05", {})
    assert json.loads(run.record.read_text(encoding="utf-8"))["notebooks"]["05_models"]["status"] == "failed"
