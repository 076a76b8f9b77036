"""A hospital's table: everything wrong is told at once, by row, without raw patient numbers or dates."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from helpers.patients.cohort import load_screened
from helpers.patients.columns import OPTIONAL, REQUIRED, T_SCORES
from helpers.patients.table import check_tables, table_remarks
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run
from helpers.study.sites import CohortTable, Site
from helpers.study.study_file import Outcome, Rules, Study, load_study

DATA = Path(__file__).parents[1] / "data"
GOOD = "ID,Age,Sex,T-score,Days\nMRN-1,61,F,-2.6,3\nMRN-2,70,男,-1.0,40\nMRN-3,55,female,0.2,\n"
COLUMNS = {"patient_id": "ID", "age": "Age", "sex": "Sex", "t_score": "T-score", "interval_days": "Days"}
NO_T = {name: header for name, header in COLUMNS.items() if name != "t_score"}
DATED = "ID,Age,Sex,T,ct,dxa\nMRN-1,61,F,-2.6,2024-03-01,2024/2/27\nMRN-2,70,F,-1,2024年3月1日,\n"
DATE_COLUMNS = {"patient_id": "ID", "t_score": "T", "ct_date": "ct", "dxa_date": "dxa"}
SITES = {"t_score_lumbar": "L", "t_score_femoral_neck": "FN", "t_score_total_hip": "TH"}


@pytest.fixture
def hospital(tmp_path):
    """Write a study with one table; give back the study file."""

    def write(table: str, columns: dict = COLUMNS, encoding: str = "utf-8", role="development", **changes):
        for folder in ("ct", "masks"):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / "MRN-1.nii.gz").touch()
        (tmp_path / "dxa.csv").write_text(table, encoding=encoding)
        site = {"name": "Ours", "role": role, "table": {"path": "dxa.csv", "columns": columns}}
        site |= {"images": "ct/{patient_id}.nii.gz", "masks": "masks/{patient_id}.nii.gz"}
        study = {"name": "own", "title": "Own", "seed": 1, "extraction": "extraction.yml", "sites": [site]}
        file = tmp_path / "study.yml"
        file.write_text(yaml.safe_dump(study | changes, allow_unicode=True), encoding="utf-8")
        return file

    return write


@pytest.fixture
def people(hospital, tmp_path):
    """Read a table as notebook 01 does, contract included."""

    def read(*given, **changes) -> pd.DataFrame:
        run = open_run(hospital(*given, **changes), tmp_path / "run")
        run.write("screened", load_screened(run))
        return run.read("screened")

    return read


@pytest.fixture
def problems(hospital):
    return lambda *given, **changes: check_tables(load_study(hospital(*given, **changes)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
def test_a_good_table_is_read_in_our_words(people, encoding):
    read = people(GOOD, encoding=encoding)
    assert read["sex"].tolist() == ["female", "male", "female"]
    assert read["t_score"].tolist() == [-2.6, -1.0, 0.2]
    assert read["interval_days"].isna().tolist() == [False, False, True]
    assert (read["exclusion"] == "").all()


def test_a_european_table_gives_the_same_patients(people):
    european = (
        GOOD.replace("-2.6", "-2;6").replace(",", ";").replace("-2;6", "-2,6").replace("-1.0", "－１,0")
    )
    pd.testing.assert_frame_equal(
        people(european).drop(columns="patient_id"), people(GOOD).drop(columns="patient_id")
    )


def test_raw_patient_numbers_and_dates_never_leave(people):
    text = people(DATED, DATE_COLUMNS).astype(str).to_csv()
    assert "MRN" not in text and "2024" not in text


def test_dates_become_days_between(people):
    days = people(DATED, DATE_COLUMNS)["interval_days"]
    assert days.tolist()[0] == 3  # over 29 February
    assert days.isna().tolist() == [False, True]


def test_dates_that_could_be_two_days_are_refused_unseen(problems):
    columns = {"patient_id": "ID", "t_score": "T", "ct_date": "ct"}
    both = columns | {"dxa_date": "dxa"}
    (problem,) = problems("ID,Age,Sex,T,ct,dxa\nMRN-1,61,F,-2.6,03/04/2024,2024-04-03\n", both)
    assert "column 'ct': row 2: not one certain day" in problem and "write 2024-03-01" in problem
    (problem,) = problems("ID,Age,Sex,T,ct\nMRN-1,61,F,-2.6,20240304\n", columns)
    assert "ct_date and dxa_date only one" in problem


def test_days_that_the_dates_contradict_are_told(problems):
    table = "ID,Age,Sex,T-score,Days,ct_date,dxa_date\nMRN-1,61,F,-2.6,3,2024-03-01,2024-03-20\n"
    assert "row 2: interval_days is not the time between" in problems(table)[0]


def test_the_lowest_of_the_measured_sites_counts(people):
    table = "ID,Age,Sex,Days,L,FN,TH\nMRN-1,61,F,3,-1,-2.7,/\nMRN-2,61,F,3,-3,,-1\n"
    assert people(table, NO_T | SITES)["t_score"].tolist() == [-2.7, -3.0]


def test_a_patient_without_any_t_score_is_told_unless_excluded(problems, people):
    table = (
        "ID,Age,Sex,Days,L,FN,TH,exclusion\nMRN-1,61,F,3,,,,\nMRN-2,,F,3,,未测,,fracture\nMRN-3,60,F,3,1,,,\n"
    )
    (problem,) = problems(table, NO_T | SITES)
    assert "row 2: no T-score in 'L' or 'FN' or 'TH'" in problem and "exclusion" in problem
    read = people(table.replace("3,,,,\nMRN-2", "3,-1,,,\nMRN-2"), NO_T | SITES)
    assert read["t_score"].isna().tolist() == [False, True, False]
    assert read["exclusion"].tolist() == ["", "fracture", ""]


def test_a_lowest_t_score_that_is_not_the_lowest_is_told(problems):
    table = "ID,Age,Sex,T-score,Days,L\nMRN-1,61,F,-1,3,-2.6\n"
    assert (
        "row 2: 'T-score' is not the lowest T-score" in problems(table, COLUMNS | {"t_score_lumbar": "L"})[0]
    )


def test_a_ready_outcome_needs_no_t_score(people, problems):
    table = "ID,Age,Sex,Days,OP\nMRN-1,61,F,3,1\nMRN-2,70,M,4,否\n"
    given = {"outcome": {"given": True}}
    read = people(table, NO_T | {"outcome": "OP"}, **given)
    assert read["outcome"].tolist() == [1, 0] and "t_score" not in read
    assert (
        "row 3 ('maybe'): write 1"
        in problems(table.replace("否", "maybe"), NO_T | {"outcome": "OP"}, **given)[0]
    )
    assert "(outcome) is missing" in problems(GOOD, COLUMNS | {"outcome": "OP"}, **given)[0]
    assert "no column gives the outcome" in problems(GOOD, **given)[0]


def test_a_site_to_which_a_model_is_applied_may_know_no_outcomes(people, problems):
    table = "ID,Age,Sex,Days\nMRN-1,61,F,3\nMRN-2,70,M,4\n"
    assert "t_score" not in people(table, NO_T, role="external")
    assert "no column gives the outcome" in problems(table, NO_T)[0]
    blank = "ID,Age,Sex,T-score,Days\nMRN-1,61,F,,3\nMRN-2,70,M,,4\n"
    assert "t_score" not in people(blank, role="external")
    half = blank.replace("M,,", "M,-1,")
    assert "row 2: no T-score" in problems(half, role="external")[0]


def test_everything_wrong_is_told_at_once(problems):
    bad = (
        "ID,Age,Sex,T-score,Days\nMRN-1,61,F,-2.6,3\nMRN-1,sixty,F,-1,3\nMRN-4,161,x,-1,3\n,60,F,-25,-4\n"
        "MRN-6,60,1,,3\n"
    )
    text = "\n".join(problems(bad))
    for part in (
        "row 2, row 3: the same patient",
        "row 3 ('sixty')",
        "row 4 ('161')",
        "row 4 ('x')",
        "row 6 ('1')",
    ):
        assert part in text
    for part in (
        "row 5 ('-25')",
        "row 6: no T-score",
        "row 5: every row needs a patient number",
        "row 5 ('-4')",
    ):
        assert part in text
    assert "dxa.csv" in text and "'T-score'" in text
    assert "MRN" not in text


def test_a_column_mapped_by_mistake_does_not_print_patient_numbers(problems):
    (problem,) = problems(GOOD, {**COLUMNS, "age": "ID"})
    assert "row 2, row 3, row 4: needs a number" in problem and "MRN" not in problem


def test_a_table_without_headers_prints_none_of_its_cells(problems):
    (problem,) = problems(GOOD.partition("\n")[2])
    assert "first row holds numbers" in problem and "MRN" not in problem


def test_a_missing_column_is_named_as_the_study_file_names_it(problems):
    (problem,) = problems(GOOD, {**COLUMNS, "t_score": "T_hip"})
    assert "'T_hip' (t_score) is missing" in problem
    assert "ID" not in problem.split("The table has:")[0]
    assert "T-score" in problem


def test_headers_are_found_however_they_are_typed(people):
    table = GOOD.replace("T-score", "T值（腰椎）").replace("Age", "Age ")
    assert people(table, {**COLUMNS, "t_score": "T值(腰椎)", "age": "age"})["t_score"].tolist()[0] == -2.6


def test_a_header_that_stands_twice_is_told(problems):
    (problem,) = problems(GOOD.replace("Days", "Age"), {"patient_id": "ID", "t_score": "T-score"})
    assert "two columns are called 'age'" in problem


def test_a_predictor_must_be_in_the_table(problems):
    (problem,) = problems(GOOD, predictors=["age", "sex", "bmi"])
    assert "'bmi' (bmi) is missing" in problem


def test_the_outcome_cannot_be_its_own_predictor(problems):
    assert "The predictor 't_score' has the name of a column" in problems(GOOD, predictors=["t_score"])[0]
    assert "The predictor 'a=b' has a '=' in its name" in problems(GOOD, predictors=["a=b"])[0]


def test_further_predictors_are_numbers_or_words(people):
    table = "ID,Age,Sex,T-score,Days,bmi,steroids\nMRN-1,61,F,-2.6,3,22.5,是\nMRN-2,70,M,-1.0,40,30,no\n"
    read = people(table, predictors=["age", "bmi", "steroids"])
    assert read["bmi"].tolist() == [22.5, 30]
    assert read["steroids"].tolist() == ["yes", "no"]


def test_slips_in_predictors_are_told(problems):
    rows = [f"MRN-{i},61,F,-1,3,{20 + i},type {i}" for i in range(1, 13)]
    table = "ID,Age,Sex,T-score,Days,bmi,drug\n" + "\n".join(rows).replace(",25,", ",25x,").replace(
        ",26,", ",,"
    )
    bmi, blank, drug = problems(table, predictors=["bmi", "drug"])
    assert "row 6 ('25x'): most of this predictor's cells are numbers" in bmi
    assert "row 7: no value" in blank
    assert "more than 10 different words" in drug and "and 2 more rows" in drug


def test_fracture_and_contrast_are_carried_as_booleans(people, problems):
    table = (
        GOOD.replace("Days\n", "Days,fracture,contrast\n")
        .replace("3\n", "3,是,no\n")
        .replace("40\n", "40,0,无\n")
    )
    table = table.replace("0.2,\n", "0.2,,yes,y\n")
    read = people(table)
    assert read["fracture"].tolist() == [True, False, True] and read["fracture"].dtype == "boolean"
    assert read["contrast"].tolist() == [False, False, True]
    assert "row 4: no value" in problems(table.replace("yes,y", "yes,"))[0]


def test_words_that_exclude_nobody(people):
    table = GOOD.replace("Days\n", "Days,exclusion\n").replace("3\n", "3,否\n").replace("40\n", "40,是\n")
    assert people(table.replace("0.2,\n", "0.2,,骨折\n"))["exclusion"].tolist() == [
        "",
        "reason not stated",
        "骨折",
    ]


def test_a_patient_is_let_in_by_a_written_reason_not_by_a_bare_yes(people, problems):
    table = GOOD.replace("Days\n", "Days,accepted\n").replace("3\n", "3,haemangioma seen\n")
    table = table.replace("40\n", "40,否\n").replace("0.2,\n", "0.2,,\n")
    assert people(table)["accepted"].tolist() == ["haemangioma seen", "", ""]
    (told,) = problems(table.replace("haemangioma seen", "是"))
    assert "column 'accepted'" in told and "row 2" in told and "write the reason" in told


def test_an_excel_sheet_with_chinese_headers_is_read(tmp_path):
    """The invented hospital of tests/data: mixed ids, dates of three kinds, T-scores per site, steroids."""
    shutil.copy(DATA / "dxa.xlsx", tmp_path)
    columns = {"patient_id": "患者编号", "age": "年龄", "sex": "性别", "t_score_lumbar": "T值(腰椎)"}
    columns |= {"t_score_femoral_neck": "T值(股骨颈)", "t_score_total_hip": "T值(全髋)", "ct_date": "CT日期"}
    columns |= {"dxa_date": "DXA日期", "exclusion": "排除原因", "bmi": "BMI", "steroids": "激素"}
    site = {
        "name": "Ours",
        "role": "development",
        "images": "{patient_id}.nii",
        "masks": "m/{patient_id}.nii",
    }
    site["table"] = {"path": "dxa.xlsx", "sheet": "登记表", "columns": columns}
    study = {"name": "own", "title": "Own", "seed": 1, "extraction": "x.yml", "sites": [site]}
    study["predictors"] = ["age", "bmi", "steroids"]
    (tmp_path / "study.yml").write_text(yaml.safe_dump(study), encoding="utf-8")
    for patient in ("00123", "124"):
        (tmp_path / f"{patient}.nii").touch()
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "00123.nii").touch()
    read = load_screened(open_run(tmp_path / "study.yml", tmp_path / "run"))
    assert read["t_score"].tolist()[:3] == [-2.5, -1.0, -2.6]
    assert read["interval_days"].tolist()[:3] == [10, 4, 1]
    assert read["steroids"].tolist()[:3] == ["yes", "no", "no"]
    assert read["exclusion"].tolist() == ["", "", "", "骨折"]


def test_numbers_that_a_spreadsheet_spoils(problems):
    table = GOOD.replace("MRN-1", "1.10101E+17").replace("MRN-2", "123.0").replace("MRN-3", "a/b")
    rounded, slash = problems(table)
    assert "row 2: Excel has rounded this long number" in rounded
    assert "row 4: a number with a slash" in slash


def test_numbers_with_lost_zeros_get_a_hint(hospital, people, tmp_path):
    table = GOOD.replace("MRN-", "10")
    images, _ = check_tables(load_study(hospital(table)))
    assert "has images at" in images and "dropped leading zeros" in images
    for folder in ("ct", "masks"):
        (tmp_path / folder / "101.nii.gz").touch()
    assert len(people(table.replace("101", "101.0"))) == 3


def test_files_that_are_not_there_are_told(hospital, tmp_path):
    file = hospital(GOOD)
    (tmp_path / "ct" / "MRN-1.nii.gz").unlink()
    (problem,) = check_tables(load_study(file))
    assert "none of the 3 patients has images at 'ct/{patient_id}.nii.gz'" in problem
    (tmp_path / "dxa.csv").unlink()
    assert "no table 'dxa.csv'" in check_tables(load_study(file))[0]


def with_points(file, points):
    """The study file with points in place of masks."""
    study = yaml.safe_load(file.read_text(encoding="utf-8"))
    del study["sites"][0]["masks"]
    study["sites"][0]["points"] = points
    file.write_text(yaml.safe_dump(study), encoding="utf-8")
    return load_study(file)


@pytest.mark.parametrize(
    ("points", "told"),
    [
        ("points/{patient_id}.fcsv", "none of the 3 patients has points at 'points/{patient_id}.fcsv'"),
        ({"path": "points.csv"}, "there is no table of points 'points.csv'"),
    ],
)
def test_points_that_are_not_there_are_told_once(hospital, tmp_path, points, told):
    study = with_points(hospital(GOOD), points)
    (problem,) = check_tables(study)
    assert told in problem
    (tmp_path / "points").mkdir()
    for path in ("points/MRN-1.fcsv", "points.csv"):
        (tmp_path / path).touch()
    assert check_tables(study) == []


def test_an_allocation_in_other_words_is_not_passed_over(problems):
    table = "ID,Age,Sex,T-score,Days,allocation\nMRN-1,61,F,-2.6,3,train\nMRN-2,70,M,-1.0,40,\n"
    (problem,) = problems(table)
    assert "row 2 ('train'): write training or internal" in problem


def test_the_template_explains_every_key_and_column():
    template = (REPOSITORY / "data" / "studies" / "template.yml").read_text(encoding="utf-8")
    keys = {
        *Study.model_fields,
        *Site.model_fields,
        *CohortTable.model_fields,
        *Rules.model_fields,
        *Outcome.model_fields,
    }
    keys |= {*REQUIRED, *T_SCORES, *OPTIONAL, "outcome"}
    keys -= {"name_zh", "positive_zh", "negative_zh"}  # told in a line of their own
    keys -= {"file", "virtual"}  # set by the program; for the book's own patients
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}:", template)] == []


def many(scores, numbers=None):
    """A table of as many patients as T-scores."""
    numbers = numbers or [f"MRN-{n}" for n in range(1, len(scores) + 1)]
    rows = [f"{number},66,F,{score},3" for number, score in zip(numbers, scores, strict=True)]
    return "\n".join(["ID,Age,Sex,T-score,Days", *rows])


def test_t_scores_without_their_minus_signs_stop_a_study(problems):
    (lost,) = problems(many([2.6, 1.0, 0.2, 3.1, 2.5] * 3))
    assert "column 'T-score': none of its 15 T-scores is below 0" in lost
    assert problems(many([2.6, 1.0, 0.2, 3.1, -2.5] * 3)) == []


@pytest.mark.parametrize(("scores", "told"), [([2.6, 1.0, 0.2], 1), ([2.6, 1.0, -0.2], 0)])
def test_few_t_scores_without_minus_are_remarked_on(hospital, scores, told):
    study = load_study(hospital(many(scores), role="external"))
    assert check_tables(study) == []
    assert len([one for one in table_remarks(study) if "none of its 3 T-scores is below 0" in one]) == told


def test_a_table_without_outcomes_is_remarked_on(hospital):
    bare = GOOD.replace(",T-score", "").replace(",-2.6", "").replace(",-1.0", "").replace(",0.2", "")
    (remark,) = table_remarks(load_study(hospital(bare, NO_T, role="external")))
    assert "no outcome is known" in remark and "MRN" not in remark
    assert table_remarks(load_study(hospital(GOOD, role="external"))) == []


@pytest.mark.parametrize(
    "numbers", [["mrn-1", "MRN-1", "MRN-2"], ["MRN-2", "MRN-1", "ＭＲＮ-1"], ["mRN-1", "MRN-3", "Mrn-1"]]
)
def test_patient_numbers_that_differ_in_capitals_alone_are_named_by_row(problems, numbers):
    (told,) = problems(many([-1.0, -2.0, -3.0], numbers))
    rows = [str(row) for row, number in enumerate(numbers, 2) if number not in ("MRN-2", "MRN-3")]
    assert f"column 'ID': row {', row '.join(rows)}: patient numbers that differ in capitals alone" in told
    assert "MRN-1" not in told and "mrn-1" not in told.replace("column", "")


def test_packed_images_are_told_apart_from_a_wrong_path(hospital, tmp_path):
    file = hospital(GOOD)
    (tmp_path / "ct" / "MRN-1.nii.gz").rename(tmp_path / "ct" / "MRN-1.zip")
    (told,) = check_tables(load_study(file))
    assert "none of the 3 patients has images" in told and "archives" in told and "unpack" in told
