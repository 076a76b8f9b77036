"""Protects reading DICOM folders: the same Hounsfield units however a hospital hands them over, the one
volume found among everything else, and a sentence of its own for every folder that holds none."""

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_series import dicom_slice, dicom_slices, write_slices
from pydicom.pixels import apply_modality_lut
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    MediaStorageDirectoryStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from synthetic_scan import OBLIQUE

from helpers.errors import StudyError
from helpers.imaging import dicom_headers, dicom_pixels
from helpers.imaging.dicom import other_kind, read_dicom

NAME = "Zhang^San"


def volume(size=(40, 36, 9), spacing=(0.7, 0.8, 1.25), direction=None, seed=0):
    hu = np.random.default_rng(seed).integers(-1024, 1800, size[::-1]).astype(np.int16)
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing(spacing)
    image.SetOrigin((-100.3, -80.2, 33.7))
    image.SetDirection(direction or np.eye(3).ravel().tolist())
    return image


IMAGE = volume()
FACTS = {
    "scanner": "SIEMENS SOMATOM Force",
    "kvp": 120.0,
    "kernel": "Br40d/3",
    "slice_thickness": 1.25,
    "tube_current": 210.0,
}


def assert_same(image, expected):
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(expected))
    assert image.GetPixelID() == sitk.sitkInt16
    for name in ("Origin", "Spacing", "Direction"):
        values = [getattr(volume, f"Get{name}")() for volume in (image, expected)]
        np.testing.assert_allclose(*values, atol=1e-5)


@pytest.mark.parametrize("direction", [None, OBLIQUE, (-1, 0, 0, 0, -1, 0, 0, 0, 1)])
def test_series_gives_hu_grid_and_facts(tmp_path, direction):
    image = volume(direction=direction)
    read, facts = read_dicom(write_slices(tmp_path, dicom_slices(image)))
    assert_same(read, image)
    assert facts == FACTS


@pytest.mark.parametrize("seed", range(3))
def test_names_order_sub_folders_and_copies_do_not_matter(tmp_path, seed):
    rng = np.random.default_rng(seed)
    slices = dicom_slices(IMAGE)
    slices += [slices[number] for number in rng.choice(len(slices), 4)]
    folders = rng.choice(["", "DICOM/00001/", "copy/"], len(slices))
    suffixes = rng.choice(["", ".dcm", ".DCM", ".IMA", ".1"], len(slices))
    numbers = rng.permutation(len(slices))
    names = ["".join(map(str, parts)) for parts in zip(folders, numbers, suffixes, strict=True)]
    read, facts = read_dicom(write_slices(tmp_path, slices, names))
    assert_same(read, IMAGE)
    assert facts == FACTS


def test_copies_are_known_by_their_pixels_not_by_their_numbers(tmp_path):
    slices = dicom_slices(IMAGE) + dicom_slices(IMAGE)  # every slice again, sent with other SOP UIDs
    assert_same(read_dicom(write_slices(tmp_path, slices))[0], IMAGE)


def encode(header, syntax, folder):
    if syntax == JPEGLosslessSV1:
        encode_lossless_jpeg(header, folder)
    elif syntax.is_encapsulated:
        header.compress(syntax)
    header.file_meta.TransferSyntaxUID = syntax


def encode_lossless_jpeg(header, folder):
    """Pixels as most archives compress them; pydicom has no encoder for it, ITK has."""
    stored = np.frombuffer(header.PixelData, np.uint16).reshape(1, header.Rows, header.Columns)
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetUseCompression(True)
    writer.SetCompressor("JPEG")
    writer.SetFileName(f"{folder}/encoded.dcm")
    writer.Execute(sitk.GetImageFromArray(stored))
    header.PixelData = pydicom.dcmread(f"{folder}/encoded.dcm").PixelData
    header["PixelData"].VR, header["PixelData"].is_undefined_length = "OB", True


