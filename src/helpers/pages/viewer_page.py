"""The page of the CT viewer: a small virtual CT with its six layers."""

from __future__ import annotations

import base64
import gzip
import io
import json

import matplotlib.pyplot as plt
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from helpers.features.rules import typical_patient
from helpers.imaging import slices
from helpers.imaging.boxes import around
from helpers.imaging.regions import LAYERS
from helpers.imaging.shown import nifti
from helpers.imaging.sources import Scan, image_source
from helpers.pages.rendering import rendered
from helpers.plots.regions import BONE_WINDOW, CANCELLOUS_WINDOW, LAYER_COLOURS, roi_figure
from helpers.plots.style import STYLE
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import Run
from helpers.study.sites import Site, VirtualSource

MARGIN_MM = 25.0
VIEWER_SPACING_MM = 1.0
WINDOWS = {"Bone (level 300, width 1500 HU)": BONE_WINDOW}
WINDOWS |= {"Cancellous (level 150, width 600 HU)": CANCELLOUS_WINDOW}
MIDDLE_OF_L1 = 5
BONE_IN_SPACE = (150, 900)  # HU: soft tissue is transparent, cortex is bright


def staged_files(run: Run) -> dict[str, bytes]:
    """The part that the page of the viewer includes, its picture, and its volumes as a script."""
    scan, of_study = _virtual_scan(run)
    small = _small(scan)
    volumes = {"ct": _nifti(small.image), "layers": _nifti(small.mask)}
    labels = [
        {"value": value, "name": name, "colour": colour}
        for (value, name), colour in zip(LAYERS.items(), LAYER_COLOURS, strict=True)
    ]
    data = {
        "labels": labels,
        "centre": _ras_voxel(small.image, slices.layer_centre(small.mask, (MIDDLE_OF_L1,))),
        "windows": [{"title": title, "hu": list(limits)} for title, limits in WINDOWS.items()],
        "bone": list(BONE_IN_SPACE),
    }
    script = f"const radbookVolumes = {json.dumps(volumes)};\n"
    return {
        "interactive/volume_viewer.md": rendered("volume_viewer.md", data=data, of_study=of_study).encode(),
        "interactive/virtual_patient.png": _png(small),
        "extra/interactive/virtual_patient.js": script.encode(),
    }


def _virtual_scan(run: Run) -> tuple[Scan, bool]:
    """The virtual patient of Figure 2 (True); of a hospital's study the first of the book's own cohort."""
    virtual = [site for site in run.study.sites if site.virtual is not None]
    measured = all(run.has(run.artifact_path(name)) for name in ("preprocessing", "cohort"))
    if measured and virtual and len(virtual) == len(run.study.sites):
        shown = typical_patient(run.read("preprocessing"))
        site = run.read("cohort").set_index("patient_id").loc[shown, "site"]
        source = image_source(run, next(one for one in virtual if one.name == site))
        return source.load(shown), True
    simulated = VirtualSource(protocol=REPOSITORY / "data" / "virtual" / "protocol.yml", patients=8)
    source = image_source(run, Site(name="Virtual hospital", role="development", virtual=simulated))
    return source.load(source.hospital.screened()["patient_id"].iloc[0]), False


def _small(scan: Scan) -> Scan:
    """The scan around its regions, in cubic voxels of 1 mm: small enough for a page."""
    low, high = around(scan.mask, MARGIN_MM)
    start = scan.image.TransformIndexToPhysicalPoint(low.tolist())
    steps = np.floor((high - low) * scan.image.GetSpacing() / VIEWER_SPACING_MM).astype(int).tolist()

    def resampled(volume: sitk.Image, method: int) -> sitk.Image:
        cubic = [VIEWER_SPACING_MM] * 3
        return sitk.Resample(volume, steps, sitk.Transform(), method, start, cubic, volume.GetDirection())

    return Scan(resampled(scan.image, sitk.sitkBSpline), resampled(scan.mask, sitk.sitkNearestNeighbor))


def _ras_voxel(image: sitk.Image, point: NDArray) -> list[int]:
    """The voxel at a point (mm, LPS), counted from left to right, back to front, feet to head."""
    return list(sitk.DICOMOrient(image, "RAS").TransformPhysicalPointToIndex(point.tolist()))


def _nifti(image: sitk.Image) -> str:
    """The image as the data address of a compressed NIfTI file; the same image gives the same text."""
    packed = gzip.compress(nifti(image), compresslevel=9, mtime=0)
    return "data:application/gzip;base64," + base64.b64encode(packed).decode("ascii")


def _png(scan: Scan) -> bytes:
    target = io.BytesIO()
    with plt.style.context(STYLE):
        figure = roi_figure(scan)
        figure.get_layout_engine().set(rect=(0, 0.03, 1, 0.97))
        figure.text(0.995, 0.002, "virtual patient", ha="right", va="bottom", fontsize=7, color="#777777")
        figure.savefig(target, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    return target.getvalue()
