"""Path patterns are filled in by number or by a table of files; what the table does not say is not there."""

import pytest

from helpers.errors import StudyError
from helpers.study.patterns import filled, patient_path
from helpers.study.sites import Site
from helpers.study.study_file import Study


def hospital(folder, text=None, encoding="utf-8-sig"):
    if text is not None:
        (folder / "files.csv").write_text(text, encoding=encoding)
    keys = {"table": {"path": "dxa.csv"}, "images": "{image}", "masks": "{mask}", "files": "files.csv"}
    site = Site(name="here", role="development", **keys)
    return Study(name="a", title="A", seed=1, extraction="p", sites=[site], file=folder / "study.yml"), site


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_a_table_of_files_says_where_a_patient_s_files_lie(tmp_path, encoding):
    study, site = hospital(tmp_path, "patient_id,image,mask\n0017,甲/ST0,m/1.nii.gz\n18,b,\n", encoding)
    assert patient_path(study, site, "{image}", "17") == tmp_path / "甲" / "ST0"  # Excel dropped the zeros
    assert filled(study, site, "{mask}", "0017") == "m/1.nii.gz"


def test_numbers_that_differ_by_zeros_are_two_patients_where_the_table_has_both(tmp_path):
    study, site = hospital(tmp_path, "patient_id,image,mask\n18,b,\n018,c,\n")
    assert [filled(study, site, "{image}", raw) for raw in ("18", "018", "0018")] == ["b", "c", "{image}"]


def test_an_empty_cell_or_a_patient_who_is_not_listed_is_a_path_that_is_not_there(tmp_path):
    study, site = hospital(tmp_path, "patient_id,image,mask\n18,b,\n")
    for number, pattern in (("18", "{mask}"), ("19", "{image}")):
        assert filled(study, site, pattern, number) == pattern
        assert not patient_path(study, site, pattern, number).exists()


@pytest.mark.parametrize("text", [None, "id,image\n18,b\n", "patient_id,image\n18,b\n18,c\n"])
def test_a_table_that_cannot_be_meant_is_told(tmp_path, text):
    study, site = hospital(tmp_path, text)
    with pytest.raises(StudyError, match="radbook init"):
        filled(study, site, "{image}", "18")


def test_only_with_a_table_of_files_may_patterns_do_without_the_number():
    with pytest.raises(ValueError, match="must hold {patient_id}"):
        Site(name="here", role="external", table={"path": "a.csv"}, images="{image}", masks="m/{patient_id}")
