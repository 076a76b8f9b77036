"""Protects the reading of points: every format to the same place, nothing guessed, each fault told."""

import json

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from helpers.errors import StudyError
from helpers.imaging.points import marks_of_patient, places, read_marks, vertebra_named

T12, L1 = (10.5, -120.25, 530.0), (11.0, -118.0, 498.5)
FCSV = """# Markups fiducial file version = {version}
# CoordinateSystem = {system}
# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID
1,{t12},0,0,0,1,1,1,0,T12,,
2,{l1},0,0,0,1,1,1,0,L1,,
"""
# As MITK's PointSetWriterService writes it: the points that were set last come last, and have no names.
MPS = """<?xml version="1.0" encoding="UTF-8"?>
<point_set_file>
    <file_version>0.1</file_version>
    <point_set>
        <time_series>
            <time_series_id>0</time_series_id>
            <Geometry3D ImageGeometry="false" FrameOfReferenceID="0">
                <IndexToWorld type="Matrix3x3" m_0_0="0" m_0_1="{scale}" m_0_2="0" m_1_0="{scale}" m_1_1="0"
                 m_1_2="0" m_2_0="0" m_2_1="0" m_2_2="{scale}"/>
                <Offset type="Vector3D" x="{shift}" y="0" z="0"/>
                <Bounds>
                    <Min type="Vector3D" x="0" y="0" z="0"/>
                    <Max type="Vector3D" x="1" y="1" z="1"/>
                </Bounds>
            </Geometry3D>
            {points}
        </time_series>
    </point_set>
</point_set_file>
"""


def mps(*places, scale=1.0, shift=0.0):
    """A point set whose geometry exchanges the first two axes, makes them larger, and shifts the first."""
    written = [
        f"<point><id>{number}</id><specification>0</specification>"
        f"<x>{y / scale}</x><y>{(x - shift) / scale}</y><z>{z / scale}</z></point>"
        for number, (x, y, z) in enumerate(places)
    ]
    return MPS.format(scale=scale, shift=shift, points="".join(written))


def plain_mps(*places):
    """The same without a geometry, and without a time series, as older versions wrote it."""
    written = "".join(f"<point><id>0</id><x>{x}</x><y>{y}</y><z>{z}</z></point>" for x, y, z in places)
    return f"<point_set_file><point_set>{written}</point_set></point_set_file>"


@pytest.fixture
def image():
    volume = sitk.Image(60, 70, 80, sitk.sitkInt16)
    volume.SetSpacing((0.5, 0.75, 2.0))
    volume.SetDirection((1, 0, 0, 0, 0, 1, 0, -1, 0))  # sagittal slices
    volume.SetOrigin((-5.0, -200.0, 560.0))
    return volume


def ras(place):
    return (-place[0], -place[1], place[2])


def text(place):
    return ",".join(map(str, place))


def markups(system, points):
    listed = [
        {"id": str(number), "label": label, "position": list(place), "positionStatus": "defined"}
        for number, (label, place) in enumerate(points, 1)
    ]
    listed.append({"id": "9", "label": "T12", "position": None, "positionStatus": "undefined"})
    markup = {"type": "Fiducial", "coordinateUnits": "mm", "controlPoints": listed}
    return json.dumps({"markups": [markup | ({"coordinateSystem": system} if system else {})]})


def rtstruct(path, points, kind="POINT"):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Modality = "RTSTRUCT"
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    for number, (name, place) in enumerate(points, 1):
        roi, drawn, contour = Dataset(), Dataset(), Dataset()
        roi.ROINumber = drawn.ReferencedROINumber = number
        roi.ROIName = name
        contour.ContourGeometricType, contour.NumberOfContourPoints = kind, 1
        contour.ContourData = list(place)
        drawn.ContourSequence = [contour]
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.append(drawn)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


def voxel(image, place):
    return image.TransformPhysicalPointToContinuousIndex(place)


def write(folder, name, content):
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path, image):
    """The same two points in every format."""
    both = [("T12", T12), ("L1", L1)]
    rtstruct(tmp_path / "points.dcm", both)
    made = {
        "lps.mrk.json": markups("LPS", both),
        "ras.mrk.json": markups("RAS", [(name, ras(place)) for name, place in both]),
        "unsaid.mrk.json": markups(None, both),
        "new.fcsv": FCSV.format(version="4.13", system="LPS", t12=text(T12), l1=text(L1)),
        "old.fcsv": FCSV.format(version="4.6", system="0", t12=text(ras(T12)), l1=text(ras(L1))),
        "lps.csv": f"vertebra,x_lps,y_lps,z_lps\nT12,{text(T12)}\nL1,{text(L1)}\n",
        "ras.csv": f"label;X_RAS;Y_RAS;Z_RAS\nT12;{text(ras(T12)).replace(',', ';')}\n"
        f"L1;{text(ras(L1)).replace(',', ';')}\n",
        "upwards.mps": mps(L1, T12),
        "downwards.mps": mps(T12, L1, scale=2.0, shift=-3.0),
        "old.mps": plain_mps(T12, L1),
        "voxels.csv": f"name,i,j,k\nT12,{text(voxel(image, T12))}\nL1,{text(voxel(image, L1))}\n",
    }
    return [tmp_path / "points.dcm", *(write(tmp_path, name, content) for name, content in made.items())]


