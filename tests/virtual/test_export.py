"""What is exported reads back as the same patients: one series, right geometry, the same HU and labels."""

from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
import SimpleITK as sitk

from helpers.errors import StudyError
from helpers.patients.cohort import load_screened
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run
from helpers.study.study_file import load_study
from helpers.virtual import VirtualSite
from helpers.virtual.export import CHINESE_GBK, chinese_table, export_virtual

SITE = VirtualSite(REPOSITORY / "data" / "virtual" / "protocol.yml", "development", 12, 3)


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("export") / "hospital"
    export_virtual(SITE, out, 2)
    return out


@pytest.fixture(scope="module")
def series(exported) -> tuple[str, list[str]]:
    folder = sorted((exported / "ct").iterdir())[0]
    (uid,) = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    return folder.name, list(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid))


def test_dicom_series_gives_back_voxels_and_geometry(series):
    patient_id, files = series
    image, _ = SITE.acquire(patient_id)
    read = sitk.ReadImage(files)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(read.GetSpacing(), image.GetSpacing(), atol=1e-6)
    np.testing.assert_allclose(read.GetOrigin(), image.GetOrigin(), atol=1e-5)
    np.testing.assert_allclose(read.GetDirection(), image.GetDirection(), atol=1e-9)


def test_pydicom_reads_the_same_hu_and_geometry(series):
    patient_id, files = series
    image, _ = SITE.acquire(patient_id)
    slices = [pydicom.dcmread(file) for file in files]
    slices.sort(key=lambda one: float(one.ImagePositionPatient[2]))
    hu = [one.pixel_array * float(one.RescaleSlope) + float(one.RescaleIntercept) for one in slices]
    np.testing.assert_array_equal(np.stack(hu), sitk.GetArrayFromImage(image))
    heights = [float(one.ImagePositionPatient[2]) for one in slices]
    np.testing.assert_allclose(np.diff(heights), image.GetSpacing()[2], atol=1e-5)
    for one in slices:
        assert list(one.ImageOrientationPatient) == [1, 0, 0, 0, 1, 0] and one.RescaleType == "HU"
        np.testing.assert_allclose(one.PixelSpacing, image.GetSpacing()[1::-1], atol=1e-6)
        np.testing.assert_allclose(one.ImagePositionPatient[:2], image.GetOrigin()[:2], atol=1e-5)


@pytest.mark.parametrize("reader, folder", [(1, "masks"), (2, "masks_reader2")])
def test_label_maps_lie_on_the_image(exported, series, reader, folder):
    patient_id, _ = series
    image, mask = SITE.acquire(patient_id, reader=reader)
    read = sitk.ReadImage(str(exported / folder / f"{patient_id}.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(mask))
    np.testing.assert_allclose(read.GetOrigin(), image.GetOrigin(), atol=1e-4)


def test_headers_say_who_made_them(series):
    patient_id, files = series
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    first, scanner = headers[0], SITE.scanner(patient_id)
    assert first.PatientID == patient_id and "Virtual" in str(first.PatientName)
    assert (first.Manufacturer, first.ManufacturerModelName) == (scanner["manufacturer"], scanner["model"])
    assert float(first.KVP) == scanner["kVp"] and first.ConvolutionKernel == scanner["kernel"]
    assert len({header.SOPInstanceUID for header in headers}) == len(headers)
    assert len({header.SeriesInstanceUID for header in headers}) == 1


def test_same_site_same_files(exported, series, tmp_path):
    export_virtual(SITE, tmp_path / "again", 1)
    for file in series[1][::40]:
        again = tmp_path / "again" / Path(file).relative_to(exported)
        assert again.read_bytes() == Path(file).read_bytes()


def test_table_lists_the_screened_without_latent_columns(exported):
    table = pd.read_csv(exported / "dxa.csv", keep_default_na=False)
    included = table[table["allocation"] != ""]
    assert list(included["patient_id"]) == sorted(path.name for path in (exported / "ct").iterdir())
    assert not {"hu_l1", "micro_structure"} & set(table.columns)


def test_study_file_is_accepted(exported):
    study = load_study(exported / "study.yml")
    assert study.path(study.extraction).is_file() and study.path(study.sites[0].table.path).is_file()


def test_refuses_a_full_folder_and_too_many_patients(exported, tmp_path):
    with pytest.raises(StudyError, match="not empty"):
        export_virtual(SITE, exported, 1)
    with pytest.raises(StudyError, match="12 patients, not 13"):
        export_virtual(SITE, tmp_path / "new", 13)


def test_a_small_export_asks_for_fewer_folds_and_says_that_it_is_simulated(exported):
    study = load_study(exported / "study.yml")
    assert study.is_virtual
    assert study.parameters["04"]["folds"] < 10


@pytest.fixture(scope="module")
def chinese(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("export") / "hospital"
    export_virtual(VirtualSite(SITE.protocol, "external", 12, 3), out, 1, CHINESE_GBK)
    return out


def test_a_chinese_table_is_gbk_with_chinese_headers(chinese):
    header = (chinese / "dxa.csv").read_bytes().decode("gbk").splitlines()[0]
    assert header == "患者编号,年龄,性别,T值（腰椎）,T值（股骨颈）,T值（全髋）,CT日期,DXA日期,扫描仪,排除原因"


def test_a_chinese_table_reads_back_as_the_same_patients(chinese, tmp_path):
    run = open_run(chinese / "study.yml", tmp_path / "run")
    people = load_screened(run)
    virtual = VirtualSite(SITE.protocol, "external", 12, 3).screened().head(len(people))
    for column in ("age", "sex", "t_score", "interval_days", "scanner", "exclusion"):
        assert people[column].tolist() == virtual[column].tolist(), column
    assert run.study.sites[0].role == "external"


def test_sites_of_a_chinese_table_differ_and_some_were_not_measured():
    people = VirtualSite(SITE.protocol, "external", 200, 3).screened()
    scores = chinese_table(people, 3).filter(like="T值")
    assert scores.idxmin(axis=1).nunique() == 3
    assert 0.01 < scores["T值（全髋）"].isna().mean() < 0.08
    pd.testing.assert_frame_equal(chinese_table(people, 3), chinese_table(people, 3))
