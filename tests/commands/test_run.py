"""One command runs the whole study: every promised file is there, results do not depend on the workers,
mistakes are told before the work starts, and a failure keeps what was computed."""

import json
import re

import in_this_process
import pandas as pd
import pytest
from typer.testing import CliRunner

from helpers import cli
from helpers.commands import memory, run
from helpers.commands.parameters import notebook_parameters, notebook_source
from helpers.commands.record import StepResult, write_record
from helpers.commands.run import applied_folder, other_problems, run_folder, run_study
from helpers.errors import StudyError
from helpers.features.extraction import features_table
from helpers.features.prepare import cases_of
from helpers.learning.classifiers import MODELS
from helpers.patients.table import check_tables
from helpers.study import pseudonyms, small_counts
from helpers.study.places import REPOSITORY, STEPS, shown_path
from helpers.study.run_folder import Run
from helpers.study.small_counts import EVENTS, TABLES
from helpers.study.study_file import load_study

TINY = REPOSITORY / "tests" / "data" / "tiny.yml"


@pytest.mark.parametrize(
    "name",
    [
        *[
            f"private/{name}.parquet"
            for name in ("cohort", "preprocessing", "features", "features_reader2", "icc", "predictions")
        ],
        "private/bundle/manifest.json",
        *[f"share/tables/table_{number}.csv" for number in range(1, 6)],
        "share/tables/feature_funnel.csv",
        *[f"share/figures/figure_{number}.{kind}" for number in range(1, 9) for kind in ("svg", "png")],
        *[f"notebooks/{name}.ipynb" for name in STEPS.values()],
        "book/html/index.html",
        *[f"book/html/notebooks/{name}.html" for name in STEPS.values()],
        "run.json",
    ],
)
def test_every_promised_file_is_there(finished, name):
    assert (finished.folder / name).stat().st_size > 0


def test_every_page_says_that_the_data_are_virtual(finished):
    pages = [path for path in (finished.book / "html").rglob("*.html") if "_static" not in path.parts]
    assert len(pages) > len(STEPS)
    said = re.compile("Virtual cohort: simulated patients|虚拟队列：患者和 CT 均为模拟")
    silent = [path.name for path in pages if not said.search(path.read_text("utf-8"))]
    assert not silent


# Whole numbers in shared tables that do not count patients.
NO_PATIENTS = {
    *("resamples", "features", "twins", "above", "lower_limit_above", "undefined", "thresholds", "longest"),
    *("log_sigma_mm", "slices apart (mm)", "computed", "SMOTE before", "SMOTE after", "treat none"),
    *("tube_kv", "chapter", "events_per_feature", "seeds_below", "hospitals"),
}


def test_every_count_of_patients_in_share_is_known_as_one(finished):
    """A new table with a new name for a count would escape the suppression of small counts."""
    shapes = [small_counts.Counts(), *TABLES.values()]
    known = {*EVENTS, *NO_PATIENTS, *(name for s in shapes for name in (*s.groups, *s.across))}
    for path in (finished.folder / "share" / "tables").glob("*.csv"):
        numbers = pd.read_csv(path).select_dtypes("integer")
        numbers = numbers.loc[:, numbers.max() > 1]  # in a tiny study a share may be 0 or 1 in every row
        assert set(numbers) <= known, f"{path.name}: {set(numbers) - known}"


def test_no_page_shows_an_error_or_a_folder_of_this_machine(finished):
    for path in (finished.book / "html").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "Traceback (most recent call last)" not in text, path.name
        assert str(REPOSITORY) not in text, path.name


def test_predictions_cover_every_patient_and_model(finished):
    predictions = finished.read("predictions")
    patients = finished.read("features")["patient_id"]
    counts = predictions.groupby("model")["patient_id"].nunique()
    assert set(counts.index) == {*MODELS, "clinical", "radiomics", "nomogram"}
    assert (counts == len(patients)).all()


@pytest.mark.parametrize("reader", [1, 2])
def test_features_do_not_depend_on_the_number_of_workers(finished, tmp_path, reader):
    """Two workers measured the cohort; one measures patients of both hospitals again, without the cache."""
    name = {1: "features", 2: "features_reader2"}[reader]
    whole, cohort = finished.read(name), finished.read("cohort").set_index("patient_id", drop=False)
    cases = cases_of(cohort.loc[whole["patient_id"].iloc[[0, -1]]], reader)
    alone, refused = features_table(Run(finished.study, tmp_path / "one"), cases, workers=1)
    assert len(alone) == 2 and refused.empty
    pd.testing.assert_frame_equal(alone, whole.iloc[[0, -1]].reset_index(drop=True), check_exact=True)


def test_results_do_not_depend_on_the_number_of_workers(finished, own_run):
    """Same study, same seed, same bytes."""
    known = [own_run.artifact_path("rad_score"), own_run.artifact_path("predictions")]
    for path in known:
        path.unlink()
    parameters = notebook_parameters(own_run.study.parameters, (), common(own_run, workers=1))
    for step in ("04", "05"):
        in_this_process.execute(notebook_source(step), parameters[step])
    assert known[0].read_bytes() == finished.artifact_path("rad_score").read_bytes()
    single = finished.read("predictions").query("model in @MODELS").reset_index(drop=True)
    pd.testing.assert_frame_equal(own_run.read("predictions"), single, check_exact=True)


def common(run, workers):
    return {"study": shown_path(TINY), "run_dir": shown_path(run.folder), "workers": workers}


