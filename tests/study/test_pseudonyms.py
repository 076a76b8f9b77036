"""Raw identifiers stay in private/: pseudonyms are stable and cannot be guessed."""

import pandas as pd
import yaml

from helpers.study import pseudonyms
from helpers.study.run_folder import open_run


def test_pseudonyms_are_stable_and_lead_back(run):
    first = pseudonyms.pseudonyms(run, "A", ["0012", "77"])
    assert pseudonyms.pseudonyms(run, "A", ["0012", "77"]) == first
    assert pseudonyms.raw_ids(run) == dict(zip(first, ["0012", "77"], strict=True))


def test_the_same_number_in_two_hospitals_is_two_patients(run):
    assert pseudonyms.pseudonyms(run, "A", ["1"]) != pseudonyms.pseudonyms(run, "B", ["1"])


def test_another_key_gives_other_pseudonyms(run, tmp_path):
    other = open_run("data/studies/quick.yml", tmp_path / "other")
    assert pseudonyms.pseudonyms(run, "A", ["1"]) != pseudonyms.pseudonyms(other, "A", ["1"])


def test_the_key_is_readable_by_its_owner_only(run):
    pseudonyms.pseudonyms(run, "A", ["1"])
    assert (run.private / "pseudonym.key").stat().st_mode & 0o077 == 0
    assert run.private.stat().st_mode & 0o077 == 0


def test_rows_of_real_patients_are_counted_not_shown(run, tmp_path):
    rows = pd.DataFrame({"patient_id": ["P1", "P2"], "reason": ["a", "b"]})
    assert pseudonyms.single_patients(run, rows) is rows
    table = tmp_path / "dxa.csv"
    table.write_text("patient_id,age,sex,t_score\n", encoding="utf-8")
    files = {"table": {"path": "dxa.csv"}, "images": "{patient_id}", "masks": "{patient_id}"}
    study = {"name": "real", "title": "", "seed": 1, "extraction": "a.yml"}
    study["sites"] = [{"name": "A", "role": "development"} | files]
    path = tmp_path / "study.yml"
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    shown = pseudonyms.single_patients(open_run(path, tmp_path / "real"), rows)
    assert "P1" not in shown.to_string()
    assert shown.to_numpy().tolist() == [[2]]
