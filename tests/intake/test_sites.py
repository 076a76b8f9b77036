"""Odd folders: what is there is put together, what is missing or could be two things is left open."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import SimpleITK as sitk
from odd_folders import NUMBERS, SCAN, write_ct, write_masks, write_table

from helpers.intake.folder import look_around
from helpers.intake.sites import survey
from helpers.study.study_file import OPEN

REAL = os.environ.get("RADBOOK_REAL_DATA")


def found_in(folder):
    return survey(look_around(folder))


def only_site(folder):
    (site,) = found_in(folder).sites
    return site


def values(site):
    return {name: guess.value for name, guess in (site.keys | site.ours | site.codes).items()}


def notes(site):
    return {note.key for note in site.notes}


def test_a_plain_folder_is_whole(tmp_path):
    write_table(tmp_path / "dxa.csv", encoding="gb18030")
    write_ct(tmp_path / "ct")
    write_masks(tmp_path / "roi", [f"{number}.nii.gz" for number in NUMBERS])
    site = only_site(tmp_path)
    assert values(site) == {
        "table": "dxa.csv",
        "images": "{image}",
        "masks": "{mask}",
        "labels": "layers",
        "patient_id": "影像号",
        "sex": "性别",
        "age": "年龄",
        "t_score_lumbar": "腰椎T值",
    }
    assert site.tally["complete"] == len(NUMBERS) and not site.simulated
    assert {guess.sure for guess in (site.keys | site.ours).values()} == {"sure"}


def test_a_table_alone(tmp_path):
    write_table(tmp_path / "dxa.csv")
    site = only_site(tmp_path)
    assert values(site)["images"] == values(site)["masks"] == OPEN
    assert values(site)["patient_id"] == "影像号" and site.ours["patient_id"].sure == "likely"
    assert site.tally["no_image"] == len(NUMBERS)


def test_images_alone(tmp_path):
    write_ct(tmp_path)
    site = only_site(tmp_path)
    assert values(site) == {"table": OPEN, "images": "{image}", "masks": OPEN}
    assert len(site.files["image"]) == len(NUMBERS)


def test_two_whole_tables_are_a_person_s_choice_and_a_part_is_none(tmp_path):
    write_table(tmp_path / "a.csv")
    write_table(tmp_path / "b.csv", 腰椎T值=None)
    write_ct(tmp_path / "ct")
    assert values(only_site(tmp_path))["table"] == "a.csv" and "tables_left" in notes(only_site(tmp_path))
    write_table(tmp_path / "c.csv")
    assert values(only_site(tmp_path))["table"] == OPEN


def test_rows_and_images_without_partners_are_counted_on_both_sides(tmp_path):
    write_table(tmp_path / "dxa.csv", [number.lstrip("0") for number in NUMBERS])
    write_ct(tmp_path / "ct", [*NUMBERS[2:], "777777"])
    site = only_site(tmp_path)
    assert site.tally["no_image"] == 2 and site.tally["images_left"] == 1
    assert set(site.files["image"]) == {number.lstrip("0") for number in NUMBERS[2:]}


def test_numbers_that_fit_by_chance_are_noticed_by_sex(tmp_path):
    write_table(tmp_path / "dxa.csv", 性别=["女" if place % 2 == 0 else "男" for place in range(8)])
    write_ct(tmp_path / "ct")
    site = only_site(tmp_path)
    assert values(site)["patient_id"] == OPEN
    assert site.ours["patient_id"].why[0].key == "rows_unlike_images"


def test_of_two_columns_of_numbers_the_images_decide(tmp_path):
    other = [f"ZY{number}" for number in range(8)]
    write_table(tmp_path / "dxa.csv", other, 住院号=NUMBERS, 序号=range(1, 9))
    write_ct(tmp_path / "ct")
    assert values(only_site(tmp_path))["patient_id"] == "住院号"


def test_images_of_nobody_in_the_table_are_not_guessed(tmp_path):
    write_table(tmp_path / "dxa.csv")
    write_ct(tmp_path / "ct", [f"EXP{place}" for place in range(8)])
    site = only_site(tmp_path)
    assert values(site)["patient_id"] == OPEN and values(site)["images"] == OPEN


def test_folders_count_where_the_headers_are_anonymous(tmp_path):
    write_table(tmp_path / "dxa.csv", [f"A{place}X" for place in range(8)])
    write_ct(tmp_path / "ct", ["ANON"] * 8)
    site = only_site(tmp_path)
    assert "by_folder" in notes(site) and len(site.files["image"]) == 8
    assert site.files["image"]["A3X"].as_posix() == "ct/A3X/S1"


@pytest.mark.parametrize("names", [("r1", "r2"), ("masks", "masks_reader2"), ("标注", "标注_医师2")])
def test_two_readers_are_told_apart_by_their_folders(tmp_path, names):
    write_table(tmp_path / "dxa.csv")
    write_ct(tmp_path / "ct")
    for folder, numbers in zip(names, (NUMBERS, NUMBERS[:3]), strict=True):
        write_masks(tmp_path / folder, [f"{number}.nii.gz" for number in numbers])
    site = only_site(tmp_path)
    assert site.files["mask"][NUMBERS[0]].parts[0] == names[0]
    assert site.files["mask_2"][NUMBERS[0]].parts[0] == names[1]
    assert site.tally["second"] == 3


def test_two_kinds_of_masks_that_no_name_tells_apart_are_left_open(tmp_path):
    write_table(tmp_path / "dxa.csv")
    write_ct(tmp_path / "ct")
    for folder in ("wang", "li"):
        write_masks(tmp_path / folder, [f"{number}.nii.gz" for number in NUMBERS])
    assert values(only_site(tmp_path))["masks"] == OPEN


def test_a_file_for_each_vertebra(tmp_path):
    write_table(tmp_path / "dxa.csv")
    write_ct(tmp_path / "ct")
    for vertebra in ("T12", "L1"):
        write_masks(tmp_path / "m", [f"{number}_{vertebra}.nii.gz" for number in NUMBERS], {1: 60})
    site = only_site(tmp_path)
    assert values(site)["masks"] == {"T12": "{mask_T12}", "L1": "{mask_L1}"}
    assert site.files["mask_T12"][NUMBERS[1]].name == f"{NUMBERS[1]}_T12.nii.gz"


def test_two_hospitals_in_two_folders_are_two_sites_of_open_roles(tmp_path):
    for part in ("north", "south"):
        write_table(tmp_path / part / "dxa.csv")  # the same numbers, other patients
        write_ct(tmp_path / part / "ct")
        write_masks(tmp_path / part / "roi", [f"{number}.nii.gz" for number in NUMBERS])
    found = found_in(tmp_path)
    assert [site.name for site in found.sites] == ["north", "south"]
    for site in found.sites:
        assert {path.parts[0] for path in site.files["image"].values()} == {site.name}
        assert site.tally["complete"] == len(NUMBERS)


def test_one_table_of_points(tmp_path):
    write_table(tmp_path / "dxa.csv")
    write_ct(tmp_path / "ct")
    rows = [(number, vertebra, 1.0, 2.0, 3.0) for number in NUMBERS for vertebra in ("T12", "L1")]
    columns = ["编号", "vertebra", "x_lps", "y_lps", "z_lps"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "clicks.csv", index=False)
    site = only_site(tmp_path)
    assert values(site)["points"] == {"path": "clicks.csv", "patient_id": "编号"}
    assert site.tally["complete"] == len(NUMBERS)


def test_two_reconstructions_are_a_person_s_choice_by_kernel(tmp_path):
    write_table(tmp_path / "dxa.csv")
    write_ct(tmp_path / "ct", ConvolutionKernel="Br40")
    write_ct(tmp_path / "ct2", root="1.3", ConvolutionKernel="Bl64")
    site = only_site(tmp_path)
    assert values(site)["series"] == OPEN
    assert site.keys["series"].why[0].values["kernels"] == "Bl64 (8), Br40 (8)"


def test_of_two_days_that_of_the_table_is_taken(tmp_path):
    write_table(tmp_path / "dxa.csv", CT日期=["2024-03-01"] * 8, DXA日期=["2024-03-05"] * 8)
    write_ct(tmp_path / "ct", StudyDate="20240301")
    write_ct(tmp_path / "ct2", root="1.3", StudyDate="20230301")
    site = only_site(tmp_path)
    assert "series" not in site.keys and site.tally["by_day"] == 8
    assert {path.parts[0] for path in site.files["image"].values()} == {"ct"}


def test_what_radbook_wrote_is_not_looked_at(tmp_path):
    write_table(tmp_path / "radbook_files.csv")
    (tmp_path / "study.yml").write_text("name: a", encoding="utf-8")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}", encoding="utf-8")
    write_table(tmp_path / "run" / "share" / "dxa.csv")
    contents = look_around(tmp_path)
    assert not contents.tables and not contents.others


def test_ready_features_instead_of_images(tmp_path):
    write_table(tmp_path / "dxa.csv")
    features = {f"original_firstorder_F{place}": range(8) for place in range(25)}
    pd.DataFrame({"ID": NUMBERS} | features).to_csv(tmp_path / "features.csv", index=False)
    site = only_site(tmp_path)
    assert values(site)["features"] == {"path": "features.csv", "patient_id": "ID"}
    assert not {"images", "masks"} & set(site.keys)
    assert site.ours["patient_id"].sure == "sure"
    assert site.tally["complete"] == site.tally["features"] == len(NUMBERS) and not site.tally["no_image"]


def test_a_table_whose_numbers_are_undecided_still_has_rows_and_codes(tmp_path):
    write_table(tmp_path / "dxa.csv", 性别=["1", "2"] * 4)
    write_ct(tmp_path / "ct", [f"other{place}" for place in range(8)])
    site = only_site(tmp_path)
    assert values(site)["patient_id"] == OPEN and site.tally["rows"] == len(NUMBERS)
    assert values(site)["sexes"] == {"1": OPEN, "2": OPEN}


@pytest.mark.skipif(REAL is None, reason="RADBOOK_REAL_DATA is not set")
def test_a_real_drawing_of_another_organ_is_not_taken_for_sure(tmp_path):
    shutil.copy(Path(REAL) / "dicom" / "robustness" / "liver_1frame.dcm", tmp_path)
    site = only_site(tmp_path)
    assert site.keys["masks"].sure == "likely" and values(site)["labels"] == OPEN


def test_images_numbered_as_the_rows_are_counted_are_left_to_a_person(tmp_path):
    write_table(tmp_path / "dxa.csv", 序号=range(1, 9))
    write_ct(tmp_path / "ct", [str(number) for number in range(1, 9)])
    assert only_site(tmp_path).ours["patient_id"].why[0].key == "number_running"


def test_images_of_two_kinds_are_left_to_a_person(tmp_path):
    write_table(tmp_path / "dxa.csv")
    write_ct(tmp_path / "ct")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for number in NUMBERS:
            sitk.WriteImage(SCAN.image * 0 - 1000, tmp_path / folder / f"{number}.nii.gz")
    assert only_site(tmp_path).keys["images"].why[0].key == "images_several"


def test_masks_of_nobody_are_counted_and_not_taken(tmp_path):
    write_table(tmp_path / "dxa.csv")
    write_ct(tmp_path / "ct")
    write_masks(tmp_path / "roi", [f"{number}.nii.gz" for number in NUMBERS])
    write_masks(tmp_path / "old", ["X99.nii.gz"])
    site = only_site(tmp_path)
    assert values(site)["masks"] == "{mask}" and "regions_of_nobody" in notes(site)
