"""`radbook init` writes a study file that check accepts after few decisions, and lets nobody's name out."""

import re

import pytest
from odd_folders import NUMBERS, write_ct, write_masks, write_table
from typer.testing import CliRunner

from helpers import cli
from helpers.commands.pacs_export import export_as_pacs
from helpers.errors import StudyError
from helpers.patients.table import check_tables
from helpers.study.places import REPOSITORY
from helpers.study.study_file import load_study
from helpers.virtual import VirtualSite


def radbook(*arguments):
    return CliRunner().invoke(cli.app, list(map(str, arguments)))


@pytest.fixture
def hospital(tmp_path):
    """Eight patients; names in the table, the DICOM headers and the folders."""
    write_table(tmp_path / "dxa.csv", encoding="gb18030")
    write_ct(tmp_path / "张某3" / "ct")
    write_masks(tmp_path / "roi", [f"{number}.nii.gz" for number in NUMBERS])
    return tmp_path


def test_a_plain_folder_needs_no_decision(hospital):
    result = radbook("init", hospital)
    assert result.exit_code == 0 and "8 have everything" in result.stdout
    study = load_study(hospital / "study.yml")
    assert check_tables(study) == []
    assert study.sites[0].files.name == "radbook_files.csv"
    assert study.path(study.extraction).is_file()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_neither_study_file_nor_terminal_tells_who_anybody_is(hospital, language):
    result = radbook("init", hospital, "--language", language)
    told = result.stdout + (hospital / "study.yml").read_text(encoding="utf-8")
    for number in NUMBERS:
        assert number not in told and number.lstrip("0") not in told
    assert "张某" not in told and "Zhang" not in told
    assert NUMBERS[0] in (hospital / "radbook_files.csv").read_text(encoding="utf-8-sig")


def test_names_that_follow_a_pattern_need_no_table_of_files(tmp_path):
    write_table(tmp_path / "dxa.csv")
    for folder in ("ct", "roi"):
        write_masks(tmp_path / folder, [f"{number}.nii.gz" for number in NUMBERS])
    # Nothing but label maps, so the images stay open; the masks' pattern stands all the same.
    write_ct(tmp_path / "dicom")
    for place, number in enumerate(NUMBERS):
        (tmp_path / "dicom" / f"A{place}X").rename(tmp_path / "dicom" / number)
    for path in (tmp_path / "ct").iterdir():
        path.unlink()
    radbook("init", tmp_path)
    site = load_study(tmp_path / "study.yml").sites[0]
    assert (site.images, site.masks, site.files) == ("dicom/{patient_id}/S1", "roi/{patient_id}.nii.gz", None)


def test_two_hospitals_leave_only_their_roles_open(tmp_path):
    for part in ("north", "south"):
        write_table(tmp_path / part / "dxa.csv")
        write_ct(tmp_path / part / "ct")
        write_masks(tmp_path / part / "roi", [f"{number}.nii.gz" for number in NUMBERS])
    assert radbook("init", tmp_path).exit_code == 0
    file = tmp_path / "study.yml"
    with pytest.raises(StudyError, match=r"2 thing\(s\) open.*\(role\).*\(role\)"):
        load_study(file)
    text = file.read_text(encoding="utf-8").replace('role: "?"', "role: development", 1)
    file.write_text(text.replace('role: "?"', "role: external"), encoding="utf-8")
    study = load_study(file)
    assert check_tables(study) == []
    assert [site.files.name for site in study.sites] == ["radbook_files.csv", "radbook_files_2.csv"]


def test_comments_and_summary_are_chinese_when_asked_for(hospital):
    result = radbook("init", hospital, "--language", "zh")
    assert "8 例齐全" in result.stdout
    text = (hospital / "study.yml").read_text(encoding="utf-8")
    assert "确定" in text and "sure" not in text
    assert load_study(hospital / "study.yml").sites[0].name == "本院"


def test_decisions_are_not_written_over_unless_asked_for(hospital):
    (hospital / "study.yml").write_text("mine", encoding="utf-8")
    result = radbook("init", hospital)
    assert result.exit_code == 1 and "--again" in result.stderr
    assert (hospital / "study.yml").read_text(encoding="utf-8") == "mine"
    assert radbook("init", hospital, "--again").exit_code == 0
    assert (hospital / "study.yml.before").read_text(encoding="utf-8") == "mine"


def test_a_second_look_finds_the_same(hospital):
    radbook("init", hospital)
    texts = [(hospital / name).read_bytes() for name in ("study.yml", "radbook_files.csv")]
    radbook("init", hospital, "--again")
    assert [(hospital / name).read_bytes() for name in ("study.yml", "radbook_files.csv")] == texts


def test_check_stops_at_what_is_open_and_says_where(tmp_path):
    write_table(tmp_path / "dxa.csv", 性别=["1", "2"] * 4)
    result = radbook("init", tmp_path)
    assert "3 line(s)" in result.stdout or "4 line(s)" in result.stdout
    checked = radbook("check", tmp_path / "study.yml", "--run-dir", tmp_path / "run")
    assert checked.exit_code == 1 and not (tmp_path / "run").exists()
    lines = (tmp_path / "study.yml").read_text(encoding="utf-8").splitlines()
    for number, key in re.findall(r"line (\d+) \((\w+)\)", checked.stderr):
        assert '"?"' in lines[int(number) - 1] and f"{key}" in lines[int(number) - 1]
    assert "(images)" in checked.stderr and "(masks)" in checked.stderr


def test_there_must_be_a_folder(tmp_path):
    from helpers.commands.init import init_study

    with pytest.raises(StudyError, match="no folder"):
        init_study(tmp_path / "gone")


@pytest.mark.slow
def test_an_archive_s_export_is_accepted_after_one_edited_line(tmp_path):
    """12 virtual patients in deep folders, with scouts, dose pages, sharp reconstructions and copies."""
    protocol = REPOSITORY / "data" / "virtual" / "protocol.yml"
    # Of this seed's first 12 patients 6 have osteoporosis, as many as a split needs.
    export_as_pacs(VirtualSite(protocol, "development", 40, 6), tmp_path / "h", 12)
    result = radbook("init", tmp_path / "h")
    assert "12 have everything" in result.stdout
    file = tmp_path / "h" / "study.yml"
    text = file.read_text(encoding="utf-8")
    still = [line for line in text.splitlines() if '"?"' in line and not line.lstrip().startswith("#")]
    assert [line.strip() for line in still] == ['series: "?"']
    assert 'sexes: {"1": "male", "2": "female"}' in text
    file.write_text(text.replace('series: "?"', "series: [Br40d, STANDARD, B_SOFT_B]"), encoding="utf-8")
    checked = radbook("check", file, "--run-dir", tmp_path / "run", "--workers", 1)
    assert checked.exit_code == 0, checked.stdout
    assert "Patients: 0 refused" in checked.stdout
