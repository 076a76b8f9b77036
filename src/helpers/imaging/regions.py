"""Regions as hospitals and segmentation tools draw them, turned into the six layers, or refused.

A label is a layer (1 to 6) or a whole vertebra. Whole vertebrae are cut down to their bodies, shrunk away
from the cortex, and divided in three along the spine.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from helpers.errors import StudyError
from helpers.imaging.boxes import bounding_box
from helpers.imaging.nearness import near

LAYERS = {
    1: "T12 upper",
    2: "T12 middle",
    3: "T12 lower",
    4: "L1 upper",
    5: "L1 middle",
    6: "L1 lower",
}
VERTEBRAE = {"T12": (1, 2, 3), "L1": (4, 5, 6)}
# Codes of whole vertebrae, beside those of the layers.
WHOLE = {"T12": 7, "L1": 8}
# VerSe (doi 10.1016/j.media.2021.102166; also SPINEPS and spine-segment) and TotalSegmentator version 2.
NUMBERINGS = {
    "layers": {layer: layer for layer in LAYERS},
    "verse": {19: "T12", 20: "L1"},
    "totalsegmentator": {32: "T12", 31: "L1"},
}
# Regions beyond these are refused.
REFUSED_BEYOND = {
    "volume_mm3": 500.0,  # a vertebra smaller than this has lost its region, or another scale
    "air_percent": 10.0,  # voxels below AIR_HU: the region lies in lung, bowel or outside the patient
    # Hole seen along the spine: the region surrounds the canal, so it is no body. Bodies drawn without the
    # basivertebral vein show holes of up to 50 where the spine is askew.
    "canal_mm2": 80.0,
    # Bay between left and right behind the middle, seen along the spine: up to 81 in bodies, drawn or
    # automatic, 108 and more in vertebrae with pedicles or arch (masks of TotalSegmentator and TPTBox).
    "bay_mm2": 100.0,
}
# Of a vertebra, in pieces apart from its body: more is noted.
_LOST_PERCENT = 1.0
# Bone lies in a brighter shell: where the brightest 5 % around a region exceed its median by less (HU), flips
# are tried.
_SHELL_HU = 80.0
AIR_HU = -200
FLIPS = ("left to right", "front to back", "top to bottom")
_SHELL_MM = 6.0


def label_codes(mask: sitk.Image, labels: str | dict) -> sitk.Image:
    """Translate a label map's numbers.

    Parameters
    ----------
    mask : sitk.Image
        As drawn.
    labels : str or dict
        As in the study file: a numbering's name, or label -> layer or vertebra. Labels that it does not
        name are left out; only "layers" allows no others.

    Returns
    -------
    sitk.Image
        8 bits: the layers 1 to 6 and the codes of ``WHOLE``; empty when none of the labels is there.
    """
    drawn = sitk.GetArrayViewFromImage(mask)
    window = bounding_box(drawn if drawn.dtype == np.uint8 else drawn != 0)
    part = drawn[window]
    found = np.unique(part[part != 0])
    numbers = {label: code for label, code in code_table(labels).items() if isinstance(label, int)}
    _check_numbers(found, numbers)
    if not numbers:
        raise StudyError("a label map has numbers, but the study file's 'labels' are names. Write numbers.")
    others = sorted(set(found.astype(int).tolist()) - set(numbers))
    if labels == "layers" and others:
        raise StudyError(
            f"label(s) {', '.join(map(str, others))} are not layers (1 to 6). Say in the study "
            "file's 'labels' which mask label is which layer, or correct the mask."
        )
    if drawn.dtype == np.uint8 and all(numbers.get(int(label)) == label for label in found):
        return mask  # the labels are the codes
    codes = np.zeros(drawn.shape, dtype=np.uint8)
    for number, code in numbers.items():
        codes[window][part == number] = code
    return _like(codes, mask)


def whole_vertebra(mask: sitk.Image, vertebra: str) -> sitk.Image:
    """Codes of a mask that holds one vertebra as its only label; all zeros for an empty mask."""
    drawn = sitk.GetArrayViewFromImage(mask)
    found = np.unique(drawn[drawn != 0])
    if found.size > 1:
        raise StudyError(
            f"the file of {vertebra} has several labels ({', '.join(f'{v:g}' for v in found[:5])}). "
            "Say in the study file's 'labels' what they are, or save the vertebra alone."
        )
    return _like(np.where(drawn != 0, WHOLE[vertebra], 0).astype(np.uint8), mask)


def code_table(labels: str | dict) -> dict[int | str, int]:
    """Code of each label or name, from the study file's ``labels``."""
    table = NUMBERINGS[labels] if isinstance(labels, str) else labels
    return {label: WHOLE.get(meaning, meaning) for label, meaning in table.items()}


