"""The tour's numbers are the run's, and it shows only what the run has made."""

import re
from dataclasses import replace

import pandas as pd
import pytest

from helpers.features.rules import typical_patient
from helpers.pages import staging, story, tour
from helpers.study.study_file import Outcome


@pytest.fixture(scope="module")
def page(finished):
    return tour.staged_files(finished)["tour.md"].decode()


def sentences(page):
    """Markdown without the drawings."""
    return re.sub(r"```\{raw\} html.*?```", "", page, flags=re.DOTALL)


def test_nine_pictures_and_three(page):
    steps, judged = page.split("## And does it hold?")
    assert [part.count("radbook-step") for part in (steps, judged)] == [9, 3]
    assert [part.count('role="img"') for part in (steps, judged)] == [9, 3]


def test_every_number_is_the_tables(finished, page):
    said = sentences(page)
    table = finished.read_table("table_5").query("model == 'nomogram'").set_index("cohort")
    external, training = table.loc["external"], table.loc["training"]
    assert f'AUC is <span class="radbook-computed">{external["auc"]:.2f} ({external["ci_low"]:.2f}' in said
    assert f"goes from {training['auc']:.2f} to {external['auc']:.2f};" in said
    assert f"the paper prints {external['paper_auc']:.2f}" in said
    funnel = finished.read_table("feature_funnel")["computed"]
    assert f"now {funnel.iloc[0]} numbers" in said and f"keep {funnel.iloc[-1]} of them" in said
    strict = finished.read_table("strict_paper_beside")
    strict = strict.query("quantity == 'AUC' and model == 'radiomics' and cohort == 'training'").iloc[0]
    assert f'"radbook-strict">{strict["strict_mode"]:.2f}</span>, not' in said
    real = finished.read_table("real_hospitals").query("model == 'radiomics'")
    assert f"keeps {real['left_out'].min():.2f} to {real['left_out'].max():.2f}" in said
    assert f"{real['n'].sum()} people" in said


def test_the_patient_is_the_one_of_figure_2(finished, page):
    shown = typical_patient(finished.read("preprocessing"))
    person = finished.read("cohort").set_index("patient_id").loc[shown]
    assert f"A {person['sex']} patient of {person['age']:.0f} years" in sentences(page)
    predictions = finished.read("predictions").query("model == 'nomogram'").set_index("patient_id")
    assert story.patient_of(finished)["risk"] == predictions.loc[shown, "probability"]
    score = finished.read("rad_score").set_index("patient_id").loc[shown, "rad_score"]
    assert f"our patient has {score:.1f}" in sentences(page)


def test_a_real_patient_is_never_told_of(finished):
    """The same run as if its hospitals were real: no age, no risk, no single value."""
    study = finished.study.model_copy(update={"sites": [], "simulated": False})
    assert story.patient_of(replace(finished, study=study)) is None


def test_a_run_of_one_chapter_has_no_tour_and_no_dead_door(run, tmp_path):
    assert tour.staged_files(run) == {}
    staging.stage(run, tmp_path / "source")
    assert not (tmp_path / "source" / "ten_minutes.md").exists()
    index = (tmp_path / "source" / "index.md").read_text(encoding="utf-8")
    assert "ten_minutes" not in index and "{grid-item-card} The" not in index
    assert "ten_minutes" not in (tmp_path / "source" / "_toc.yml").read_text(encoding="utf-8")


def test_a_question_of_its_own_is_told_without_bones(finished):
    outcome = Outcome(name="relapse", positive="came back", negative="stayed well")
    own = replace(
        finished, study=finished.study.model_copy(update={"outcome": outcome, "region": "the liver"})
    )
    table = pd.read_csv(finished.table_path("table_5"))
    said = sentences(tour.staged_files(own)["tour.md"].decode())
    assert not re.search(r"bone|densit|T12|CT\b|osteop", said)
    assert f"goes from {table['auc'].iloc[6]:.2f}" in said or "nomogram's AUC" in said


def test_a_set_of_one_class_has_no_auc_to_tell(run):
    rows = pd.DataFrame({"model": "nomogram", "cohort": ["training", "external"], "auc": [0.9, None]})
    run.write_table("table_5", rows)
    assert story.aucs_of(run) == {}
    run.write_table("table_5", rows.assign(auc=[0.9, 0.8]))
    assert [row["auc"] for row in story.aucs_of(run).values()] == [0.9, 0.8]


def test_the_book_of_a_question_of_its_own_has_a_tour(run, tmp_path):
    drawing = '<svg viewBox="0 0 9 9"><g id="figure_1"></g></svg>'
    run.figure_path("figure_5", "svg").write_text(drawing, encoding="utf-8")
    outcome = Outcome(name="relapse", positive="came back", negative="stayed well")
    own = replace(run, study=run.study.model_copy(update={"outcome": outcome, "region": "the liver"}))
    staging.stage(own, tmp_path / "source")
    assert (tmp_path / "source" / "tour.md").is_file() and (tmp_path / "source" / "ten_minutes.md").is_file()
