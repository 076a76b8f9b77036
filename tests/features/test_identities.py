"""Whose scan is it: numbers in DICOM headers are compared with the table's, and none of them is shown."""

import pandas as pd
import pytest

from helpers.features import identities
from helpers.study.pseudonyms import pseudonyms, same_number, secret_numbers
from helpers.study.run_folder import Run
from helpers.study.sites import Site
from helpers.study.study_file import Study

RAW = ["MRN-0001", "MRN-0002", "MRN-0003", "MRN-0004"]


@pytest.fixture
def compared(tmp_path):
    """Compare numbers in headers with those of four patients."""
    site = Site(
        name="here", role="external", table={"path": "d.csv"}, images="{patient_id}", masks="{patient_id}"
    )
    study = Study(
        name="own", title="Own", seed=1, extraction="p.yml", sites=[site], file=tmp_path / "study.yml"
    )
    run = Run(study=study, folder=tmp_path / "run")
    patients = pseudonyms(run, "here", RAW)

    def compare(headers, status="ok"):
        stated = [secret_numbers(run, [number])[0] if number else None for number in headers]
        quality = pd.DataFrame(
            {"patient_id": patients, "status": status, "reason": "", "header_patient": stated}
        )
        return identities.compared(run, quality), patients

    return compare


def test_numbers_that_agree_say_nothing_however_they_are_written(compared):
    table, _ = compared(["MRN-0001", "mrn-0002", " MRN-0003", "ＭＲＮ-0004"])
    assert table["header_number"].eq("same").all()
    assert table["status"].eq("ok").all() and table["reason"].eq("").all()
    assert "header_patient" not in table


def test_the_number_of_another_patient_is_named_by_pseudonym(compared):
    table, patients = compared(["MRN-0001", "MRN-0001", "MRN-0003", "MRN-0004"])
    assert table["status"].tolist() == ["ok", "warned", "ok", "ok"]
    assert f"the patient number of {patients[0]}" in table.loc[1, "reason"]
    assert "MRN" not in table.to_csv()


def test_a_stranger_among_numbers_that_agree_is_remarked_on(compared):
    table, _ = compared(["MRN-0001", "7777", "MRN-0003", ""])
    assert table["status"].tolist() == ["ok", "warned", "ok", "ok"]
    assert "not the table's" in table.loc[1, "reason"]
    assert table["header_number"].tolist() == ["same", "differs", "same", ""]


def test_numbers_that_were_replaced_at_export_are_told_once_for_the_site(compared):
    table, _ = compared(["anon1", "anon2", "anon3", "MRN-0004"])
    assert table["status"].eq("ok").all()
    (told,) = identities.remarks(table.assign(site="here"))
    assert "in 3 of 4 patients" in told and "in 1 it is" in told and "anon" not in told


def test_refused_patients_keep_their_reason(compared):
    table, _ = compared(["MRN-0002", "MRN-0001", "", ""], "refused")
    assert table["status"].eq("refused").all() and table["reason"].eq("").all()


def test_studies_without_headers_have_nothing_to_compare(compared):
    table, _ = compared([None] * 4)
    assert "header_number" not in table and "header_patient" not in table
    assert compared(["", "", "", ""])[0]["status"].eq("ok").all()
    assert identities.remarks(table.assign(site="here")) == []


@pytest.mark.parametrize(("one", "other"), [("007", "7"), ("Ab 1", "aB1"), ("１２", "12"), ("000", "000")])
def test_what_systems_change_on_the_way_makes_no_other_number(one, other):
    assert same_number(one) == same_number(other)


@pytest.mark.parametrize(("one", "other"), [("0070", "7"), ("12", "21"), ("A1", "B1"), ("0", "")])
def test_other_numbers_stay_others(one, other):
    assert same_number(one) != same_number(other)