def _check_numbers(found: np.ndarray, numbers: dict[int, int]) -> None:
    if found.size == 0:
        raise StudyError("the mask is empty. Draw the regions, or leave the patient out.")
    if not np.array_equal(found, np.round(found)) or found.min() < 0:
        raise StudyError(
            f"the mask holds values such as {found[0]:.4g} instead of whole labels; it was "
            "rescaled when saved. Save it again as a label map."
        )
    if found.tolist() == [255] and 255 not in numbers:
        raise StudyError(
            "the mask's only label is 255: it was saved as a black-and-white picture and its "
            "labels are lost. Save the label map itself."
        )


def six_layers(
    codes: sitk.Image, bodies: sitk.Image | None, erode_mm: float
) -> tuple[sitk.Image, list[str], float]:
    """Divide whole vertebrae into layers; layers that are drawn already stay as they are.

    Parameters
    ----------
    codes : sitk.Image
        As `label_codes` gives them.
    bodies : sitk.Image or None
        Not 0 in vertebral bodies, on the same grid.
    erode_mm : float
        No voxel whose centre lies within this distance of one outside the body is kept (mm).

    Returns
    -------
    layers : sitk.Image
        8 bits: 0 outside, 1 to 6 as in ``LAYERS``.
    notes : list of str
    lost_percent : float
        Of the worse vertebra's voxels, how many lie apart from its body and were left out.

    Raises
    ------
    StudyError
        When neither vertebra is there, one lacks a layer, or nothing of it is left.
    """
    found = _found(codes)
    if not found:
        raise StudyError(
            "neither T12 nor L1 is in the mask. Look whether the scan shows them and whether "
            "'labels' in the study file names the mask's labels; otherwise leave the patient out.",
            "level",
        )
    _check_layers(found)
    if not found & set(WHOLE.values()):
        return codes, [], 0.0
    drawn = sitk.GetArrayFromImage(codes)
    whole = {vertebra: drawn == code for vertebra, code in WHOLE.items() if code in found}
    drawn[drawn > max(LAYERS)] = 0
    notes, kept, losses = [], {}, []
    for vertebra, region in whole.items():
        kept[vertebra], remarks, lost = _trabecular(region, codes, bodies, erode_mm, vertebra)
        notes += [f"{vertebra} {remark}" for remark in remarks]
        losses.append(lost)
    _divide(kept, codes, drawn)
    return _like(drawn, codes), notes, max(losses)


def _divide(bodies: dict[str, np.ndarray], codes: sitk.Image, drawn: np.ndarray) -> None:
    """Write three layers of equal height along the spine into ``drawn`` for each vertebra's body."""
    axis = _spine_axis([_points(region, codes) for region in bodies.values()])
    for vertebra, region in bodies.items():
        heights = _points(region, codes) @ axis
        edges = np.linspace(heights.max(), heights.min(), 4)[1:3]
        drawn[region] = np.choose(np.sum(heights[:, None] < edges, axis=1), VERTEBRAE[vertebra])
        if not set(VERTEBRAE[vertebra]) <= set(drawn[region].tolist()):
            raise StudyError(f"{vertebra} is too flat for three layers; look at its mask.")


def _check_layers(found: set[int]) -> None:
    missing = [
        LAYERS[layer]
        for layers in VERTEBRAE.values()
        for layer in layers
        if found & set(layers) and layer not in found
    ]
    if missing:
        raise StudyError(
            f"the mask lacks {', '.join(missing)}. Draw all three layers of a vertebra, or none.", "layer"
        )