SYNTAXES = [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless, JPEGLSLossless]
SYNTAXES += [JPEG2000Lossless, JPEGLosslessSV1]


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.keyword)
def test_transfer_syntaxes_give_the_same_hu(tmp_path, syntax):
    slices = dicom_slices(IMAGE)
    for header in slices:
        encode(header, syntax, tmp_path)
    write_slices(tmp_path / "ct", slices)
    assert pydicom.dcmread(next((tmp_path / "ct").iterdir())).file_meta.TransferSyntaxUID == syntax
    assert_same(read_dicom(tmp_path / "ct")[0], IMAGE)


@pytest.mark.parametrize("implicit", [True, False])
def test_files_without_meta_header_are_read(tmp_path, implicit):
    for number, header in enumerate(dicom_slices(IMAGE)):
        bare = pydicom.Dataset({element.tag: element for element in header})
        bare.save_as(tmp_path / str(number), implicit_vr=implicit, little_endian=True)
        assert (tmp_path / str(number)).read_bytes()[128:132] != b"DICM"
    assert_same(read_dicom(tmp_path)[0], IMAGE)


def test_big_endian_is_read(tmp_path):
    slices = dicom_slices(IMAGE)
    for header in slices:
        header.PixelData = np.frombuffer(header.PixelData, np.uint16).byteswap().tobytes()
        header.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    assert_same(read_dicom(write_slices(tmp_path, slices))[0], IMAGE)


def test_rescale_of_each_slice_signed_or_not_equals_pydicoms(tmp_path):
    slices = dicom_slices(IMAGE)
    rng = np.random.default_rng(1)
    for number, header in enumerate(slices):
        header.RescaleSlope = ["1", "0.5", "2", "1.37"][number % 4]
        header.RescaleIntercept = ["-1024", "0", "-8192", "-1000.5"][number % 4]
        header.PixelRepresentation = number % 2
        hu = rng.integers(-900, 900, (header.Rows, header.Columns))
        stored = np.rint((hu - float(header.RescaleIntercept)) / float(header.RescaleSlope))
        header.PixelData = stored.astype(np.int16).tobytes()
    read, _ = read_dicom(write_slices(tmp_path, slices))
    files = [pydicom.dcmread(path) for path in tmp_path.iterdir()]
    files.sort(key=lambda header: header.ImagePositionPatient[2])
    expected = [np.rint(apply_modality_lut(header.pixel_array, header)) for header in files]
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(read), expected)


@pytest.mark.parametrize("implicit", [True, False])
def test_plain_pixels_come_straight_from_the_file(tmp_path, implicit, monkeypatch):
    monkeypatch.setattr(dicom_pixels, "_decoded_by_pydicom", None)
    slices = dicom_slices(IMAGE)
    for header in slices:
        header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    assert_same(read_dicom(write_slices(tmp_path, slices))[0], IMAGE)


@pytest.mark.parametrize("signed", [0, 1])
def test_bits_beyond_those_that_count_are_read_as_pydicom_reads_them(tmp_path, signed):
    """Archives may keep overlays there, or leave the sign of 12 bits at the twelfth."""
    slices = with_tags(BitsStored=12, HighBit=11, PixelRepresentation=signed)
    rng = np.random.default_rng(2)
    for number, header in enumerate(slices):
        top = 2**16 if number < 5 else 2**11
        stored = rng.integers(0, top, (header.Rows, header.Columns)).astype(np.uint16)
        header.PixelData = stored.tobytes()
    read, _ = read_dicom(write_slices(tmp_path, slices))
    files = sorted(
        (pydicom.dcmread(path) for path in tmp_path.iterdir()), key=lambda h: h.ImagePositionPatient[2]
    )
    expected = [np.rint(apply_modality_lut(header.pixel_array, header)) for header in files]
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(read), np.clip(expected, -32768, 32767))