def test_a_failed_notebook_ends_the_run_in_five_lines_keeps_the_rest_and_is_executed_again(own_run):
    """However little changed meanwhile. What did not fail is as before, although the run was moved here."""
    predictions, before = own_run.artifact_path("predictions"), own_run.artifact_path("features").read_bytes()
    predictions.rename(own_run.private / "away")
    with pytest.raises(StudyError) as failure:
        run_study(TINY, own_run.folder, first="08", last="08")
    lines = str(failure.value).splitlines()
    assert len(lines) == 5
    assert "08_decision_curves" in lines[0]
    assert "predictions" in lines[1]
    assert "--from 05" in lines[4]  # which makes what is missing
    assert own_run.artifact_path("features").read_bytes() == before
    record = json.loads(own_run.record.read_text(encoding="utf-8"))
    assert record["notebooks"]["08_decision_curves"]["status"] == "failed"
    (own_run.private / "away").rename(predictions)
    again = [result.status for result in run_study(TINY, own_run.folder, last="08")[1]]
    assert again == [*["as before"] * 7, "ok", "ok"]  # the last one is the book


def test_what_does_not_need_a_failed_notebook_is_done_and_each_failure_is_told(own_run, monkeypatch):
    def execute(run, step, *of):
        if step in ("08", "11"):
            raise StudyError(f"{step} stopped.")
        return StepResult(STEPS[step], "ok", 1.0)

    monkeypatch.setattr(run, "execute", execute)
    finished = []
    for name in ("holds", "begin"):
        monkeypatch.setattr(memory, name, lambda *of: None)
    monkeypatch.setattr(memory, "finish", lambda run, step, parameters: finished.append(step))
    with pytest.raises(StudyError, match=r"^08 stopped\.\n\n11 stopped\.$"):
        run_study(TINY, own_run.folder, "07", "13", workers=2)
    assert sorted(finished) == ["07", "09", "10", "12"]


def test_the_book_so_far_is_shown_after_some_chapters(own_run, monkeypatch, capsys):
    built = []
    monkeypatch.setattr(run, "build_book", built.append)
    monkeypatch.setattr(run, "execute", lambda run, step, *of: StepResult(STEPS[step], "ok", 1.0))
    for name in ("holds", "begin", "finish"):
        monkeypatch.setattr(memory, name, lambda *of: None)
    run_study(TINY, own_run.folder, "01", "07", preview=True)
    said = capsys.readouterr().err
    assert len(built) == 3 and said.count("The book so far: ") == 2  # after 03 and 06, and at the end
    assert len(re.findall(r"01_cohort: 1 s, about \d+ (s|min) to go", said)) == 1
    run_study(TINY, own_run.folder, "01", "07")
    assert len(built) == 4


def test_two_studies_of_one_name_do_not_share_a_run_folder(tmp_path, monkeypatch):
    """Each would overwrite the other's results; a study file that was moved keeps its own."""
    for module in ("commands.run", "study.places"):
        monkeypatch.setattr(f"helpers.{module}.REPOSITORY", tmp_path)
    text = (REPOSITORY / "data" / "studies" / "quick.yml").read_text(encoding="utf-8")
    first, second = tmp_path / "first.yml", tmp_path / "second.yml"
    for path in (first, second):
        path.write_text(text.replace("../", f"{REPOSITORY.as_posix()}/data/"), encoding="utf-8")
    write_record(run_folder(load_study(first)), StepResult("01_cohort", "ok", 1.0))
    assert run_folder(load_study(first)).folder == tmp_path / "runs" / "quick"
    with pytest.raises(StudyError, match=r"results of the study file 'first\.yml'.*--run-dir"):
        run_folder(load_study(second))
    first.unlink()
    assert run_folder(load_study(second)).folder == tmp_path / "runs" / "quick"


def test_check_and_apply_share_a_run_folder_and_a_run_of_its_own_is_left_alone(tmp_path, monkeypatch):
    for module in ("commands.run", "study.places"):
        monkeypatch.setattr(f"helpers.{module}.REPOSITORY", tmp_path)
    text = (REPOSITORY / "data" / "studies" / "quick.yml").read_text(encoding="utf-8")
    text = text.replace("../", f"{REPOSITORY.as_posix()}/data/")
    (tmp_path / "study.yml").write_text(text, encoding="utf-8")
    study = load_study(tmp_path / "study.yml")
    checked = run_folder(study)
    named = pseudonyms.pseudonyms(checked, "A", ["17"])
    assert applied_folder(study).folder == checked.folder
    (checked.notebooks / f"{STEPS['01']}.ipynb").touch()
    beside = applied_folder(study)
    assert beside.folder == checked.folder.with_name("quick-applied")
    assert pseudonyms.pseudonyms(beside, "A", ["17"]) == named
    assert (beside.private / "pseudonym.key").stat().st_mode & 0o077 == 0
    assert applied_folder(study, tmp_path / "mine").folder == tmp_path / "mine"


def test_the_command_tells_a_missing_study_in_one_line():
    done = CliRunner().invoke(cli.app, ["run", "nowhere.yml"])
    assert done.exit_code == 1
    assert re.fullmatch(r"There is no study file 'nowhere.yml'.*\n", done.output)


@pytest.mark.parametrize("name", ["virtual", "quick"])
def test_the_studies_that_come_along_have_no_problems(name):
    study = load_study(REPOSITORY / "data" / "studies" / f"{name}.yml")
    assert check_tables(study) + other_problems(study) == []


def test_check_finds_nothing_wrong_with_a_virtual_study(finished):
    done = CliRunner().invoke(cli.app, ["check", str(TINY), "--run-dir", str(finished.folder)])
    assert done.exit_code == 0, done.output
    assert "No problems" in done.output
