"""One table of several hospitals: each site has its rows, none is taken twice, and none is lost unseen."""

import re

import pandas as pd
import pytest
import yaml

from helpers.features.ready import bring_features
from helpers.patients.cohort import load_screened
from helpers.patients.table import check_tables, table_remarks
from helpers.study.run_folder import open_run
from helpers.study.study_file import load_study

PEOPLE = pd.DataFrame(
    {
        "ID": [f"MRN-{number}" for number in range(1, 10)],
        "Centre": ["North", "North ", "SOUTH", "South", "north", "Ｓouth", "North", "South", "West"],
        "Target": [0, 1, 0, 1, 0, 1, 1, 0, 1],
    }
)
NORTH, SOUTH = {"Centre": "North"}, {"Centre": "South"}


@pytest.fixture
def network(tmp_path):
    """Write a study of two sites that share a table, and a feature table; give back the study file."""

    def write(north: dict, south: dict, people: pd.DataFrame = PEOPLE):
        people.to_csv(tmp_path / "people.csv", index=False)
        people[["ID"]].drop_duplicates().assign(mean=range(people["ID"].nunique())).to_csv(
            tmp_path / "features.csv", index=False
        )
        columns = {"patient_id": "ID", "outcome": "Target"}
        sites = [
            {"name": name, "role": role, "table": {"path": "people.csv", "columns": columns, "where": where}}
            | {"features": {"path": "features.csv", "patient_id": "ID"}}
            for name, role, where in [("North", "development", north), ("South", "external", south)]
        ]
        study = {"name": "net", "title": "Net", "seed": 1, "outcome": {"given": True}, "predictors": []}
        (tmp_path / "study.yml").write_text(yaml.safe_dump(study | {"sites": sites}))
        return tmp_path / "study.yml"

    return write


def test_each_site_has_its_rows_whatever_the_spelling(network, tmp_path):
    run = open_run(network(NORTH, {" centre": "south"}), tmp_path / "run")
    screened = load_screened(run)
    raw = pd.read_csv(run.private / "identifiers.csv").set_index("patient_id")["raw_id"]
    numbers = screened["patient_id"].map(raw).str[4:].astype(int)
    assert numbers.groupby(screened["site"]).apply(list).to_dict() == {
        "North": [1, 2, 5, 7],
        "South": [3, 4, 6, 8],
    }
    cohort = screened.assign(cohort="external", second_reader=False, outcome=0)
    bring_features(run, cohort)
    features = run.read("features").set_index("patient_id")["mean"]
    assert (features + 1).to_dict() == dict(zip(screened["patient_id"], numbers, strict=True))


def test_a_site_may_be_a_number(network):
    numbered = PEOPLE.assign(Centre=[1, 1, 2, 2, 1, 2, 1, 2, 2])
    assert check_tables(load_study(network({"Centre": 1}, {"Centre": "2"}, numbered))) == []


def test_a_row_is_told_by_its_number_in_the_whole_table(network):
    people = PEOPLE.astype({"Target": object})
    people.loc[5, "Target"] = "?"
    (problem,) = check_tables(load_study(network(NORTH, SOUTH, people)))
    assert "column 'Target': row 7 ('?')" in problem


@pytest.mark.parametrize(
    ("north", "south", "told"),
    [
        (NORTH, {"Clinic": "South"}, r"no column 'Clinic', by which site 'South' .* ID, Centre, Target"),
        (NORTH, {"Centre": "Nord"}, r"no row has 'Nord' in column 'Centre' \(site 'South'\)"),
        (NORTH, {}, r"Table 'people.csv': 4 row\(s\) belong to both of the sites 'North' and 'South'"),
    ],
    ids=["no column", "no row", "twice"],
)
def test_what_cannot_be_meant_is_told(network, north, south, told):
    problems = check_tables(load_study(network(north, south)))
    assert len(problems) == 1
    assert re.search(told, problems[0])


def test_two_hospitals_with_the_same_numbers_cannot_share_a_feature_table(network):
    people = PEOPLE.assign(ID=["MRN-1", "MRN-2", "MRN-1", "MRN-3", *PEOPLE["ID"][4:]])
    (problem,) = check_tables(load_study(network(NORTH, SOUTH, people)))
    assert problem.startswith("Feature table 'features.csv': 1 patient number(s) stand for patients of both")
    assert "MRN" not in problem


def test_rows_of_no_site_are_told_and_stop_nothing(network):
    study = load_study(network(NORTH, SOUTH))
    assert check_tables(study) == []
    assert table_remarks(study) == ["Table 'people.csv': 1 row(s) belong to no site of the study (where)."]
