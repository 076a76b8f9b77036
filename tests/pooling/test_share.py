"""Protects: what a run writes for a centre is read by a centre, names no patient, and is explained."""

import json

import numpy as np
import pytest
from shared_numbers import FEATURE, made_run, people_of

from helpers.frozen import verdicts
from helpers.frozen.bundle import load_bundle
from helpers.frozen.new_hospital import Measured
from helpers.frozen.told import tell
from helpers.pooling.contract import SiteFile
from helpers.pooling.folders import read_folder
from helpers.pooling.readme import fields
from helpers.pooling.round_files import Answer
from helpers.pooling.share import share_run
from helpers.pooling.share_applied import share_applied
from helpers.study.run_folder import open_run


@pytest.fixture
def run(tmp_path):
    return made_run(tmp_path)


def text(run, name="site.json"):
    return (run.folder / "share" / name).read_text(encoding="utf-8")


def test_a_run_tells_of_its_validation_patients_hospital_by_hospital(run):
    site = share_run(run)
    assert [(one.label, one.role, one.patients) for one in site.hospitals] == [
        ("Home", "development", 80),
        ("Away", "external", 160),
    ]
    people = run.read("cohort").query("cohort == 'external'")
    away = site.hospitals[1]
    assert away.events == people["outcome"].sum()
    assert away.predictors["age"].mean == pytest.approx(people["age"].mean())
    assert away.predictors["sex"] == people["sex"].value_counts().to_dict()
    values = run.read("features").set_index("patient_id").loc[people["patient_id"], FEATURE]
    assert away.features[FEATURE].sd == pytest.approx(np.std(values))
    assert away.models["mean HU"].auc > 0.5
    assert site.training["sex"] == {"female": 0.6, "male": 0.4}


def test_a_centre_reads_what_a_run_wrote(run):
    site = share_run(run)
    assert read_folder(run.folder / "share") == site
    assert run.has(run.folder / "share" / "site.json")  # the ledger knows it


def test_no_patient_stands_in_it_and_a_rare_category_is_other(run):
    site = share_run(run)
    told = text(run) + text(run, "README")
    assert not any(patient in told for patient in run.read("cohort")["patient_id"])
    kvp = site.hospitals[1].scans["kvp"]
    assert kvp == {"other": 160}  # 3 or 4 scans at 100 kV, and their rest


def test_the_same_run_writes_the_same_bytes(run):
    share_run(run)
    before = text(run), text(run, "README")
    share_run(run)
    assert (text(run), text(run, "README")) == before


def test_the_label_is_the_hospitals_choice(tmp_path):
    run = made_run(tmp_path, label="Hospital 7")
    assert [one.label for one in share_run(run).hospitals] == ["Hospital 7", "Away"]


def test_the_readme_explains_every_field_that_the_file_has_in_both_languages(run):
    share_run(run)
    page, told = text(run, "README"), json.loads(text(run))
    english, chinese = page.split("逐项说明")

    def names(part):
        if isinstance(part, list):
            return set().union(*map(names, part)) if part else set()
        if not isinstance(part, dict):
            return set()
        return {*part, *set().union(*map(names, part.values()))}

    named = {name for _, name, *_ in fields(SiteFile)}
    free = {"clinical", "nomogram", "mean HU", FEATURE, "age", "sex", "kvp", "spacing_z", "female", "male"}
    free |= {"other", "1", *told["engine"]}
    assert names(told) - free <= named
    for _, name, words, words_zh in [*fields(SiteFile), *fields(Answer)]:
        assert f"{name}: {words}\n" in english and f"{name}: {words_zh}\n" in chinese
        assert any("\u4e00" <= letter <= "\u9fff" for letter in words_zh) and words.isascii()


def test_small_counts_that_are_not_hidden_are_said_aloud(tmp_path):
    run = made_run(tmp_path, min_cell=0)
    share_run(run)
    assert "CAUTION: min_cell is 0" in text(run, "README")


def test_an_applied_model_tells_of_those_it_was_judged_on(run, tmp_path):
    """Everybody measured gives the means, those scored with an outcome the rest."""
    bundle = load_bundle(run.bundle)
    new = open_run(run.study, tmp_path / "applied", "11")
    people = people_of("external", "Away", 160, 5).drop(columns="cohort")
    people.loc[:29, "outcome"] = np.nan
    status = np.repeat(["outside the domain", "scored", "scored with warning"], [20, 110, 30])
    table = people[["patient_id", "site"]].assign(status=status, reason="", category="")
    scores = people[["patient_id", "clinical", "radiomics", "nomogram"]].assign(rad_score=0.0)
    features = people[["patient_id"]].assign(**{FEATURE: people["hu"]})
    met = verdicts.Met(table, scores, table.iloc[:0])
    told, measured = tell(met, 10, people), Measured(features, None, table.iloc[:0])
    new.write_table("new_hospital_flow", told.flow())
    site = share_applied(new, new, bundle, people, told, met, measured)
    (one,) = site.hospitals
    assert (one.patients, one.described, one.role) == (130, 160, "external")
    assert one.features[FEATURE].mean == pytest.approx(people["hu"].mean())
    assert sum(one.predictors["sex"].values()) == 130
    assert {row.stage: row.patients for row in site.flow}["scored, outcome not known"] == 10
    assert read_folder(new.folder / "share") == site
    new.write_json("selection", {})
    assert share_applied(new, new, bundle, people, told, met, measured) is None
