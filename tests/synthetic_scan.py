"""Small CT-like scans for tests: correlated noise and six stacked layers, quick to make."""

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter

from helpers.features.blocks import read_settings
from helpers.features.cases import Case
from helpers.imaging.sources import Scan
from helpers.study.places import REPOSITORY

OBLIQUE = (0.9961947, 0.0, 0.0871557, 0.0, 1.0, 0.0, -0.0871557, 0.0, 0.9961947)
PAPER = REPOSITORY / "data" / "extraction" / "paper.yml"
SETTINGS = read_settings(PAPER)
CASE = Case("D0001", "here")


def synthetic_scan(
    size=(56, 50, 70),
    spacing=(0.7, 0.7, 0.5),
    origin=(-100.3, -80.2, 33.7),
    direction=None,
    radius_mm=(11.0, 8.0, 12.0),
    seed=0,
):
    """A scan of ``size`` voxels (x, y, z) whose ellipsoid ROI is cut into six layers along z."""
    rng = np.random.default_rng(seed)
    hu = 150 + 3 * gaussian_filter(rng.normal(0, 100, size[::-1]), 1.0)
    centre = np.array(size[::-1]) / 2 - 0.3
    offsets = [
        (grid - middle) * step
        for grid, middle, step in zip(np.indices(size[::-1]), centre, spacing[::-1], strict=True)
    ]
    inside = sum((o / r) ** 2 for o, r in zip(offsets, radius_mm[::-1], strict=True)) < 1
    layers = np.zeros(size[::-1], np.uint8)
    sixths = np.clip((offsets[0] / radius_mm[2] + 1) * 3, 0, 5).astype(np.uint8)
    layers[inside] = 6 - sixths[inside]
    image, mask = (sitk.GetImageFromArray(array) for array in (hu.astype(np.int16), layers))
    for volume in (image, mask):
        volume.SetSpacing(spacing)
        volume.SetOrigin(origin)
        volume.SetDirection(direction or np.eye(3).ravel().tolist())
    return Scan(image, mask)


class OneScan:
    """A site with a single scan, which counts how often it is read."""

    def __init__(self, scan, fingerprint="one"):
        self.scan, self.text, self.loads = scan, fingerprint, 0

    def load(self, patient_id, reader=1):
        self.loads += 1
        return self.scan

    def fingerprint(self, patient_id, reader=1):
        return self.text
