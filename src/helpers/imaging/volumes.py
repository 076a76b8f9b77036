"""Three-dimensional images in NIfTI, NRRD or MHA files."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import SimpleITK as sitk

from helpers.errors import StudyError
from helpers.imaging.archives import is_archive


def read_volume(path: Path) -> sitk.Image:
    """Read a three-dimensional NIfTI, NRRD or MHA file.

    Raises
    ------
    StudyError
        When it is damaged, of another kind, or no single 3D volume.
    """
    try:
        volume = sitk.ReadImage(str(path))
        whole = _is_whole(path, volume)
    except RuntimeError:
        whole = False
    if not whole:
        if is_archive(path):
            raise StudyError(
                "the file is an archive (a zip file or its like). Unpack it, and name what is in it."
            )
        # ITK's own message holds the path, and with it the raw patient number.
        raise StudyError(
            "the file cannot be read as NIfTI, NRRD or MHA. It may be damaged or of another "
            "kind: export it again."
        )
    if volume.GetDimension() != 3 or volume.GetNumberOfComponentsPerPixel() != 1:
        raise StudyError(
            f"the file holds {volume.GetDimension()} dimensions and "
            f"{volume.GetNumberOfComponentsPerPixel()} values a voxel; one 3D volume is needed."
        )
    return volume


def _is_whole(path: Path, volume: sitk.Image) -> bool:
    """Whether a NIfTI file holds all its voxels: ITK makes up what a broken copy lacks."""
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return True
    bits, start = (float(volume.GetMetaData(key)) for key in ("bitpix", "vox_offset"))
    needed = start + volume.GetNumberOfPixels() * volume.GetNumberOfComponentsPerPixel() * bits / 8
    if path.suffix.lower() != ".gz":
        return path.stat().st_size >= needed
    size = 0
    try:
        with gzip.open(path) as file:
            while part := file.read(1 << 20):  # to the end, where the checksum is
                size += len(part)
    except (EOFError, OSError, zlib.error):
        return False
    return size >= needed
