"""Virtual patients as an archive (PACS) exports them: deep folders, mixed series, a table in Excel, clicks.

Nothing here is laid out for this project; ``radbook init`` has to find its way.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid
from tqdm import tqdm

from helpers.study.places import made_folder
from helpers.study.spreadsheets import write_excel
from helpers.virtual import VirtualSite
from helpers.virtual.export import CHINESE, chinese_table, first_patients, series_header, slice_header

_DOUBLED_EVERY = 4  # of so many patients one lies in the export twice
_SHARP = {"STANDARD": "LUNG", "Br40d": "Bl64d", "B_SOFT_B": "B_SHARP_C"}  # another reconstruction's kernel
_SHARPENED = 1.5  # how much of what a blur of a voxel takes away is added
_SCOUT = (64, 64)  # pixels
_VERTEBRAE = {"T12": (1, 2, 3), "L1": (4, 5, 6)}
_SEXES = {"女": 2, "男": 1}
_BONE_DENSITY = (1.05, 0.11)  # g/cm2 of T-score 0, and of one T-score: a column that is no T-score


def export_as_pacs(site: VirtualSite, out: Path, n: int) -> None:
    """Write the first ``n`` included patients of a virtual hospital, and a table of everyone screened.

    Makes ``out/EXPORT/PA*/ST*/SE*/IM*`` (a scout, the chest CT, a reconstruction with a sharp kernel and a
    dose page of each patient, under names that say nothing), ``out/EXPORT2`` (some patients once more),
    ``out/标记点/<number>_T12L1.mrk.json`` and ``out/骨密度登记表.xlsx``. Numbers have leading zeros in the
    DICOM headers and lost them in the table; sexes are 1 and 2.

    Raises
    ------
    StudyError
        As `helpers.virtual.export.export_virtual`.
    """
    out, (table, included) = Path(out), first_patients(site, out, n)
    people = table.set_index("patient_id")
    for place, patient_id in enumerate(tqdm(included, desc="export", unit="patient", disable=None)):
        image, mask = site.acquire(patient_id)
        person = people.loc[patient_id].rename(_number(patient_id))
        series = _series(image, site.scanner(patient_id), person, site.seed)
        copies = ["EXPORT", "EXPORT2"] if place % _DOUBLED_EVERY == 0 else ["EXPORT"]
        _write(series, [out / export / f"PA{place:06d}" / "ST000000" for export in copies])
        _write_points(mask, out / "标记点" / f"{int(person.name)}_T12L1.mrk.json")
    write_excel(out / "骨密度登记表.xlsx", _table(table, site.seed))


def _number(patient_id: str) -> str:
    """The number that this hospital's archive has for a virtual patient."""
    return f"{20000 + int(patient_id[1:]):08d}"


def _series(image: sitk.Image, scanner: dict, person: pd.Series, seed: int) -> list[Iterable[Dataset]]:
    """Slices with pixels of everything that the archive holds of one patient."""
    plain = series_header(image, scanner, person, seed)
    voxels = sitk.GetArrayFromImage(image)
    corners = [image.TransformIndexToPhysicalPoint((0, 0, k)) for k in range(len(voxels))]
    blurred = sitk.GetArrayFromImage(sitk.DiscreteGaussian(sitk.Cast(image, sitk.sitkFloat32), 0.4))
    sharp = np.rint(voxels + _SHARPENED * (voxels - blurred)).clip(-1024, 3071)
    sharp_header = _other(plain, 3, "Virtual lung", ConvolutionKernel=_SHARP[plain.ConvolutionKernel])
    scout = _other(plain, 1, "Scout", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    scout.Rows, scout.Columns = _SCOUT
    dose = _other(scout, 99, "Dose report", ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"])
    dose.SOPClassUID = SecondaryCaptureImageStorage
    blank = np.zeros(_SCOUT)
    return [
        [slice_header(scout, 1, corners[0], blank)],
        _slices(_other(plain, 2, "Virtual plain chest CT, T12 to L1"), corners, voxels),
        _slices(sharp_header, corners, sharp),
        [slice_header(dose, 1, corners[0], blank)],
    ]


def _other(plain: Dataset, number: int, description: str, **tags: object) -> Dataset:
    """Header of another series of the same examination."""
    header = copy.deepcopy(plain)
    header.SeriesNumber, header.SeriesDescription = number, description
    header.SeriesInstanceUID = generate_uid(entropy_srcs=[plain.SeriesInstanceUID, str(number)])
    for tag, value in tags.items():
        setattr(header, tag, value)
    return header


def _slices(header: Dataset, corners: list[tuple], voxels: np.ndarray) -> Iterator[Dataset]:
    """The top slice first; each must be written before the next is made: they share their header."""
    for number, k in enumerate(reversed(range(len(voxels))), start=1):
        yield slice_header(header, number, corners[k], voxels[k])


def _write(series: list[Iterable[Dataset]], folders: list[Path]) -> None:
    """Write all series of a patient into each of the folders."""
    for place, slices in enumerate(series):
        own = [made_folder(folder / f"SE{place:06d}") for folder in folders]
        for number, header in enumerate(slices):
            header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
            for folder in own:
                header.save_as(folder / f"IM{number:06d}", enforce_file_format=True)


def _write_points(mask: sitk.Image, file: Path) -> None:
    """A click in the middle of T12 and of L1, as 3D Slicer saves them."""
    labels = sitk.GetArrayViewFromImage(mask)
    points = []
    for vertebra, layers in _VERTEBRAE.items():
        middle = np.argwhere(np.isin(labels, layers)).mean(axis=0)[::-1]
        place = mask.TransformContinuousIndexToPhysicalPoint(middle.tolist())
        points.append({"label": vertebra, "position": list(place), "positionStatus": "defined"})
    markups = [{"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": points}]
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"markups": markups}), encoding="utf-8")


def _table(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The table of a Chinese hospital, with columns that this project does not need."""
    foreign = chinese_table(table, seed).drop(columns=CHINESE["allocation"], errors="ignore")
    numbers = [int(_number(patient_id)) for patient_id in table["patient_id"]]
    foreign = foreign.rename(columns={CHINESE["patient_id"]: "影像号"}).assign(影像号=numbers)
    foreign["性别"] = foreign["性别"].map(_SEXES)
    lumbar = CHINESE["t_score_lumbar"]
    middle, one = _BONE_DENSITY
    foreign.insert(
        list(foreign).index(lumbar), "腰椎骨密度(g/cm2)", (middle + one * foreign[lumbar]).round(3)
    )
    foreign.insert(0, "序号", range(1, len(foreign) + 1))
    return foreign
