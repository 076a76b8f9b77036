"""An archive's export holds the plain one's patients, under names that say nothing, among other series."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from helpers.commands.pacs_export import export_as_pacs
from helpers.errors import StudyError
from helpers.imaging.dicom import read_dicom
from helpers.patients.cells import read_cells
from helpers.study.places import REPOSITORY
from helpers.virtual import VirtualSite
from helpers.virtual.export import export_virtual

SITE = VirtualSite(REPOSITORY / "data" / "virtual" / "protocol.yml", "development", 12, 3)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    out = tmp_path_factory.mktemp("pacs") / "hospital"
    export_as_pacs(SITE, out, 2)
    return out


def patients():
    screened = SITE.screened()
    return screened.loc[screened["allocation"] != "", "patient_id"].tolist()[:2]


def test_the_plain_series_is_the_patient_s_scan(exported):
    kernel = SITE.scanner(patients()[1])["kernel"]
    image, _ = read_dicom(exported / "EXPORT" / "PA000001", kernel)
    expected, _ = SITE.acquire(patients()[1])
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(expected))


def test_two_reconstructions_make_a_choice_necessary(exported):
    with pytest.raises(StudyError, match="2 axial CT series fit"):
        read_dicom(exported / "EXPORT" / "PA000001")


def test_some_patients_lie_there_twice_and_no_name_tells_a_number(exported):
    twice = sorted(path.name for path in (exported / "EXPORT2").iterdir())
    assert twice == ["PA000000"]
    for path in (exported / "EXPORT").rglob("*"):
        assert not any(str(20000 + int(patient[1:])) in path.name for patient in patients())
    one, other = (exported / name / "PA000000" / "ST000000" / "SE000001" for name in ("EXPORT", "EXPORT2"))
    assert (one / "IM000007").read_bytes() == (other / "IM000007").read_bytes()


def test_the_table_has_no_zeros_before_numbers_and_codes_for_sexes(exported):
    table = read_cells(exported / "骨密度登记表.xlsx", None, "t")
    screened = SITE.screened().head(len(table))
    assert table["影像号"].tolist() == [str(20000 + int(patient[1:])) for patient in screened["patient_id"]]
    assert table["性别"].map({"1": "male", "2": "female"}).tolist() == screened["sex"].tolist()


def test_points_lie_in_the_middle_of_the_drawn_bodies(exported):
    (file, *_) = sorted((exported / "标记点").iterdir())
    _, mask = SITE.acquire(patients()[0])
    (markups,) = json.loads(file.read_text(encoding="utf-8"))["markups"]
    for point, layers in zip(markups["controlPoints"], ([1, 2, 3], [4, 5, 6]), strict=True):
        index = mask.TransformPhysicalPointToIndex(point["position"])
        assert mask[index] in layers


def test_it_is_refused_where_the_plain_export_is(exported):
    for export in (export_virtual, export_as_pacs):
        with pytest.raises(StudyError, match="not empty"):
            export(SITE, exported, 1)