def test_values_are_told_apart_by_the_letters_that_they_are_written_in(tmp_path):
    """Slices share what was made of the same bytes, but not over two character sets."""
    raw = "\u0416".encode("iso8859_5").decode("latin1")
    known = {}
    for number, (text, letters) in enumerate([("\u0416", "ISO_IR 144"), (raw, "ISO_IR 100")]):
        header = with_tags(ContrastBolusAgent=text, SpecificCharacterSet=letters)[0]
        header.save_as(tmp_path / str(number))
        assert dicom_headers.read_header(tmp_path / str(number), known).ContrastBolusAgent == text


def test_hu_beyond_16_bits_are_held_at_the_end_not_wrapped(tmp_path):
    slices = dicom_slices(IMAGE)
    slices[-1].PixelData = np.full(IMAGE.GetSize()[:2], 65535, np.uint16).tobytes()
    read, _ = read_dicom(write_slices(tmp_path, slices))
    assert (sitk.GetArrayViewFromImage(read)[0] == 32767).all()


def other_object(modality, storage="1.2.840.10008.5.1.4.1.1.88.67", **tags):
    """A report or another object without pixels."""
    header = dicom_slice(IMAGE, 0, Modality=modality, SOPClassUID=storage, SeriesInstanceUID="9", **tags)
    for tag in ("PixelData", "ImagePositionPatient", "ImageOrientationPatient", "ImageType"):
        delattr(header, tag)
    return header


def surroundings():
    """What lies beside the CT in an archive's export."""
    coronal = volume(direction=(1, 0, 0, 0, 0, 1, 0, -1, 0))
    localizer = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    slices = [other_object(modality) for modality in ("SR", "RTSTRUCT", "SEG", "PR", "KO")]
    slices += dicom_slices(volume(size=(40, 36, 2)), SeriesInstanceUID="4", ImageType=localizer)
    slices += dicom_slices(volume(), SeriesInstanceUID="5", Modality="PT")
    slices += dicom_slices(coronal, SeriesInstanceUID="6")
    slices += dicom_slices(volume(spacing=(0.7, 0.8, 5)), SeriesInstanceUID="7")
    timing = dicom_slice(IMAGE, 3)
    slices += [dicom_slice(volume(seed=n), 3, SeriesInstanceUID="8") for n in range(4)] + [timing]
    timing.SeriesInstanceUID = "8.1"
    mip = ["DERIVED", "SECONDARY", "AXIAL", "MIP"]
    slices += dicom_slices(volume(seed=2), SeriesInstanceUID="10", ImageType=mip)
    screen = dicom_slice(IMAGE, 0, SOPClassUID=SecondaryCaptureImageStorage, SeriesInstanceUID="11")
    return [*slices, screen]


def test_what_is_no_thin_axial_ct_is_left_aside(tmp_path):
    write_slices(tmp_path / "S1", dicom_slices(IMAGE))
    write_slices(tmp_path / "S2", surroundings())
    for name in ("DICOMDIR", "readme.txt", "viewer.exe", "._IM0001.dcm", "empty"):
        (tmp_path / name).write_bytes(b"nothing to see" * 20 if name != "empty" else b"")
    (tmp_path / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 60)
    read, facts = read_dicom(tmp_path)
    assert_same(read, IMAGE)
    assert facts == FACTS


def test_a_thick_volume_is_read_when_it_is_the_only_one(tmp_path):
    thick = volume(spacing=(0.7, 0.8, 5))
    write_slices(tmp_path, dicom_slices(thick))
    write_slices(tmp_path, [dicom_slice(volume(seed=n), 3, SeriesInstanceUID="8") for n in range(4)])
    assert_same(read_dicom(tmp_path)[0], thick)