def _trabecular(
    region: np.ndarray, grid: sitk.Image, bodies: sitk.Image | None, erode_mm: float, vertebra: str
) -> tuple[np.ndarray, list[str], float]:
    """Cut a whole vertebra down to its body, shrunk, in one piece; what was done, and lost (%)."""
    window = bounding_box(region)
    notes = ["is cut off by the edge of the scan"] if _at_end(window, region.shape, grid) else []
    # One voxel of background around, except at the edge of the scan, where nobody knows what follows.
    window = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in window)
    part = region[window]
    if bodies is None:  # shrinking would break the arch's ring open
        _check_arch(part, grid, vertebra)
    else:
        part = part & (sitk.GetArrayViewFromImage(bodies)[window] != 0)
        if not part.any():
            raise StudyError(f"{vertebra} has no body in the file 'bodies'. Look at both masks.")
    spacing = grid.GetSpacing()[::-1]
    if erode_mm:
        part = ndimage.distance_transform_edt(part, sampling=spacing) > erode_mm + 1e-6
        if not part.any():
            raise StudyError(f"{vertebra}: nothing is left after shrinking by {erode_mm:g} mm (erode_mm).")
    pieces, count = ndimage.label(part)
    lost = 0.0
    if count > 1:
        sizes = np.bincount(pieces.ravel())[1:]
        lost = 100 * (1 - sizes.max() / sizes.sum())
        part = pieces == 1 + sizes.argmax()
        if lost > _LOST_PERCENT:
            notes.append(f"is in {count} pieces; the largest is kept, without {lost:.0f} % of the voxels")
    kept = np.zeros_like(region)
    kept[window] = part
    return kept, notes, float(lost)


def _at_end(window: tuple[slice, ...], shape: tuple[int, ...], grid: sitk.Image) -> bool:
    """Whether a region touches the first or last slice along the patient."""
    axis = _patient_axes(grid).index(2)
    return window[axis].start == 0 or window[axis].stop == shape[axis]


def _patient_axes(grid: sitk.Image) -> list[int]:
    """Patient axis (0 left-right, 1 front-back, 2 head-foot) that each array axis is nearest to."""
    directions = np.abs(np.array(grid.GetDirection()).reshape(3, 3))
    return [int(directions[:, 2 - axis].argmax()) for axis in range(3)]


def _found(labels: sitk.Image) -> set[int]:
    drawn = sitk.GetArrayViewFromImage(labels)
    return set(np.unique(drawn[bounding_box(drawn)]).tolist()) - {0}


def _points(region: np.ndarray, grid: sitk.Image) -> np.ndarray:
    """Positions (mm, LPS) of a region's voxels, shape (voxels, 3), in array order."""
    index = np.argwhere(region)[:, ::-1] * grid.GetSpacing()
    return index @ np.array(grid.GetDirection()).reshape(3, 3).T + grid.GetOrigin()


def _spine_axis(vertebrae: list[np.ndarray]) -> np.ndarray:
    """Unit vector to the head: through both centres, or the patient's own axis when there is one only."""
    if len(vertebrae) < 2:
        return np.array([0.0, 0.0, 1.0])
    upwards = vertebrae[0].mean(axis=0) - vertebrae[1].mean(axis=0)
    return upwards / np.linalg.norm(upwards)


def missing_vertebrae(layers: sitk.Image) -> list[str]:
    """Vertebrae without a voxel."""
    found = _found(layers)
    return [vertebra for vertebra, own in VERTEBRAE.items() if not found & set(own)]


def vertebra_centre(layers: sitk.Image, vertebra: str) -> np.ndarray:
    """Centre (mm, LPS) of a vertebra's region; NaN where it is not drawn."""
    window = bounding_box(sitk.GetArrayViewFromImage(layers))
    box = layers[tuple(window[::-1])]
    region = _of_vertebra(sitk.GetArrayViewFromImage(box), vertebra)
    return _points(region, box).mean(axis=0) if region.any() else np.full(3, np.nan)


def check_regions(layers: sitk.Image, image: sitk.Image) -> None:
    """Stop where regions cannot be measured at all; what is merely unlikely is judged by rules later.

    Raises
    ------
    StudyError
        When the order of the layers is not that of a spine, or a limit of ``REFUSED_BEYOND`` is passed.
    """
    everything = sitk.GetArrayViewFromImage(layers)
    window = bounding_box(everything)
    box = layers[tuple(window[::-1])]
    drawn = sitk.GetArrayViewFromImage(box)
    found = [layer for layer in LAYERS if (drawn == layer).any()]
    centres = {layer: _points(drawn == layer, box).mean(axis=0) for layer in found}
    _check_order(centres)
    voxel_mm3 = float(np.prod(layers.GetSpacing()))
    for vertebra in VERTEBRAE:
        region = _of_vertebra(drawn, vertebra)
        volume = np.count_nonzero(region) * voxel_mm3
        if 0 < volume < REFUSED_BEYOND["volume_mm3"]:
            raise StudyError(
                f"{vertebra} has only {volume:.0f} mm3 (at least {REFUSED_BEYOND['volume_mm3']:.0f} "
                "are needed). Draw the region again."
            )
        if volume:
            _check_arch(region, box, vertebra)
    _check_tissue(everything, image)


