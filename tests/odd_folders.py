"""Folders as hospitals have them, tiny: a table, DICOM series of a few pixels, label maps of boxes."""

import numpy as np
import pandas as pd
import SimpleITK as sitk
from dicom_series import dicom_slices, write_slices
from synthetic_scan import synthetic_scan

SCAN = synthetic_scan(size=(8, 8, 6), radius_mm=(3, 3, 1))
NUMBERS = [f"00{number}" for number in range(12301, 12309)]
LAYERS = {1: 80, 2: 72, 3: 64, 4: 50, 5: 42, 6: 34}


def write_table(path, numbers=NUMBERS, encoding="utf-8", **columns):
    """Eight patients by default, women and men in turn, T-scores around the rule."""
    n = len(numbers)
    table = {
        "影像号": numbers,
        "姓名": [f"张某{place}" for place in range(n)],
        "性别": ["女" if place % 2 else "男" for place in range(n)],
        "年龄": [60 + place for place in range(n)],
        "腰椎T值": [f"{-1.0 - 0.4 * place:.1f}" for place in range(n)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    chosen = {name: values for name, values in (table | columns).items() if values is not None}
    pd.DataFrame(chosen).to_csv(path, index=False, encoding=encoding)


def write_ct(folder, numbers=NUMBERS, root="1.2", **tags):
    """A folder a patient, called by its place in the list."""
    for place, number in enumerate(numbers):
        sex = "F" if place % 2 else "M"
        header = {"PatientID": number, "PatientName": f"Zhang^{number}", "PatientSex": sex} | tags
        uid = f"{root}.{place}"
        write_slices(
            folder / f"A{place}X" / "S1", dicom_slices(SCAN.image, **header, SeriesInstanceUID=uid), None
        )


def write_masks(folder, names, heights=LAYERS):
    """Label maps of boxes at heights in mm."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = np.zeros((120, 12, 12), np.uint8)
    for label, height in heights.items():
        labels[height - 2 : height + 3, 3:9, 3:9] = label
    for name in names:
        sitk.WriteImage(sitk.GetImageFromArray(labels), folder / name)
