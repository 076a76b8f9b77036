"""An archive is known by what it holds, and looked for where a folder or file is missing."""

import gzip
import tarfile
import zipfile

import pytest
import SimpleITK as sitk

from helpers.errors import StudyError
from helpers.imaging.archives import has_archive_beside, is_archive
from helpers.imaging.volumes import read_volume


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.txt", "a.txt")
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        archive.add(tmp_path / "a.txt", "a.txt")
    (tmp_path / "a.rar").write_bytes(b"Rar!\x1a\x07\x01\x00" + bytes(30))
    (tmp_path / "a.7z").write_bytes(b"7z\xbc\xaf'\x1c" + bytes(30))
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"no archive of several files"))
    sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkInt16), tmp_path / "a.nii.gz")
    return tmp_path


@pytest.mark.parametrize("name", ["a.zip", "a.tgz", "a.rar", "a.7z"])
def test_archives_are_known_whatever_they_are_called(files, name):
    assert is_archive(files / name)
    renamed = (files / name).rename(files / "scan.nii.gz")
    with pytest.raises(StudyError, match="is an archive.*Unpack"):
        read_volume(renamed)


@pytest.mark.parametrize("name", ["a.txt", "a.gz", "a.nii.gz"])
def test_other_files_are_none(files, name):
    assert not is_archive(files / name)


@pytest.mark.parametrize(
    ("wanted", "there"), [("12", "12.zip"), ("12.nii.gz", "12.zip"), ("12.nrrd", "12.tar.gz")]
)
def test_an_archive_in_place_of_a_folder_or_file_is_found(tmp_path, wanted, there):
    assert not has_archive_beside(tmp_path / wanted)
    (tmp_path / there).touch()
    assert has_archive_beside(tmp_path / wanted)
    assert not has_archive_beside(tmp_path / f"1{wanted}")
