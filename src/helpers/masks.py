"""Regions as hospitals draw them: brought to the image's grid and to the six layers, or refused."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk

from helpers.errors import StudyError

LAYERS = {
    1: "T12 upper",
    2: "T12 middle",
    3: "T12 lower",
    4: "L1 upper",
    5: "L1 middle",
    6: "L1 lower",
}
# File headers round positions (NIfTI to 32 bits); more than this is another grid, not rounding.
GRID_TOLERANCE_MM = 0.01


def match_grid(mask: sitk.Image, image: sitk.Image, place: str) -> sitk.Image:
    """Mask with exactly the image's grid, when it lies there up to the rounding of file headers.

    Raises
    ------
    StudyError
        When size, spacing, origin or direction differ.
    """
    if mask.GetSize() != image.GetSize():
        raise _other_grid(place, f"its size is {mask.GetSize()}, the image's {image.GetSize()}")
    corners = list(itertools.product(*[(0, size - 1) for size in image.GetSize()]))
    shift = max(_distance(mask, image, corner) for corner in corners)
    if shift > GRID_TOLERANCE_MM:
        differing = [
            name
            for name in ("Spacing", "Origin", "Direction")
            if not np.allclose(getattr(mask, f"Get{name}")(), getattr(image, f"Get{name}")(), atol=1e-3)
        ]
        named = ", ".join(differing).lower() or "grid"
        raise _other_grid(place, f"its {named} differs by up to {shift:.2f} mm at the corners")
    mask.CopyInformation(image)
    return mask


def _distance(one: sitk.Image, other: sitk.Image, corner: tuple[int, ...]) -> float:
    points = [np.array(volume.TransformIndexToPhysicalPoint(corner)) for volume in (one, other)]
    return float(np.linalg.norm(points[0] - points[1]))


def _other_grid(place: str, difference: str) -> StudyError:
    return StudyError(
        f"{place}: the mask does not lie on the image's grid: {difference}. Draw or save the mask on this "
        "very image (in ITK-SNAP: open this image first, then save the segmentation)."
    )


def layer_map(mask: sitk.Image, labels: dict[int, int] | None, place: str) -> sitk.Image:
    """Label map of the layers 1 to 6.

    Parameters
    ----------
    mask : sitk.Image
        As drawn.
    labels : dict or None
        Mask label -> layer; other labels are left out. None: the labels are the layers already.
    place : str
        What the mask is, for errors.
    """
    drawn = sitk.GetArrayFromImage(mask)
    found = np.unique(drawn[drawn != 0])
    if found.size == 0:
        raise StudyError(f"{place}: the mask is empty. Draw the six layers, or leave the patient out.")
    if not np.array_equal(found, np.round(found)) or found.min() < 0:
        raise StudyError(
            f"{place}: the mask holds values such as {found[0]:.4g} instead of whole labels; it was "
            "rescaled when saved. Save it again as a label map."
        )
    translation = labels or {layer: layer for layer in LAYERS}
    _check_labels(set(found.astype(int).tolist()), translation, labels is not None, place)
    layers = np.zeros(drawn.shape, dtype=np.uint8)
    for label, layer in translation.items():
        layers[drawn == label] = layer
    translated = sitk.GetImageFromArray(layers)
    translated.CopyInformation(mask)
    return translated


def _check_labels(found: set[int], translation: dict[int, int], others_allowed: bool, place: str) -> None:
    if found == {255}:
        raise StudyError(
            f"{place}: the mask's only label is 255: it was saved as a black-and-white picture and the six "
            "layers are lost. Save the label map itself, with the labels 1 to 6."
        )
    others = sorted(found - set(translation))
    if others and not others_allowed:
        raise StudyError(
            f"{place}: label(s) {', '.join(map(str, others))} are not layers (1 to 6). Say in the study "
            "file's 'labels' which mask label is which layer, or correct the mask."
        )
    missing = sorted(set(LAYERS) - {translation[label] for label in found & set(translation)})
    if missing:
        names = ", ".join(LAYERS[layer] for layer in missing)
        raise StudyError(
            f"{place}: the mask lacks {names} (it has the labels {', '.join(map(str, sorted(found)))}). Draw "
            "all six layers, or leave the patient out."
        )
