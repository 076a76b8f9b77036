"""Whose a file or row is: seen through zeros, case and words, and never guessed where two could be meant."""

from pathlib import PurePosixPath

import pytest

from helpers.intake.numbers import match, named


@pytest.mark.parametrize(
    ("path", "pattern", "number"),
    [
        ("ct/0012345.nii.gz", "ct/{patient_id}.nii.gz", "0012345"),
        ("masks_reader2/P-17_seg.nrrd", "masks_reader2/{patient_id}_seg.nrrd", "P-17"),
        ("seg/0012345_T12.nii.gz", "seg/{patient_id}_T12.nii.gz", "0012345"),
        ("A17/A17_ct.nii.gz", "{patient_id}/{patient_id}_ct.nii.gz", "A17"),
        ("A17/mask.nii.gz", "{patient_id}/mask.nii.gz", "A17"),
        ("标记点/20001_T12L1.mrk.json", "标记点/{patient_id}_T12L1.mrk.json", "20001"),
    ],
)
def test_the_number_is_what_the_last_speaking_part_of_a_path_says(path, pattern, number):
    assert named(PurePosixPath(path)) == (pattern, number)


def test_a_known_number_comes_before_a_day_in_the_file_s_name():
    found = named(PurePosixPath("0017/20240301_mask.nii.gz"), {"17"})
    assert found.number == "0017" and found.pattern == "{patient_id}/20240301_mask.nii.gz"


def test_a_known_number_beside_a_name_is_found_unless_it_is_too_short_to_mean_anything():
    assert named(PurePosixPath("roi/张三_0020001.nii.gz"), {"20001"}) == (
        "roi/{patient_id}.nii.gz",
        "0020001",
    )
    assert named(PurePosixPath("roi/张三20001.nii.gz"), {"20001"}).number == "20001"
    assert named(PurePosixPath("roi/Li_1.nii.gz"), {"1"}).number == "Li_1"
    assert named(PurePosixPath("roi/20001_20002.nii.gz"), {"20001", "20002"}).number == "20001_20002"


def test_names_without_a_digit_say_nobody():
    assert named(PurePosixPath("ct/mask.nii.gz")) is None


def test_zeros_case_blanks_and_words_around_are_seen_through():
    found = match(["12", "ab7", "P 9", "44", "5"], ["0012", "AB7", "p9", "44_CT", "6"])
    assert found.pairs == {"12": "0012", "ab7": "AB7", "P 9": "p9", "44": "44_CT"}
    assert found.ways == {"number": 3, "name": 1}
    assert found.rows_left == ["5"] and found.images_left == ["6"] and found.unclear == 0


def test_an_exact_partner_comes_first():
    assert match(["12", "012"], ["012", "12"]).pairs == {"12": "12", "012": "012"}


@pytest.mark.parametrize(
    ("rows", "images"), [(["12"], ["0012", "00012"]), (["12", "0012"], ["012"]), (["7"], ["7_ct", "7-mask"])]
)
def test_nobody_is_paired_who_could_have_two_partners(rows, images):
    found = match(rows, images)
    assert not found.pairs and found.unclear == len(rows)
    assert found.rows_left == rows and found.images_left == images