def test_only_dicom_files_are_suspected_to_be_missing_slices(tmp_path):
    slices = dicom_slices(IMAGE)
    write_slices(tmp_path, slices[:4] + slices[5:])
    index = pydicom.Dataset()
    index.file_meta = pydicom.dataset.FileMetaDataset()
    index.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    index.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    index.file_meta.MediaStorageSOPInstanceUID = "1.9"
    index.save_as(tmp_path / "DICOMDIR", enforce_file_format=True)
    for name in ("readme.txt", "._IM0001.dcm"):
        (tmp_path / name).write_bytes(b"nothing to see" * 20)
    with pytest.raises(StudyError, match=r"1 slice\(s\) are missing in 1 gap\(s\) \([^()]*\)\. Export"):
        read_dicom(tmp_path)


@pytest.fixture
def two_volumes(tmp_path):
    names = {"SeriesDescription": f"Chest lung {NAME}", "PatientName": NAME}
    write_slices(tmp_path / "a", dicom_slices(IMAGE, **names))
    names["SeriesDescription"] = f"胸部 Soft tissue {NAME}"
    soft = {"SeriesInstanceUID": "1.77", "ConvolutionKernel": "Br60", "SpecificCharacterSet": "GB18030"}
    write_slices(tmp_path / "b", dicom_slices(volume(seed=5), **soft, **names))
    return tmp_path


def test_several_volumes_are_refused_and_told_apart_without_descriptions(two_volumes):
    with pytest.raises(StudyError) as error:
        read_dicom(two_volumes)
    assert "2 axial CT series" in str(error.value)
    assert "9 slice(s), every 1.25 mm, 1.25 mm thick, kernel Br40d/3" in str(error.value)
    assert "kernel Br60" in str(error.value)
    assert "'series'" in str(error.value)
    assert "Zhang" not in str(error.value)


@pytest.mark.parametrize("wanted", ["soft TISSUE", "胸部", "1.77", "br60"])
def test_series_of_the_study_file_chooses(two_volumes, wanted):
    read, facts = read_dicom(two_volumes, wanted)
    assert_same(read, volume(seed=5))
    assert facts["kernel"] == "Br60"


@pytest.mark.parametrize(
    ("wanted", "message"), [("abdomen", "no axial CT series has 'abdomen'"), ("s", "2 a")]
)
def test_series_that_does_not_choose_one_is_refused(two_volumes, wanted, message):
    with pytest.raises(StudyError, match=f"{message}.*kernel Br40d/3.*kernel Br60"):
        read_dicom(two_volumes, wanted)


def shifted(slices, axis, step):
    for number, header in enumerate(slices):
        position = [float(value) for value in header.ImagePositionPatient]
        position[axis] += step(number)
        header.ImagePositionPatient = [f"{value:.6f}" for value in position]
    return slices


def with_tags(**tags):
    return dicom_slices(IMAGE, **tags)


def mixed(**tags):
    slices = dicom_slices(IMAGE, PatientID="17")
    for tag, value in tags.items():
        setattr(slices[4], tag, value)
    return slices


def alternating(**tags):
    """Every second slice of another series."""
    slices = dicom_slices(IMAGE, PatientID="17")
    for header in slices[::2]:
        for tag, value in tags.items():
            setattr(header, tag, value)
    return slices


def without(*tags):
    slices = dicom_slices(IMAGE)
    for tag in tags:
        delattr(slices[2], tag)
    return slices


