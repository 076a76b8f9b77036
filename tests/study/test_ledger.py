"""What does not fit a run is not read: which file, why, and the chapter to repeat it from."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pandas as pd
import pytest

from helpers.errors import StudyError
from helpers.study.content_hash import file_hash
from helpers.study.ledger import Entry, Ledger
from helpers.study.places import REPOSITORY, STEPS
from helpers.study.run_folder import open_run

TEXT = (REPOSITORY / "data" / "studies" / "quick.yml").read_text(encoding="utf-8")


def study_file(folder, *changes):
    """The quick study with other words in it, its settings beside it."""
    text = TEXT.replace("../", "")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("virtual", "extraction"):
        shutil.copytree(REPOSITORY / "data" / name, folder / name, dirs_exist_ok=True)
    (folder / "study.yml").write_text(text, encoding="utf-8")
    return folder / "study.yml"


def scores(shift=0.0):
    rows = {"patient_id": ["a", "b"], "cohort": "training", "outcome": [0, 1]}
    return pd.DataFrame(rows | {"rad_score": [0.5 + shift, 1.5]})


def risks(run, model, probability=0.25):
    """Predictions of a model beside those of the models before it, as chapters 05 and 06 write them."""
    rows = scores().drop(columns="rad_score").assign(model=model, probability=probability)
    before = [run.read("predictions")] if model == "nomogram" else []
    run.write("predictions", pd.concat([*before, rows], ignore_index=True))


def chapters(study, folder):
    """Chapters 04 to 07 of a tiny run: 05 reads 04's artifact, 06 adds to 05's, 07 reads them."""
    runs = {number: open_run(study, folder, number) for number in ("04", "05", "06", "07")}
    runs["04"].write("rad_score", scores())
    runs["04"].write_json("selection", {"lambda": 0.1})
    for number, model in {"05": "LR", "06": "nomogram"}.items():
        runs[number].read("rad_score")
        risks(runs[number], model)
    runs["07"].read("predictions")
    runs["07"].write_table("delong_pairs", pd.DataFrame({"p_value": [0.5]}))
    return runs


@pytest.fixture
def study(tmp_path):
    return study_file(tmp_path / "study")


@pytest.fixture
def runs(study, tmp_path):
    return chapters(study, tmp_path / "run")


def refused(run, name="predictions"):
    with pytest.raises(StudyError) as error:
        run.read(name)
    return str(error.value)


def test_what_a_run_has_written_fits_it(runs):
    assert len(runs["07"].read("predictions")) == 4
    assert runs["07"].read_json("selection") == {"lambda": 0.1}
    assert runs["07"].misfits(runs["07"].table_path("delong_pairs")) == []


def test_edited_predictions_are_not_read(runs):
    path = runs["07"].artifact_path("predictions")
    edited = pd.read_parquet(path)
    edited.assign(probability=1 - edited["probability"]).to_parquet(path)
    said = refused(runs["07"])
    assert "private/predictions.parquet" in said and "edited" in said and "--from 05" in said


def test_predictions_of_another_study_are_not_read(runs, tmp_path):
    """The other study has the same patients and another seed."""
    seed = ("seed: 20260428", "seed: 7")
    other = chapters(study_file(tmp_path / "other", seed), tmp_path / "other" / "run")
    risks(other["05"], "LR", 0.75)
    shutil.copyfile(*(one["05"].artifact_path("predictions") for one in (other, runs)))
    assert "another run's" in refused(runs["07"])


@pytest.mark.parametrize(
    "change",
    [
        ("seed: 20260428", "seed: 7"),
        ("second_reader_cases: 20", "outcome: {t_score_at_most: -2.0}\nsecond_reader_cases: 20"),
        ("patients: 84", "patients: 85"),
        ('"04": {resamples: 30}', '"04": {resamples: 31}'),
    ],
)
def test_a_changed_study_stops_the_chapters_that_would_go_on_with_old_results(runs, tmp_path, change):
    later = open_run(study_file(tmp_path / "study", change), runs["07"].folder, "05")
    said = refused(later, "rad_score")
    assert "the study file" in said and "--from 04" in said


def test_words_and_another_chapters_knobs_change_nothing_that_is_there(runs, tmp_path):
    changes = [('title: "', 'title: "Our '), ('"10": {repeats: 1', '"10": {repeats: 2')]
    later = open_run(study_file(tmp_path / "study", *changes), runs["07"].folder, "07")
    assert len(later.read("predictions")) == 4


def test_a_changed_settings_file_counts_as_the_study(runs, tmp_path):
    settings = tmp_path / "study" / "extraction" / "paper.yml"
    settings.write_text(settings.read_text(encoding="utf-8") + "\n# other\n", encoding="utf-8")
    assert "settings file" in refused(runs["05"], "rad_score")


def test_a_chapter_with_another_parameter_outdates_what_follows_until_it_is_repeated(runs, study):
    """papermill -p on one chapter is no mistake; going on without repeating the next would be."""
    again = open_run(study, runs["04"].folder, "04")
    again.write("rad_score", scores(shift=1.0))
    said = refused(open_run(study, again.folder, "07"))
    assert "made anew" in said and "--from 05" in said
    for number, model in {"05": "LR", "06": "nomogram"}.items():
        run = open_run(study, again.folder, number)
        run.read("rad_score")
        risks(run, model)
    assert len(open_run(study, again.folder, "07").read("predictions")) == 4
    table = run.table_path("delong_pairs")
    assert [one.file for one in run.misfits(table)] == []  # the same predictions as before


def test_the_earliest_chapter_is_named(runs):
    for name in ("rad_score", "predictions"):
        path = runs["07"].artifact_path(name)
        path.write_bytes(path.read_bytes()[:-100])
    assert "private/rad_score.parquet" in refused(runs["07"]) and "--from 04" in refused(runs["07"])


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": {}}', '{"a": {"sha256": "0", "settings": 3}}'])
def test_a_damaged_ledger_vouches_for_nothing(runs, content):
    runs["05"].ledger.path.write_text(content, encoding="utf-8")
    assert "no record" in refused(runs["05"], "rad_score")


def test_a_moved_run_folder_fits(runs, study, tmp_path):
    moved = runs["07"].folder.rename(tmp_path / "elsewhere")
    assert len(open_run(study, moved, "07").read("predictions")) == 4


def test_the_same_study_makes_the_same_ledger(runs, study, tmp_path):
    again = chapters(study, tmp_path / "again")
    assert again["07"].ledger.path.read_bytes() == runs["07"].ledger.path.read_bytes()


def test_chapters_that_write_at_the_same_time_lose_no_entry(study, tmp_path):
    def write(number):
        open_run(study, tmp_path / "run", "14").write_json(f"of_{number}", {})

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(20)))
    known = open_run(study, tmp_path / "run").ledger.entries()
    assert set(known) == {f"private/of_{number}.json" for number in range(20)}


def test_the_ledger_names_no_patient(runs):
    known = json.loads(runs["07"].ledger.path.read_text(encoding="utf-8"))
    assert set(known["private/predictions.parquet"]["settings"]) == {"05", "06"}
    assert all(set(entry) == {"sha256", "settings", "read", "origin"} for entry in known.values())


def test_a_new_hospitals_scores_belong_to_the_study_of_the_folder(runs):
    """Chapter 11 may read another study, and writes into this run."""
    new = replace(runs["07"], study=runs["07"].study.model_copy(update={"seed": 3}), owner=runs["07"].study)
    new.write_json("models", {})
    assert Ledger(new.private).judge(runs["07"].made_with)("private/models.json") is None


def test_a_later_chapter_takes_a_table_over_and_an_earlier_one_does_not(study, tmp_path):
    """Chapter 03 writes Table 1 of those analysed in place of 01's: 01 is not out of date, 03 would be."""
    runs = {number: open_run(study, tmp_path / "run", number) for number in ("01", "03")}
    notebooks = []
    for number, run in runs.items():
        run.write_table("table_1", pd.DataFrame({"p_value": [float(number)]}))
        notebooks.append(run.notebooks / f"{STEPS[number]}.ipynb")
        notebooks[-1].write_text("{}", encoding="utf-8")
        with run.ledger.changing() as entries:
            place = run.place(notebooks[-1])
            shown = {name: entry.sha256 for name, entry in entries.items() if number in entry.settings}
            made = {number: run.made_with(number, place)}
            entries[place] = Entry(file_hash(notebooks[-1]), made, shown)
    assert runs["03"].misfits(*notebooks) == []
    runs["01"].write_table("table_1", pd.DataFrame({"p_value": [0.5]}))
    (found,) = runs["03"].misfits(*notebooks)
    assert (found.file, found.why, found.chapter) == (place, "older", "03")