def _of_vertebra(drawn: np.ndarray, vertebra: str) -> np.ndarray:
    own = VERTEBRAE[vertebra]
    return (drawn >= min(own)) & (drawn <= max(own))


def _check_order(centres: dict[int, np.ndarray]) -> None:
    heights = [centres[layer][2] for layer in sorted(centres)]
    if any(upper <= lower for upper, lower in zip(heights, heights[1:], strict=False)):
        raise StudyError(
            "the regions do not run from T12 upper (head) down to L1 lower (foot). The mask was "
            "flipped top to bottom when saved (ITK-SNAP 4.0 did this), or labels were mixed up: open it over "
            "the image, correct it, save it again."
        )


def _check_arch(region: np.ndarray, grid: sitk.Image, vertebra: str) -> None:
    """Refuse a vertebra that has its arch, or a part of it: seen along the spine, a body is a plain disc."""
    seen = _seen_from_head(region, grid)
    remedy = "Name a mask of the vertebral bodies in the study file ('bodies'), or draw the bodies."
    hole = ndimage.binary_fill_holes(seen) & ~seen
    pixel_mm2 = float(np.prod(np.delete(grid.GetSpacing()[::-1], _patient_axes(grid).index(2))))
    if np.count_nonzero(hole) * pixel_mm2 > REFUSED_BEYOND["canal_mm2"]:
        raise StudyError(
            f"{vertebra}: the region surrounds the spinal canal, so it is the whole vertebra and not its "
            f"body. {remedy}"
        )
    to_the_left, to_the_right = (
        np.maximum.accumulate(seen, 1),
        np.maximum.accumulate(seen[:, ::-1], 1)[:, ::-1],
    )
    behind = np.arange(len(seen)) >= np.nonzero(seen)[0].mean()
    bay = np.count_nonzero((to_the_left & to_the_right & ~seen)[behind]) * pixel_mm2
    if bay > REFUSED_BEYOND["bay_mm2"]:
        raise StudyError(
            f"{vertebra}: the region reaches around the spinal canal on both sides ({bay:.0f} mm2 between "
            f"them), so it is the whole vertebra, or a body with its pedicles or a part of the arch. {remedy}"
        )


def _seen_from_head(region: np.ndarray, grid: sitk.Image) -> np.ndarray:
    """A region's shadow along the patient: rows from front to back, columns from side to side."""
    axes = _patient_axes(grid)
    seen = region.any(axis=axes.index(2))
    seen = seen if axes.index(1) < axes.index(0) else seen.T
    to_the_back = np.array(grid.GetDirection()).reshape(3, 3)[1, 2 - axes.index(1)] > 0
    return seen if to_the_back else seen[::-1]


def _check_tissue(drawn: np.ndarray, image: sitk.Image) -> None:
    hu, spacing = sitk.GetArrayViewFromImage(image), image.GetSpacing()[::-1]
    air, shell = _air_and_shell(drawn, hu, spacing)
    if shell >= _SHELL_HU and air <= REFUSED_BEYOND["air_percent"]:
        return
    for axis in range(3):
        flipped = _air_and_shell(np.flip(drawn, axis), hu, spacing)
        if flipped[0] < 1 and flipped[1] >= _SHELL_HU:
            raise StudyError(
                "the region does not lie on bone, but would if it were flipped "
                f"{FLIPS[_patient_axes(image)[axis]]}. The mask was flipped when saved: open it over the "
                "image, correct it, save it again."
            )
    if air > REFUSED_BEYOND["air_percent"]:
        raise StudyError(
            f"{air:.0f} % of the region is air or lung (below {AIR_HU} HU). The mask belongs to "
            "another scan, or was shifted: open it over the image."
        )


def _air_and_shell(drawn: np.ndarray, hu: np.ndarray, spacing: tuple[float, ...]) -> tuple[float, float]:
    """Air in the region (%), and by how much the brightest 5 % around it exceed its median (HU)."""
    margin = [int(np.ceil(_SHELL_MM / step)) for step in spacing]
    window = bounding_box(drawn)
    window = tuple(slice(max(p.start - m, 0), p.stop + m) for p, m in zip(window, margin, strict=True))
    part, values = drawn[window] > 0, hu[window]
    shell = values[near(part, spacing, _SHELL_MM)]
    inside = values[part]
    return 100 * float((inside < AIR_HU).mean()), float(np.percentile(shell, 95) - np.median(inside))


def _like(array: np.ndarray, grid: sitk.Image) -> sitk.Image:
    volume = sitk.GetImageFromArray(array)
    volume.CopyInformation(grid)
    return volume
