"""Virtual patients as a hospital would hand them over: DICOM series, ITK-SNAP label maps, a DXA table.

The folder also holds a study file, so that ``radbook run OUT/study.yml`` takes the way of a real hospital.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import SimpleITK as sitk
import yaml
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from tqdm import tqdm

from helpers.errors import StudyError
from helpers.study.places import REPOSITORY
from helpers.study.spreadsheets import write_excel
from helpers.virtual import VirtualSite

_INTERCEPT = -1024  # stored value 0 is air, as most scanners have it
_SECOND_READER_CASES = 40  # as in the paper
_DATE = "20240101"  # invented; the same for all
# A Chinese hospital's headers for our columns.
CHINESE = {
    "patient_id": "患者编号",
    "age": "年龄",
    "sex": "性别",
    "t_score_lumbar": "T值（腰椎）",
    "t_score_femoral_neck": "T值（股骨颈）",
    "t_score_total_hip": "T值（全髋）",
    "ct_date": "CT日期",
    "dxa_date": "DXA日期",
    "scanner": "扫描仪",
    "exclusion": "排除原因",
    "allocation": "分组",
}
_CHINESE_SEXES = {"female": "女", "male": "男"}
_ABOVE_LOWEST = 2.0  # how far, at most, T-scores of the same patient lie above the lowest (assumption)
_HIP_UNMEASURED = 0.1  # share of patients, as with hip prostheses (assumption)


@dataclass(frozen=True)
class Coding:
    """How a hospital writes its table.

    Attributes
    ----------
    file : str
        Its name: ``.csv``, ``.csv.gz`` or ``.xlsx``.
    chinese : bool
        As a Chinese hospital's: Chinese headers (`CHINESE`), a T-score for each site that DXA measured, and
        dates instead of days.
    encoding, separator, decimal : str
        Of a CSV file.
    sexes : mapping of str to (str or int)
        The hospital's codes of "female" and "male", where it has its own; of a table that is not Chinese.
    """

    file: str = "dxa.csv"
    chinese: bool = False
    encoding: str = "utf-8"
    separator: str = ","
    decimal: str = "."
    sexes: Mapping[str, str | int] = field(default_factory=dict)


PLAIN = Coding()
CHINESE_GBK = Coding(chinese=True, encoding="gbk")


@dataclass(frozen=True)
class Called:
    """What an exported hospital is called, and from how many patients on it tells of any (``min_cell``)."""

    study: str = "virtual_export"
    hospital: str = "Exported virtual hospital"
    min_cell: int = 0


def export_virtual(
    site: VirtualSite, out: Path, n: int, coding: Coding = PLAIN, called: Called | None = None
) -> None:
    """Write the first ``n`` included patients of a virtual hospital, and everyone screened before them.

    Makes ``out/ct/<id>/*.dcm``, ``out/masks/<id>.nii.gz``, ``out/masks_reader2/<id>.nii.gz``, the table
    (``out/dxa.csv``, or as ``coding`` calls it), ``out/extraction.yml`` and ``out/study.yml``.

    Parameters
    ----------
    site : VirtualSite
    out : Path
        A folder that is not there yet, or empty.
    n : int
        How many included patients, at most ``site.patients``.
    coding : Coding
    called : Called, optional

    Raises
    ------
    StudyError
        When the folder holds something, or the site has fewer patients.
    """
    out, (table, included) = Path(out), first_patients(site, out, n)
    for patient_id in tqdm(included, desc="export", unit="patient", disable=None):
        _write_patient(site, out, patient_id, table)
    table = table if site.role == "development" else table.drop(columns="allocation")
    _write_table(out / coding.file, table, coding, site.seed)
    _write_study(site, out, table, coding, called or Called())


def require_empty(out: Path) -> None:
    """Raise StudyError when the folder to write to holds something."""
    if out.exists() and any(out.iterdir()):
        raise StudyError(f"The folder '{out.name}' is not empty. Name a new folder, or empty this one.")


def first_patients(site: VirtualSite, out: Path, n: int) -> tuple[pd.DataFrame, list[str]]:
    """The table up to the ``n``th included patient, and who is included; StudyError as `export_virtual`."""
    require_empty(out)
    if n > site.patients:
        raise StudyError(f"The virtual hospital includes {site.patients} patients, not {n}. Ask for fewer.")
    screened = site.screened()
    included = screened["allocation"] != ""
    table = screened[included.cumsum() - included < n]
    return table, table.loc[included, "patient_id"].tolist()


def chinese_table(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The table of a virtual hospital as a Chinese hospital would write it; the same seed, the same table.

    The lowest of a patient's T-scores is the virtual one, and the dates lie as many days apart as the virtual
    interval says; which site is lowest, the other sites and the order of CT and DXA are made up.
    """
    rng = np.random.default_rng([seed, len(table)])
    sites = [name for name in CHINESE if name.startswith("t_score_")]
    above = rng.uniform(0, _ABOVE_LOWEST, (len(table), len(sites))).round(1)
    lowest = rng.integers(len(sites), size=len(table))
    above[np.arange(len(table)), lowest] = 0
    scores = pd.DataFrame(table["t_score"].to_numpy()[:, None] + above, table.index, sites).round(1)
    unmeasured = (rng.random(len(table)) < _HIP_UNMEASURED) & (lowest == 0)
    scores.loc[unmeasured, sites[1:]] = np.nan
    days = pd.to_timedelta(rng.choice([-1, 1], len(table)) * table["interval_days"], unit="D")
    dates = {"ct_date": pd.Timestamp(_DATE), "dxa_date": pd.Timestamp(_DATE) + days}
    foreign = table.assign(sex=table["sex"].map(_CHINESE_SEXES), **scores, **dates)
    foreign[list(dates)] = foreign[list(dates)].apply(lambda column: column.dt.strftime("%Y/%m/%d"))
    return foreign[[name for name in CHINESE if name in foreign]].rename(columns=CHINESE)


def _write_patient(site: VirtualSite, out: Path, patient_id: str, table: pd.DataFrame) -> None:
    image, mask = site.acquire(patient_id)
    person = table.set_index("patient_id").loc[patient_id]
    write_series(image, site.scanner(patient_id), person, site.seed, out / "ct" / patient_id)
    for folder, drawn in {"masks": mask, "masks_reader2": site.redraw(patient_id, reader=2)}.items():
        (out / folder).mkdir(exist_ok=True)
        sitk.WriteImage(drawn, str(out / folder / f"{patient_id}.nii.gz"), useCompression=True)


def _write_table(path: Path, table: pd.DataFrame, coding: Coding, seed: int) -> None:
    if coding.chinese:
        table = chinese_table(table, seed)
    elif coding.sexes:
        table = table.assign(sex=table["sex"].map(dict(coding.sexes)))
    if path.suffix == ".xlsx":
        write_excel(path, table)
        return
    ways = {"sep": coding.separator, "decimal": coding.decimal, "encoding": coding.encoding}
    packed = {"method": "gzip", "mtime": 0} if path.suffix == ".gz" else None  # the same bytes each time
    table.to_csv(path, index=False, lineterminator="\n", compression=packed, **ways)


def _write_study(site: VirtualSite, out: Path, table: pd.DataFrame, coding: Coding, called: Called) -> None:
    """A study file with this one hospital: to develop a model on, or for a model made elsewhere."""
    shutil.copy(REPOSITORY / "data" / "extraction" / "paper.yml", out / "extraction.yml")
    training = int((table["allocation"] == "training").sum()) if "allocation" in table else len(table) // 2
    source = {"path": coding.file} | ({"columns": _columns(table)} if coding.chinese else {})
    if own := {code: sex for sex, code in coding.sexes.items() if isinstance(code, int)}:
        source["sexes"] = own  # letters explain themselves
    hospital = {
        "name": called.hospital,
        "role": site.role,
        "table": source,
        "images": "ct/{patient_id}",
        "masks": "masks/{patient_id}.nii.gz",
        "second_reader": "masks_reader2/{patient_id}.nii.gz",
    }
    study = {
        "name": called.study,
        "title": "Exported virtual patients, as a hospital would hand them over (simulated)",
        "simulated": True,
        "seed": site.seed,
        "extraction": "extraction.yml",
        "second_reader_cases": max(4, min(_SECOND_READER_CASES, training)),
    }
    study |= ({"min_cell": called.min_cell} if called.min_cell else {}) | {"sites": [hospital]}
    if site.role == "development":
        study |= _fewer_folds(table)
    text = yaml.safe_dump(study, sort_keys=False, width=100, allow_unicode=True)
    (out / "study.yml").write_text(text, encoding="utf-8")


def _columns(table: pd.DataFrame) -> dict[str, str]:
    """The study file's ``columns`` of the Chinese table."""
    return {name: header for name, header in CHINESE.items() if name != "allocation" or name in table}


def _fewer_folds(table: pd.DataFrame) -> dict:
    """Cross-validation that few patients allow: no more folds than two thirds of the rarer outcome."""
    training = table.query("allocation == 'training'") if "allocation" in table else table
    rarer = int(min((training["t_score"] <= -2.5).sum(), (training["t_score"] > -2.5).sum()) * 2 // 3)
    folds = {"04": 10, "05": 5}
    fewer = {step: {"folds": max(2, rarer)} for step, usual in folds.items() if rarer < usual}
    return {"parameters": fewer} if fewer else {}


def write_series(image: sitk.Image, scanner: dict, person: pd.Series, seed: int, folder: Path) -> None:
    """Write one CT series, the top slice first, with identifiers that are the same every time.

    Parameters
    ----------
    image : sitk.Image
        HU, 16-bit signed, without rotation.
    scanner : dict
        As `VirtualSite.scanner` gives it.
    person : Series
        Row of the screened table, named by its patient_id.
    seed : int
        Of the virtual hospital: another seed is another patient.
    folder : Path
        Made when it is not there.
    """
    folder.mkdir(parents=True)
    series = series_header(image, scanner, person, seed)
    voxels = sitk.GetArrayViewFromImage(image)
    for number, k in enumerate(reversed(range(len(voxels))), start=1):
        position = image.TransformIndexToPhysicalPoint((0, 0, k))
        header = slice_header(series, number, position, voxels[k])
        header.save_as(folder / f"IM{number:04d}.dcm", enforce_file_format=True)


def series_header(image: sitk.Image, scanner: dict, person: pd.Series, seed: int) -> Dataset:
    """What all slices of a patient's series share; arguments as of `write_series`."""
    header = Dataset()
    header.SOPClassUID = CTImageStorage
    header.Modality = "CT"
    header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    header.PatientID, header.PatientName = person.name, f"Virtual^{person.name}"
    header.PatientSex, header.PatientAge = person.sex[0].upper(), f"{person.age:03.0f}Y"
    header.PatientBirthDate, header.StudyTime, header.StudyID = "", "", ""
    header.StudyDate = header.SeriesDate = _DATE
    header.AccessionNumber, header.ReferringPhysicianName = "", ""
    header.PatientComments = "Simulated, not a real patient"
    header.SeriesDescription, header.BodyPartExamined = "Virtual plain chest CT, T12 to L1", "CHEST"
    header.StudyInstanceUID = generate_uid(entropy_srcs=["study", str(seed), person.name])
    header.SeriesInstanceUID = generate_uid(entropy_srcs=["series", str(seed), person.name])
    header.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame", str(seed), person.name])
    header.SeriesNumber, header.PositionReferenceIndicator = 1, ""
    header.Manufacturer, header.ManufacturerModelName = scanner["manufacturer"], scanner["model"]
    header.KVP, header.XRayTubeCurrent = scanner["kVp"], round(scanner["mA"])
    header.ConvolutionKernel, header.PatientPosition = scanner["kernel"], "HFS"
    across, along, thickness = image.GetSpacing()
    header.PixelSpacing, header.SliceThickness = [along, across], thickness
    header.SpacingBetweenSlices = thickness
    header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    header.Columns, header.Rows = image.GetSize()[:2]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 1
    header.RescaleSlope, header.RescaleIntercept, header.RescaleType = 1, _INTERCEPT, "HU"
    header.WindowCenter, header.WindowWidth = 300, 1500
    return header


def slice_header(series: Dataset, number: int, position: tuple, voxels: np.ndarray) -> Dataset:
    """One slice of a series with its pixels (HU), whose corner lies at ``position`` (mm, LPS)."""
    header = pydicom.Dataset(series)
    header.SOPInstanceUID = generate_uid(entropy_srcs=[series.SeriesInstanceUID, str(number)])
    header.InstanceNumber, header.AcquisitionNumber = number, 1
    header.ImagePositionPatient = [round(value, 6) for value in position]
    header.SliceLocation = round(position[2], 6)
    header.PixelData = (voxels - _INTERCEPT).astype("<i2").tobytes()
    header["PixelData"].VR = "OW"
    header.file_meta = FileMetaDataset()
    header.file_meta.MediaStorageSOPClassUID = CTImageStorage
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return header
