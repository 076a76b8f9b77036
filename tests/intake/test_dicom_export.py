"""DICOM files are sorted by patient and series, whatever their folders; what is no chest CT is counted."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from dicom_series import dicom_slices, write_slices
from synthetic_scan import synthetic_scan

from helpers.imaging.dicom import read_dicom
from helpers.intake.dicom_export import owners_of, place_of, sort_dicom

SCAN = synthetic_scan(size=(8, 8, 6), radius_mm=(3, 3, 1))


def series(patient, uid, **tags):
    return dicom_slices(SCAN.image, PatientID=patient, SeriesInstanceUID=uid, **tags)


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def sorted_export(folder):
    export = sort_dicom(files(folder))
    return export, owners_of(export, folder)


def place(folder, number):
    export, owners = sorted_export(folder)
    person = export.people[number]
    return place_of(person, person.volumes(), owners)


@pytest.fixture
def flat(tmp_path):
    """Two patients' files in one folder."""
    write_slices(tmp_path / "all", [*series("007", "1.1"), *series("8", "1.2")], [f"F{n}" for n in range(12)])
    return tmp_path


def test_patients_in_one_folder_are_told_apart_and_listed_file_by_file(flat):
    found = place(flat, "7")
    assert len(found) == 6 and {path.parent for path in found} == {flat / "all"}


def test_a_list_of_files_is_read_as_the_folder_would_be(flat, tmp_path):
    own = write_slices(tmp_path / "own", series("007", "1.1"))
    listed = flat / "lists" / "1.txt"
    listed.parent.mkdir()
    lines = [
        f"../{path.relative_to(flat).as_posix()}" for path in place(flat, "7") if "own" not in path.parts
    ]
    listed.write_text("\n".join(lines), encoding="utf-8")
    image, facts = read_dicom(listed)
    whole, same_facts = read_dicom(own)
    assert image.GetSize() == whole.GetSize() and image.GetOrigin() == whole.GetOrigin()
    assert facts == same_facts


def test_a_folder_of_one_patient_is_named_although_scouts_lie_in_it(tmp_path):
    write_slices(tmp_path / "x" / "a" / "b", series("7", "1.1"))
    scout = series("7", "1.9", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])[:1]
    write_slices(tmp_path / "x" / "a" / "c", scout)
    write_slices(tmp_path / "y", series("8", "1.2"))
    assert place(tmp_path, "7") == tmp_path / "x" / "a" / "b"
    export, _ = sorted_export(tmp_path)
    assert export.dropped == {"localizer": 1}


def test_what_is_no_volume_is_counted_by_its_kind(tmp_path):
    write_slices(tmp_path / "v", series("7", "1.1"))
    write_slices(tmp_path / "r", series("7", "1.3", Modality="SR")[:2])
    write_slices(tmp_path / "one", series("7", "1.4")[:1])
    (tmp_path / "bad.dcm").write_bytes(b"nothing")
    export, _ = sorted_export(tmp_path)
    assert export.dropped["of modality SR"] == 2 and export.single == 1
    assert len(export.people["7"].volumes()) == 1


def test_copies_count_once_and_do_not_make_the_place_unsure(tmp_path):
    first = write_slices(tmp_path / "EXPORT" / "1", series("7", "1.1"))
    shutil.copytree(first, tmp_path / "EXPORT2" / "1")
    write_slices(tmp_path / "EXPORT" / "2", series("8", "1.2"))
    export, owners = sorted_export(tmp_path)
    assert export.copies == 6
    assert place(tmp_path, "7") == first


def test_thick_slices_are_left_aside_for_thin_ones_as_the_reader_does(tmp_path):
    thick = synthetic_scan(size=(8, 8, 4), spacing=(0.7, 0.7, 5.0), radius_mm=(3, 3, 5))
    write_slices(tmp_path / "thin", series("7", "1.1"))
    write_slices(tmp_path / "thick", dicom_slices(thick.image, PatientID="7", SeriesInstanceUID="1.5"))
    export, owners = sorted_export(tmp_path)
    person = export.people["7"]
    assert [round(one.step_mm, 2) for one in person.volumes()] == [0.5] and export.thick == 1
    chosen = place_of(person, person.volumes(), owners)
    assert chosen == tmp_path / "thin"
    np.testing.assert_allclose(read_dicom(Path(chosen))[0].GetSpacing()[2], 0.5)


def test_whose_a_file_is_can_be_told_by_its_place(tmp_path):
    write_slices(tmp_path / "17", series("ANON", "1.1"))
    write_slices(tmp_path / "18", series("ANON", "1.2"))
    assert list(sort_dicom(files(tmp_path)).people) == ["anon"]
    assert list(sort_dicom(files(tmp_path), lambda path: path.parent.name).people) == ["17", "18"]
