"""One command runs the whole study: every promised file is there, results do not depend on the workers,
mistakes are told before the work starts, and a failure keeps what was computed."""

import json
import re
import shutil

import pandas as pd
import pytest
from typer.testing import CliRunner

from helpers import cli
from helpers.commands.memory import READS_NOTHING, READS_TABLES, Memory
from helpers.commands.parameters import chosen_steps, notebook_parameters
from helpers.commands.record import StepResult, write_record
from helpers.commands.run import execute, run_folder, run_study, study_problems
from helpers.errors import StudyError
from helpers.study import small_counts
from helpers.study.places import REPOSITORY, STEPS
from helpers.study.run_folder import open_run
from helpers.study.small_counts import EVENTS, TABLES

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
    silent = [
        path.name for path in pages if "Virtual cohort: simulated patients" not in path.read_text("utf-8")
    ]
    assert not silent


# Whole numbers in shared tables that do not count patients.
NO_PATIENTS = {
    *("resamples", "features", "above", "lower_limit_above", "undefined", "thresholds", "longest"),
    *("log_sigma_mm", "computed", "SMOTE before", "SMOTE after", "treat none", "tube_kv"),
    *("chapter", "events_per_feature", "seeds_below"),
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
    assert set(counts.index) == {
        *("LR", "KNN", "SVM", "XGBoost", "RF", "LightGBM"),
        *("clinical", "radiomics", "nomogram"),
    }
    assert (counts == len(patients)).all()


def test_the_record_tells_versions_seed_and_times(finished):
    record = json.loads(finished.record.read_text(encoding="utf-8"))
    assert record["seed"] == 7
    assert record["virtual"] is True
    assert record["versions"]["pyradiomics-bhklab"] == "3.1.4"
    assert {entry["status"] for entry in record["notebooks"].values()} == {"ok"}
    assert set(record["notebooks"]) == {*STEPS.values(), "book"}


def test_results_do_not_depend_on_the_number_of_workers(finished, tmp_path):
    """Same study, same seed, same bytes."""
    for step in ("01", "02", "03", "04", "05"):
        other = open_run(TINY, tmp_path / "one")
        parameters = notebook_parameters(other.study.parameters, (), common(other, workers=1))
        execute(other, step, parameters[step])
    for name in ("cohort", "features", "features_reader2", "icc", "rad_score"):
        assert other.artifact_path(name).read_bytes() == finished.artifact_path(name).read_bytes(), name
    six = finished.read("predictions").query("model in ['LR', 'KNN', 'SVM', 'XGBoost', 'RF', 'LightGBM']")
    pd.testing.assert_frame_equal(other.read("predictions"), six.reset_index(drop=True), check_exact=True)


def common(run, workers):
    return {"study": str(TINY), "run_dir": str(run.folder), "workers": workers}


@pytest.fixture(scope="module")
def own_run(finished, tmp_path_factory):
    """A copy of the finished run, since other modules need that as it is."""
    folder = tmp_path_factory.mktemp("own") / "tiny"
    shutil.copytree(finished.folder, folder)
    return open_run(TINY, folder)


def test_a_failed_notebook_ends_the_run_in_five_lines_and_keeps_the_rest(own_run):
    before = own_run.artifact_path("features").read_bytes()
    asked = ("04.mrmr_scheme=nonsense",)
    with pytest.raises(StudyError) as failure:
        run_study(TINY, own_run.folder, first="04", last="04", overrides=asked)
    lines = str(failure.value).splitlines()
    assert len(lines) == 5
    assert "04_selection" in lines[0]
    assert "nonsense" in lines[1]
    assert "--from 04" in lines[4]
    assert own_run.artifact_path("features").read_bytes() == before
    record = json.loads(own_run.record.read_text(encoding="utf-8"))
    assert record["notebooks"]["04_selection"]["status"] == "failed"


def test_nothing_changed_nothing_repeated_and_a_change_reaches_what_follows(own_run):
    """Run after the failure above: the notebook with the error is executed, however little changed."""
    mended = run_study(TINY, own_run.folder, last="05")
    assert mended[3].status == "ok"
    again = [result.status for result in run_study(TINY, own_run.folder, last="05")]
    assert again == [*["as before"] * 5, "ok"]  # the last one is the book
    asked = ("04.spearman_threshold=0.8",)
    changed = run_study(TINY, own_run.folder, "03", "05", asked)
    assert [result.status for result in changed[:3]] == ["as before", "ok", "ok"]


@pytest.fixture
def remembered(tmp_path):
    """Memory of a run whose notebooks have all been executed, an artifact and a table being its results."""
    run = open_run(TINY, tmp_path / "run")
    run.artifact_path("rad_score").write_bytes(b"scores")
    run.table_path("decision_curves").write_bytes(b"net benefit")
    memory = Memory.of(run)
    for step, name in STEPS.items():
        (run.notebooks / f"{name}.ipynb").write_bytes(b"")
        write_record(run, TINY, StepResult(name, "ok", 1.0))
        memory = memory.after(step, {})
    memory.keep()
    return Memory.of(run)


def held(memory):
    return {step for step in STEPS if memory.holds(step, {})}


def test_a_changed_table_reaches_the_notebook_that_reads_tables_only(remembered):
    """A parameter of 08 must not cost chapter 10's minutes."""
    assert held(remembered) == {*STEPS}
    remembered.run.table_path("decision_curves").write_bytes(b"other net benefit")
    assert held(remembered.after("08", {})) == {*STEPS} - {"13"}


def test_a_changed_artifact_reaches_all_that_follows_however_often_the_run_is_interrupted(remembered):
    """A run --to 05 leaves 06 outdated, and the next run must know."""
    remembered.run.artifact_path("rad_score").write_bytes(b"other scores")
    memory = remembered.after("04", {})
    current = {*STEPS} - {step for step in STEPS if step > "04" and step not in READS_NOTHING}
    assert held(memory) == current
    memory.keep()
    assert held(Memory.of(remembered.run)) == current


def test_results_that_were_touched_between_two_runs_are_not_trusted(remembered):
    remembered.run.table_path("decision_curves").unlink()
    assert held(Memory.of(remembered.run)) == set()


def test_notebooks_read_no_more_than_is_said():
    """Else they would not be executed when what they read has changed."""
    writes = r"open_run\(study, run_dir\)|run\.study|run\.write_table|save_figure\(run|^run = "
    for step, name in STEPS.items():
        cells = json.loads((REPOSITORY / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        if step in READS_NOTHING:
            assert not re.search(r"\brun\b", re.sub(writes, "", code, flags=re.MULTILINE)), name
        if step not in READS_TABLES:
            assert not re.search(r"table_path|comparison", code), name


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("04.mrmr=30", r"Notebook 04 has no parameter 'mrmr'; it has .*mrmr_features"),
        ("44.mrmr_features=30", "notebook '44'"),
        ("mrmr_features", "not of the form"),
    ],
)
def test_an_unknown_parameter_stops_before_the_work(tmp_path, override, message):
    with pytest.raises(StudyError, match=message):
        run_study(TINY, tmp_path / "run", overrides=(override,))
    assert not (tmp_path / "run" / "private").exists()


def test_two_studies_of_one_name_do_not_share_a_run_folder(tmp_path, monkeypatch):
    """Each would overwrite the other's results; a study file that was moved keeps its own."""
    for module in ("commands.run", "study.places"):
        monkeypatch.setattr(f"helpers.{module}.REPOSITORY", tmp_path)
    text = (REPOSITORY / "data" / "studies" / "quick.yml").read_text(encoding="utf-8")
    first, second = tmp_path / "first.yml", tmp_path / "second.yml"
    for path in (first, second):
        path.write_text(text.replace("../", f"{REPOSITORY.as_posix()}/data/"), encoding="utf-8")
    write_record(run_folder(first), first, StepResult("01_cohort", "ok", 1.0))
    assert run_folder(first).folder == tmp_path / "runs" / "quick"
    with pytest.raises(StudyError, match=r"results of the study file 'first\.yml'.*--run-dir"):
        run_folder(second)
    first.unlink()
    assert run_folder(second).folder == tmp_path / "runs" / "quick"


def test_an_unknown_notebook_is_told():
    with pytest.raises(StudyError, match="no notebook '77'"):
        chosen_steps("77", "99")


def test_the_study_files_parameters_lose_against_the_command_line():
    chosen = notebook_parameters({"04": {"folds": 3}}, ("04.folds=5",), {"study": "a", "run_dir": "b"})
    assert chosen["04"] == {"study": "a", "run_dir": "b", "folds": 5}


def test_the_command_tells_a_missing_study_in_one_line():
    done = CliRunner().invoke(cli.app, ["run", "nowhere.yml"])
    assert done.exit_code == 1
    assert re.fullmatch(r"There is no study file 'nowhere.yml'.*\n", done.output)


@pytest.mark.parametrize("name", ["virtual", "quick"])
def test_the_studies_that_come_along_have_no_problems(name):
    assert study_problems(REPOSITORY / "data" / "studies" / f"{name}.yml") == []


def test_check_finds_nothing_wrong_with_a_virtual_study(finished):
    done = CliRunner().invoke(cli.app, ["check", str(TINY), "--run-dir", str(finished.folder)])
    assert done.exit_code == 0, done.output
    assert "No problems" in done.output
