"""Regions drawn from points, kept where a reader may open them, correct them, and put them back.

A file whose content is not what was drawn has been corrected: it stays, whatever changes elsewhere. Any
other is drawn again when the points, the image, the margin or the code of the drawing change.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import SimpleITK as sitk

from helpers.imaging import bodies, body_surface, star_surface
from helpers.study.content_hash import content_hash
from helpers.study.places import made_folder, replacing

_CODE = (bodies, body_surface, star_surface)


def is_corrected(file: Path) -> bool:
    """Whether somebody has changed a drawn region, or put one of their own in its place."""
    return file.is_file() and _record(file).get("drawn") != content_hash(file)


def keep_drawn(file: Path, inputs: str, draw: Callable[[], sitk.Image]) -> None:
    """See to it that ``file`` holds the region that follows from the inputs, unless it has been corrected.

    Parameters
    ----------
    file : Path
        private/regions/<pseudonym>.nii.gz
    inputs : str
        Changes whenever image, points or margin do.
    draw : callable
        Gives the six layers; called only where they are not there.
    """
    wanted = content_hash(inputs, *(Path(module.__file__) for module in _CODE))
    if is_corrected(file) or (file.is_file() and _record(file).get("inputs") == wanted):
        return
    file.unlink(missing_ok=True)  # a killed process must not leave a file that looks corrected
    layers = draw()
    made_folder(file.parent)
    drawn = file.with_name(f".{file.name}")
    sitk.WriteImage(layers, str(drawn), useCompression=True)
    with replacing(_beside(file)) as temporary:
        temporary.write_text(json.dumps({"inputs": wanted, "drawn": content_hash(drawn)}), encoding="utf-8")
    drawn.replace(file)


def _beside(file: Path) -> Path:
    return file.with_name(file.name.removesuffix(".nii.gz") + ".json")


def _record(file: Path) -> dict[str, str]:
    try:
        return json.loads(_beside(file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
