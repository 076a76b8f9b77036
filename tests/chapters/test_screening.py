"""Chapter 01 shows no row of a real patient and no small count."""

import pandas as pd
import pytest
from shared_numbers import made_run

from helpers.chapters import screening
from helpers.patients import flow_chart
from helpers.study.places import REPOSITORY
from helpers.study.study_file import Inclusion, Outcome, Study


@pytest.fixture
def study():
    virtual = {"protocol": "../virtual/protocol.yml", "patients": 24}
    real = {"table": {"path": "dxa.csv"}, "images": "{patient_id}.nii.gz", "masks": "{patient_id}_m.nii.gz"}
    sites = [
        {"name": "Real", "role": "development", **real},
        {"name": "Virtual", "role": "external", "virtual": virtual},
    ]
    content = {"name": "t", "title": "t", "seed": 1, "extraction": "x.yml", "sites": sites}
    return Study(**content, file=REPOSITORY / "data" / "studies" / "study.yml")


@pytest.fixture
def screened():
    people = pd.DataFrame({"patient_id": ["P1", "P2", "P3"], "site": ["Real", "Virtual", "Real"]})
    return people.assign(age=[60, 70, 80], exclusion=["", "", "fracture"], allocation="", secret=1)


def test_examples_are_of_virtual_hospitals_only(screened, study):
    shown = screening.examples(screened, study)
    assert shown["patient_id"].tolist() == ["P2"]
    assert shown.columns.tolist() == ["patient_id", "site", "age", "exclusion"]


def test_small_counts_are_not_shown(study):
    cohort = pd.DataFrame({"cohort": ["external"] * 9 + ["training"] * 30})
    cohort["outcome"] = [0] * 7 + [1] * 2 + [0] * 20 + [1] * 10
    outcome = Outcome(name="relapse", positive="came back")
    counts = screening.counts_by_outcome(cohort, study.model_copy(update={"min_cell": 5, "outcome": outcome}))
    assert counts.columns.tolist() == ["No relapse", "Came back"]
    assert counts.index.tolist() == ["Training", "External validation"]
    assert counts.to_numpy().tolist() == [["20", "10"], ["7", "<5"]]


def test_rules_are_told_as_the_study_has_them(screened, study):
    words = screening.rules_in_words(screened, study)
    assert (words["screened"], words["excluded"]) == ("3", "1")
    assert words["min-age"] == f"{study.inclusion.min_age}"
    assert words["split"] == "drawn at random here, within each outcome"
    own = screening.rules_in_words(screened.assign(allocation="training"), study)
    assert own["split"] == "as the hospital's own table says"


def test_limits_are_told_as_far_as_the_tables_know_what_they_are_about(screened, study):
    young = study.model_copy(update={"inclusion": Inclusion(min_age=18, max_interval_days=90)})
    words = screening.rules_in_words(screened.assign(interval_days=3), young)["own-limits"]
    assert "an age of 18 years or more and less than 90 days between image and outcome" in words
    ageless = screening.rules_in_words(screened.drop(columns="age"), young)["own-limits"]
    assert ageless == "The study itself excludes nobody."


def test_the_chapter_opens_with_shares_and_ages_and_no_small_count(study):
    cohort = pd.DataFrame({"cohort": ["training"] * 4 + ["internal"] * 4 + ["external"] * 4})
    cohort["outcome"] = [1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0]
    cohort["age"] = [70, 74, 60, 64] + [65] * 8
    words = screening.opening_numbers(cohort, study.model_copy(update={"min_cell": 2}))
    assert (words["included"], words["share-low"], words["share-high"]) == ("12", "50", "50")
    assert words["age-gap"] == "10.0" and float(words["age-smd"]) == pytest.approx(10 / 8**0.5, abs=0.005)
    words = screening.opening_numbers(cohort, study.model_copy(update={"min_cell": 0}))
    assert (words["share-low"], words["share-high"]) == ("25", "75")


def tables_beside(run):
    """Patients of each set in Table 1, and the men among them by outcome, as chapter 01 shares them."""
    table = pd.read_csv(run.table_path("table_1"))
    return table[table["metric"].isin(["n", "male"])].set_index(["cohort", "subject", "metric"])["value"]


@pytest.mark.parametrize(("min_cell", "unusable", "told"), [(10, 3, 157), (10, 0, 160), (0, 3, 160)])
def test_table_1_beside_later_tables_tells_of_no_unusable_patient(tmp_path, min_cell, unusable, told):
    """The attack: patients of Table 1, less those of a later table, are those who could not be used."""
    run = made_run(tmp_path, min_cell=min_cell)
    cohort = run.read("cohort")
    flow = flow_chart.flow_chart(cohort.assign(exclusion=""), cohort)
    screening.write_table_1(run, cohort)
    screening.write_cohorts_beside(run, cohort)
    run.write_table("flow_chart_tables", flow)
    before = tables_beside(run)
    lost = cohort.query("cohort == 'external' and sex == 'male'")["patient_id"][:unusable]
    features = run.read("features")
    run.write("features", features[~features["patient_id"].isin(lost)])
    screening.tell_of_analysed(run, flow)
    now = tables_beside(run)
    assert int(float(now["external", "cohort", "n"])) == told
    assert int(float(before["external", "cohort", "n"])) == 160
    others = before.index.get_level_values("cohort") != "external"
    assert (before[others] == now[others]).all()
    beside = pd.read_csv(run.table_path("table_1_cohorts")).set_index("characteristic")["external"]
    men = sum(int(float(now["external", group, "male"])) for group in ("osteoporosis", "non-osteoporosis"))
    assert beside["male, n (%)"].startswith(f"{men} (")