def test_all_formats_say_the_same_place(files, image):
    for path in files:
        found = places(read_marks(path), image, False)
        assert list(found) == ["T12", "L1"], path.name
        np.testing.assert_allclose(found["T12"], T12, atol=1e-6, err_msg=path.name)
        np.testing.assert_allclose(found["L1"], L1, atol=1e-6, err_msg=path.name)


def test_a_table_in_gbk_gives_each_patient_the_own_points(tmp_path, image):
    rows = f"患者编号,椎体,x_lps,y_lps,z_lps\n0012,胸12,{text(T12)}\n0012,腰1,{text(L1)}\n13,T12,1,2,3\n"
    path = tmp_path / "points.csv"
    path.write_text(rows, encoding="gbk")
    found = places(marks_of_patient(path, "患者编号", "12"), image, False)
    np.testing.assert_allclose(found["L1"], L1)
    assert list(places(marks_of_patient(path, "患者编号", "13"), image, False)) == ["T12"]
    assert marks_of_patient(path, "患者编号", "14") == []
    with pytest.raises(StudyError, match="no column 'ID'"):
        marks_of_patient(path, "ID", "12")


@pytest.mark.parametrize(
    ("name", "vertebra"),
    [
        ("T12", "T12"),
        ("Th12 centre", "T12"),
        ("t12-1", "T12"),
        ("L1", "L1"),
        ("mid L1", "L1"),
        ("L11", None),
        ("L2", None),
        ("T1", None),
        ("F-1", None),
        ("T12/L1", None),
        ("XL1", None),
        ("腰1", "L1"),
        ("胸12", "T12"),
    ],
)
def test_names_say_their_vertebra_or_none(name, vertebra):
    assert vertebra_named(name) == vertebra


def test_voxels_are_not_counted_in_a_dicom_folder(tmp_path, image):
    path = write(tmp_path, "p.csv", "vertebra,i,j,k\nT12,1,2,3\n")
    with pytest.raises(StudyError, match="x_lps") as refusal:
        places(read_marks(path), image, True)
    assert refusal.value.kind == "mask"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "vertebra,x,y,z\nT12,1,2,3\n", "in which coordinates"),
        ("a.csv", "vertebra,x_lps,y_lps,z_lps,i,j,k\nT12,1,2,3,1,2,3\n", "in which coordinates"),
        ("a.csv", "x_lps,y_lps,z_lps\n1,2,3\n", "no column 'vertebra'"),
        ("a.csv", "vertebra,x_lps,y_lps,z_lps\nT12,1,,3\n", "three numbers"),
        ("a.csv", "vertebra,x_lps,y_lps,z_lps\nT12,1,nan,3\n", "three numbers"),
        ("a.csv", "vertebra,x_lps,y_lps,z_lps\nT12,1,2,3\nT12,1,2,4\n", "two points of T12"),
        ("a.csv", "vertebra,x_lps,y_lps,z_lps\nF-1,1,2,3\n", "no point is named"),
        ("a.csv", "", "no point is named"),
        ("a.fcsv", "# columns = id,x,y,z\n1,2,3,4\n", "CoordinateSystem"),
        ("a.mrk.json", "{}", "no markups"),
        ("a.mrk.json", "[1]", "no markups"),
        ("a.mrk.json", markups("IJK", [("T12", T12)]), "neither LPS nor RAS"),
        ("a.mrk.json", markups("LPS", [("T12", (1, 2))]), "three numbers"),
        ("a.mps", "<point_set_file/>", "has 0 points"),
        ("a.mps", mps(T12), "has 1 points"),
        ("a.mps", mps(T12, L1, (0, 0, 400)), "has 3 points"),
        ("a.mps", mps(T12, L1).replace("<x>", "<w>").replace("</x>", "</w>"), "three numbers"),
        ("a.mps", mps(T12, L1).replace("m_0_1", "m_9_9"), "no point set of MITK"),
        ("a.mps", "T12,1,2,3", "no point set of MITK"),
        ("a.dat", "T12,1,2,3", "no points that are known"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, image, name, content, told):
    with pytest.raises(StudyError, match=told):
        places(read_marks(write(tmp_path, name, content)), image, False)


def test_contours_are_no_points(tmp_path, image):
    rtstruct(tmp_path / "c.dcm", [("T12", T12)], kind="CLOSED_PLANAR")
    with pytest.raises(StudyError, match="no point is named"):
        places(read_marks(tmp_path / "c.dcm"), image, False)