FAULTS = {
    "no file": (lambda: [], "no DICOM files"),
    "report": (lambda: [other_object("SR")], "no axial CT slice.*1 of modality SR"),
    "other modality": (lambda: with_tags(Modality="MR"), "9 of modality MR"),
    "no modality": (lambda: with_tags(Modality=""), "9 without modality"),
    "modality that holds a name": (lambda: with_tags(Modality="ZHANG SAN"), "9 without modality"),
    "localizer": (lambda: with_tags(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "9 localizer"),
    "enhanced": (
        lambda: with_tags(SOPClassUID=EnhancedCTImageStorage),
        "enhanced multi-frame CT.*one file a slice",
    ),
    "coronal": (lambda: dicom_slices(volume(direction=(1, 0, 0, 0, 0, 1, 0, -1, 0))), "coronal or sagittal"),
    "no position": (
        lambda: [h for h in without("ImagePositionPatient") if "ImagePositionPatient" not in h],
        "without valid position",
    ),
    "one slice": (lambda: dicom_slices(IMAGE)[:1], "only one slice"),
    "one place": (
        lambda: [dicom_slice(volume(seed=n), 3, SeriesInstanceUID="1.2.3") for n in range(4)],
        "All 4 slices lie at the same place.*bolus",
    ),
    "missing": (
        lambda: [h for n, h in enumerate(dicom_slices(IMAGE)) if n not in (2, 5, 6)],
        r"3 slice\(s\) are missing in 2 gap\(s\) \(steps of 1.25 to 3.75 mm\). Export the complete",
    ),
    "no position in one": (lambda: without("ImagePositionPatient"), r"1 slice\(s\) are missing"),
    "irregular": (lambda: shifted(dicom_slices(IMAGE), 2, lambda n: -0.06 * n**2), "irregular"),
    "two phases": (
        lambda: dicom_slices(IMAGE) + dicom_slices(volume(seed=3), AcquisitionNumber=2),
        r"9 slice\(s\) lie at the same place.*2 acquisition.*phases",
    ),
    "tilted": (lambda: shifted(dicom_slices(IMAGE), 1, lambda n: 0.125 * n), "tilted by 5.7 degrees"),
    "tilt only stated": (lambda: with_tags(GantryDetectorTilt="-12"), "state a gantry tilt of 12.0 degrees"),
    "mixed orientations": (
        lambda: mixed(ImageOrientationPatient=[1, 0, 0, 0, 0.9961947, 0.0871557]),
        "different orientations",
    ),
    "mixed pixel spacing": (lambda: mixed(PixelSpacing=["0.9", "0.9"]), "size or pixel spacing"),
    "no pixel spacing": (lambda: without("PixelSpacing"), "pixel spacing is missing"),
    "no intercept": (lambda: without("RescaleIntercept"), "no Hounsfield units"),
    "slope of zero": (lambda: mixed(RescaleSlope="0"), "no Hounsfield units"),
    "material map": (lambda: with_tags(RescaleType="MGML"), "no Hounsfield units.*iodine"),
    "windowed": (lambda: with_tags(BitsStored=8, HighBit=7), "8-bit"),
    "colour": (lambda: mixed(PhotometricInterpretation="RGB"), "colour pictures"),
    "lossy": (lambda: mixed(LossyImageCompression="01"), "compressed with loss"),
    "no pixels": (lambda: without("PixelData"), "pixels of 1 of 9 slices cannot be decoded"),
    "two kernels": (
        lambda: alternating(ConvolutionKernel="Br60"),
        r"Slices of 2 kernels \(Br40d/3, Br60\) lie in one series",
    ),
    "two voltages": (lambda: alternating(KVP="80"), r"2 tube voltages \(80, 120 kV\) lie in one series"),
    "two series, slice by slice": (lambda: alternating(SeriesInstanceUID="4.5.6"), "2 axial CT series fit"),
    "two patients": (lambda: mixed(PatientID="ZHANG 17"), "2 different patient numbers.*several patients"),
    "two patients, one with a report only": (
        lambda: [*with_tags(PatientID="A17"), other_object("SR", PatientID="ZHANG 18")],
        "2 different patient numbers",
    ),
    "unsigned without intercept": (lambda: with_tags(RescaleIntercept="0"), "no value below -500 HU"),
    "one slice without intercept": (lambda: mixed(RescaleIntercept="0"), "no value below -500 HU"),
    "scale that is wrong in some slices": (
        lambda: mixed(PixelRepresentation=1, RescaleIntercept="0"),
        r"change between slices, and the values jump there \(2 time\(s\)\)",
    ),
    "two faults at once": (
        lambda: shifted(dicom_slices(IMAGE)[:4] + dicom_slices(IMAGE)[5:], 1, lambda n: 0.2 * n),
        "1 slice.*missing.*tilted",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_its_own_sentence(tmp_path, fault):
    slices, message = FAULTS[fault]
    with pytest.raises(StudyError, match=message) as error:
        read_dicom(write_slices(tmp_path, slices()))
    assert "ZHANG" not in str(error.value)


@pytest.mark.parametrize("other", ["0017", " 17 ", "\uff11\uff17", ""])
def test_one_patient_number_written_in_two_ways_is_one_patient(tmp_path, other):
    read, facts = read_dicom(
        write_slices(tmp_path, mixed(PatientID=other, SpecificCharacterSet="ISO_IR 192")), secret=str.strip
    )
    assert_same(read, IMAGE)
    assert facts["header_patient"] in ("17", other.strip())


def test_signed_pixels_need_no_intercept(tmp_path):
    slices = with_tags(RescaleIntercept="0", PixelRepresentation=1)
    for number, header in enumerate(reversed(slices)):
        header.PixelData = sitk.GetArrayViewFromImage(IMAGE)[number].tobytes()
    assert_same(read_dicom(write_slices(tmp_path, slices))[0], IMAGE)


@pytest.mark.parametrize("name", ["ct.zip", "export.dat"])
def test_an_archive_in_place_of_slices_is_named(tmp_path, name):
    slices = write_slices(tmp_path / "ct", dicom_slices(IMAGE))
    (tmp_path / "packed").mkdir()
    with zipfile.ZipFile(tmp_path / "packed" / name, "w") as archive:
        for file in slices.iterdir():
            archive.write(file, file.name)
    with pytest.raises(StudyError, match="holds an archive.*Unpack"):
        read_dicom(tmp_path / "packed")


def test_a_stack_along_its_own_tilted_normal_is_a_box(tmp_path):
    angle = np.radians(12)
    tilted = (1, 0, 0, 0, np.cos(angle), -np.sin(angle), 0, np.sin(angle), np.cos(angle))
    image = volume(direction=tilted)
    slices = dicom_slices(image, GantryDetectorTilt="12")
    assert_same(read_dicom(write_slices(tmp_path, slices))[0], image)


HARMS = {
    "header": (lambda content: b"\0" * 128 + b"DICM" + b"\xff" * 60, "1 slice.*missing.*1 damaged file"),
    "nothing left": (lambda content: b"", "1 slice.*missing.*1 damaged file"),
    "cut off": (lambda content: content[:-20], "pixels of 1 of 9 slices cannot be decoded"),
}


@pytest.mark.parametrize("syntax", ["plain", "compressed"])
@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_slice_is_refused_and_its_intact_copy_heals_it(tmp_path, capfd, harm, syntax):
    slices = dicom_slices(IMAGE)
    for header in slices:
        if syntax == "compressed":
            header.compress(JPEG2000Lossless)
    names = [f"{NAME}_{number}.dcm" for number in range(len(slices))]
    write_slices(tmp_path, slices, names)
    victim = tmp_path / names[4]
    copy = victim.read_bytes()
    damage, message = HARMS[harm]
    victim.write_bytes(damage(copy))
    with pytest.raises(StudyError, match=message) as error:
        read_dicom(tmp_path)
    assert NAME not in str(error.value) + "".join(capfd.readouterr())
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "copy").write_bytes(copy)
    assert_same(read_dicom(tmp_path)[0], IMAGE)


CONTRAST = [
    ({}, None),
    ({"ContrastBolusAgent": ""}, None),
    ({"ContrastBolusAgent": "None"}, None),
    ({"ContrastBolusAgent": " without contrast "}, None),
    ({"ContrastBolusAgent": "Oral"}, None),
    ({"ContrastBolusAgent": "平扫", "SpecificCharacterSet": "GB18030"}, None),
    ({"ContrastBolusVolume": "0"}, None),
    ({"ContrastBolusAgent": "ISOVUE300/100"}, "ISOVUE300/100"),
    ({"ContrastBolusAgent": "APPLIED", "ContrastBolusVolume": "0"}, "APPLIED"),
    ({"ContrastBolusAgent": "NONE", "ContrastBolusVolume": "80"}, "80 ml, agent not named"),
    ({"ContrastBolusTotalDose": "65.5"}, "65.5 ml, agent not named"),
]


@pytest.mark.parametrize(("tags", "contrast"), CONTRAST)
def test_contrast_is_told_only_when_there_is_a_sign_of_it(tmp_path, tags, contrast):
    _, facts = read_dicom(write_slices(tmp_path, dicom_slices(IMAGE, **tags)))
    assert facts.get("contrast") == contrast


# Side of the matrix, pixel spacing (mm), stated diameter (mm), kind of image: what is said of the spacing.
SCALES = {
    "whole matrix": (512, 0.703125, 360.0, "ORIGINAL", 1.0),
    "rounded by its maker": (512, 0.431, 220.0, "ORIGINAL", 1.003),
    "cut out of 512": (128, 0.661468, 338.6716, "ORIGINAL", 1.0),
    "cut out of 1024": (600, 0.35, 358.4, "ORIGINAL", 1.0),
    "a matrix of its own": (400, 0.9, 360.0, "ORIGINAL", 1.0),
    "spacing a sixth too large": (512, 1.15 * 0.703125, 360.0, "ORIGINAL", 1.15),
    "spacing too small, cut": (300, 0.85 * 0.703125, 360.0, "ORIGINAL", 0.85),
    "a resampled copy": (512, 0.5, 360.0, "DERIVED", None),
    "no diameter": (512, 0.703125, None, "ORIGINAL", None),
    "an empty diameter": (512, 0.703125, 0.0, "ORIGINAL", None),
}


@pytest.mark.parametrize("name", SCALES)
def test_pixel_spacing_is_held_against_the_reconstructions_diameter(name):
    side, spacing, diameter, kind, scale = SCALES[name]
    header = pydicom.Dataset()
    header.Rows = header.Columns = side
    header.PixelSpacing, header.ImageType = [spacing, spacing], [kind, "PRIMARY", "AXIAL"]
    if diameter is not None:
        header.ReconstructionDiameter = diameter
    found = dicom_headers.pixel_scale(header)
    assert found is None if scale is None else found == pytest.approx(scale, abs=1e-3)


def test_a_wrong_pixel_spacing_reaches_the_facts(tmp_path):
    size, spacing = IMAGE.GetSize(), IMAGE.GetSpacing()
    right = {"ReconstructionDiameter": f"{size[0] * spacing[0]:.4f}"}  # of the columns: pixels are not square
    slices = dicom_slices(IMAGE, PixelSpacing=["0.7", "0.7"], **right)
    assert read_dicom(write_slices(tmp_path / "right", slices))[1]["pixel_scale"] == pytest.approx(1)
    slices = dicom_slices(IMAGE, PixelSpacing=["0.735", "0.735"], **right)
    assert read_dicom(write_slices(tmp_path / "wrong", slices))[1]["pixel_scale"] == pytest.approx(1.05)


def test_facts_hold_nothing_but_the_acquisition(tmp_path):
    tags = {"PatientName": NAME, "PatientID": NAME, "SeriesDescription": NAME, "ProtocolName": NAME}
    currents = ["100", "300", "200"]
    slices = dicom_slices(volume(size=(40, 36, 3)), **tags, ReferencedStudySequence=Sequence([]))
    for header, current in zip(slices, currents, strict=True):
        header.XRayTubeCurrent = current
        header.Manufacturer, header.KVP = "", None
    _, facts = read_dicom(write_slices(tmp_path, slices))
    expected = FACTS | {"scanner": "SOMATOM Force", "tube_current": 200.0}
    assert facts == {fact: value for fact, value in expected.items() if fact != "kvp"}


@pytest.fixture(scope="module")
def real():
    folder = os.environ.get("RADBOOK_REAL_DATA")
    if not folder:
        pytest.skip("RADBOOK_REAL_DATA is not set: no real CT to read")
    return Path(folder) / "dicom"


REAL = {
    "badVR.dcm": "1 of modality RTDOSE",
    "CT_small.dcm": "only one slice",
    "empty_charset_LEI.dcm": "1 without modality",
    "liver_1frame.dcm": "1 of modality SEG",
    "no_meta.dcm": "1 damaged",  # its first bytes are cut off as well
    "rtstruct.dcm": "1 of modality RTSTRUCT",
    "gantrytilting": "tilted by 14.0 degrees",
    "notavolume": "All 4 slices lie at the same place",
}


@pytest.mark.parametrize("name", REAL)
def test_real_odd_files_give_their_own_reason(real, tmp_path, name):
    source = real / "robustness" / name
    folder = source if source.is_dir() else Path(shutil.copy(source, tmp_path)).parent
    with pytest.raises(StudyError, match=REAL[name]):
        read_dicom(folder)


def test_no_real_odd_file_is_forgotten(real):
    assert set(REAL) | {"LICENSE"} == {path.name for path in (real / "robustness").iterdir()}


def test_real_tilted_and_uneven_head_is_refused_for_both(real, tmp_path):
    with zipfile.ZipFile(next(real.glob("GE_HiSpeed*.zip"))) as archive:
        archive.extractall(tmp_path)
    with pytest.raises(StudyError, match="irregular.*tilted by 18.5 degrees"):
        read_dicom(tmp_path)


def test_no_real_series_contradicts_its_reconstruction_diameter(real, tmp_path):
    """Whole ones, a slice cut out of a larger matrix, and one whose maker rounds."""
    with zipfile.ZipFile(next(real.glob("*.zip"))) as archive:
        archive.extractall(tmp_path)
    test_files = Path(pydicom.__file__).parent / "data" / "test_files"
    scales = {}
    for folder in (real, tmp_path, test_files):
        headers, _ = dicom_headers.read_headers(folder)
        for header in headers:
            is_slice = header.get("Modality") == "CT" and "PixelSpacing" in header and not other_kind(header)
            if is_slice and (scale := dicom_headers.pixel_scale(header)) is not None:
                scales[str(header.get("SeriesInstanceUID"))] = scale
    assert len(scales) >= 6
    assert all(abs(scale - 1) < 0.004 for scale in scales.values()), scales


def test_real_compressed_series_equals_simpleitk_and_pydicom(real):
    folder = real / "siemens_T11_T12_20slices_j2k"
    read, facts = read_dicom(folder)
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    assert_same(read, sitk.Cast(sitk.ReadImage(names), sitk.sitkInt16))
    lowest = pydicom.dcmread(names[0])
    expected = apply_modality_lut(lowest.pixel_array, lowest)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(read)[0], expected)
    assert facts == {
        "scanner": "SIEMENS Biograph40_mCT 4R",
        "kvp": 120.0,
        "kernel": "Br38f/3",
        "slice_thickness": 3.0,
        "tube_current": facts["tube_current"],
        "contrast": "APPLIED",
        "pixel_scale": 1.0,
    }
    assert 500 < facts["tube_current"] < 700


def test_real_series_is_found_among_all_other_real_files_unless_they_are_other_patients(real, tmp_path):
    with pytest.raises(StudyError, match="different patient numbers"):
        read_dicom(real)
    for path in [path for path in real.rglob("*") if path.is_file()]:
        target = tmp_path / path.relative_to(real)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            header = pydicom.dcmread(path, force=True)
            header.PatientID = "17"
            header.save_as(target)
        except Exception:  # no DICOM, or damaged
            shutil.copy(path, target)
    assert read_dicom(tmp_path)[0].GetSize() == (512, 512, 20)
