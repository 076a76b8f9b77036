"""A hospital's table: everything wrong is told at once, by row, without raw patient numbers."""

import pytest

from helpers.cohort import load_screened
from helpers.study import load_study, open_run
from helpers.tables import check_tables

GOOD = "ID,Age,Sex,T-score,Days\nMRN-1,61,F,-2.6,3\nMRN-2,70,男,-1.0,40\nMRN-3,55,female,0.2,\n"
STUDY = """
name: own
title: Own hospital
seed: 1
extraction: extraction.yml
predictors: [{predictors}]
sites:
  - name: Ours
    role: development
    table:
      path: dxa.csv
      columns: {{patient_id: ID, age: Age, sex: Sex, t_score: {t_score}, interval_days: Days}}
    images: "ct/{{patient_id}}.nii.gz"
    masks: "masks/{{patient_id}}.nii.gz"
"""


@pytest.fixture
def hospital(tmp_path):
    """Write a study with one table; give back the study file."""

    def write(table: str, t_score: str = "T-score", predictors: str = "age, sex", encoding: str = "utf-8"):
        for folder in ("ct", "masks"):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / "MRN-1.nii.gz").touch()
        (tmp_path / "dxa.csv").write_text(table, encoding=encoding)
        file = tmp_path / "study.yml"
        file.write_text(STUDY.format(t_score=t_score, predictors=predictors), encoding="utf-8")
        return file

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_good_table_is_read_in_our_words(hospital, tmp_path, encoding):
    run = open_run(hospital(GOOD, encoding=encoding), tmp_path / "run")
    people = load_screened(run)
    run.write("screened", people)
    assert people["sex"].tolist() == ["female", "male", "female"]
    assert people["t_score"].tolist() == [-2.6, -1.0, 0.2]
    assert people["interval_days"].isna().tolist() == [False, False, True]
    assert (people["exclusion"] == "").all()


def test_raw_patient_numbers_never_leave(hospital, tmp_path):
    people = load_screened(open_run(hospital(GOOD), tmp_path / "run"))
    assert not people.astype(str).apply(lambda column: column.str.contains("MRN")).any().any()


def test_everything_wrong_is_told_at_once(hospital):
    bad = (
        "ID,Age,Sex,T-score,Days\nMRN-1,61,F,-2.6,3\nMRN-1,sixty,F,-1,3\nMRN-4,161,x,-1,3\n,60,F,-25,-4\n"
        "MRN-6,60,F,,3\n"
    )
    text = "\n".join(check_tables(load_study(hospital(bad))))
    for part in ("row 2, row 3: the same patient", "row 3 ('sixty')", "row 4 ('161')", "row 4 ('x')"):
        assert part in text
    for part in ("row 5 ('-25')", "row 6 ('')", "row 5: every row needs a patient number", "row 5 ('-4')"):
        assert part in text
    assert "dxa.csv" in text and "'T-score'" in text
    assert "MRN" not in text


def test_a_missing_column_is_named_as_the_study_file_names_it(hospital):
    (problem,) = check_tables(load_study(hospital(GOOD, t_score="T_hip")))
    assert "'T_hip' (t_score) is missing" in problem
    assert "ID" not in problem.split("The table has:")[0]
    assert "T-score" in problem


def test_a_predictor_must_be_in_the_table(hospital):
    (problem,) = check_tables(load_study(hospital(GOOD, predictors="age, sex, bmi")))
    assert "'bmi' (bmi) is missing" in problem


def test_further_predictors_are_numbers_or_words(hospital, tmp_path):
    table = "ID,Age,Sex,T-score,Days,bmi,steroids\nMRN-1,61,F,-2.6,3,22.5,yes\nMRN-2,70,M,-1.0,40,30,no\n"
    file = hospital(table, predictors="age, sex, bmi, steroids")
    people = load_screened(open_run(file, tmp_path / "run"))
    assert people["bmi"].tolist() == [22.5, 30]
    assert people["steroids"].tolist() == ["yes", "no"]


def test_files_that_are_not_there_are_told(hospital, tmp_path):
    file = hospital(GOOD)
    (tmp_path / "ct" / "MRN-1.nii.gz").unlink()
    (problem,) = check_tables(load_study(file))
    assert "none of the 3 patients has images at 'ct/{patient_id}.nii.gz'" in problem
    (tmp_path / "dxa.csv").unlink()
    assert "no table 'dxa.csv'" in check_tables(load_study(file))[0]


def test_another_encoding_is_refused_with_the_remedy(hospital):
    assert "save it as 'CSV UTF-8'" in check_tables(load_study(hospital(GOOD, encoding="gbk")))[0]


def test_an_allocation_in_other_words_is_not_passed_over(hospital):
    table = "ID,Age,Sex,T-score,Days,allocation\nMRN-1,61,F,-2.6,3,train\nMRN-2,70,M,-1.0,40,\n"
    (problem,) = check_tables(load_study(hospital(table)))
    assert "row 2 ('train'): write training or internal" in problem
