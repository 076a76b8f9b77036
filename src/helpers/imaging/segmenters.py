"""Automatic masks: segmentation tools that are called where they are installed, and what their files mean.

No tool is part of this project; each is named in the study file (``segmenter``) and installed by the
hospital. What a tool drew of an image stays in private/segmentations and is not drawn again.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from helpers.errors import StudyError
from helpers.imaging.mask_files import MaskFiles
from helpers.imaging.regions import VERTEBRAE


@dataclass(frozen=True)
class Tool:
    """A segmentation tool.

    Attributes
    ----------
    program : str
        Its command.
    install : str
        How to get it.
    calls : tuple of tuple of str
        Arguments of each call; ``ct.nii.gz`` is the image, ``out`` the folder of results.
    masks : callable
        What the tool wrote into a folder; takes the folder and the erosion in mm.
    """

    program: str
    install: str
    calls: tuple[tuple[str, ...], ...]
    masks: Callable[[Path, float], MaskFiles]


def _totalsegmentator(folder: Path, erode_mm: float) -> MaskFiles:
    names = {vertebra: f"vertebrae_{vertebra}.nii.gz" for vertebra in VERTEBRAE}
    files = {vertebra: folder / name for vertebra, name in names.items()}
    body = "vertebrae_body.nii.gz"
    return MaskFiles(files, names, "layers", folder / body, body, erode_mm)


def _spine_segment(folder: Path, erode_mm: float) -> MaskFiles:
    level, body = "ct_vertebral-level.nii.gz", "ct_process-body.nii.gz"
    return MaskFiles({"": folder / level}, {"": level}, "verse", folder / body, body, erode_mm)


TOOLS = {
    "totalsegmentator": Tool(
        "TotalSegmentator",
        "pip install TotalSegmentator",
        (
            ("-i", "ct.nii.gz", "-o", "out", "--roi_subset", "vertebrae_T12", "vertebrae_L1"),
            ("-i", "ct.nii.gz", "-o", "out", "--task", "vertebrae_body"),
        ),
        _totalsegmentator,
    ),
    "spine-segment": Tool(
        "spine-segment",
        "pip install spine-segment",
        (("ct.nii.gz", "--output", "out"),),
        _spine_segment,
    ),
}


def draw(tool: Tool, image: sitk.Image, folder: Path) -> None:
    """Let a tool draw the masks of an image; ``folder`` appears when all went well, and only then.

    Parameters
    ----------
    tool : Tool
    image : sitk.Image
        HU; handed over as NIfTI in a temporary folder, so that the tool sees no patient's name.
    folder : Path
        Where the masks go.

    Raises
    ------
    StudyError
        When the tool is not installed, fails, or leaves a mask out.
    """
    program = shutil.which(tool.program)
    if program is None:
        raise StudyError(
            f"there are no masks, and {tool.program}, which the study file asks to draw them, "
            f"is not installed. Install it in an environment of its own ({tool.install}) so that the command "
            f"{tool.program} is found, or name drawn masks under 'masks'.",
            "mask",
        )
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".drawing") as name:
        place = Path(name)
        (place / "out").mkdir()
        sitk.WriteImage(image, place / "ct.nii.gz", useCompression=True)
        for arguments in tool.calls:
            _call(tool, [program, *arguments], place)
        lacking = [path.name for path in tool.masks(place / "out", 0).paths if not path.is_file()]
        if lacking:
            raise StudyError(
                f"{tool.program} ended without {', '.join(lacking)}. Is it the version that "
                "this project knows (TotalSegmentator 2, spine-segment)?"
            )
        (place / "out").replace(folder)


def _call(tool: Tool, command: list[str], place: Path) -> None:
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise StudyError(
            f"{tool.program} failed (exit status {done.returncode}"
            f"{': ' + said[0][:200] if said else ''}). Try it by hand on this patient's image."
        )
