"""Points that were set on the page of `radbook click`, and what was decided there: one small file a patient.

Only regions that a person has accepted are used. Reasons are chosen from a list: none can hold a name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from helpers.errors import StudyError
from helpers.imaging.points import Mark
from helpers.study.places import made_folder, write_json
from helpers.study.sites import Vertebra

Decision = Literal["", "accepted", "skipped", "to draw"]
REASONS: dict[Decision, list[str]] = {
    "skipped": [
        "T12 and L1 are not in the scan",
        "the levels cannot be counted",
        "metal or cement",
        "the image is too poor",
        "the wrong image",
        "to be decided later",
    ],
    "to draw": [
        "no region is found",
        "the region reaches beyond the body",
        "the region leaves out a part of the body",
        "a fractured or deformed body",
        "a lesion in the body",
    ],
}
MOST_MARGIN_MM = 6.0


class Clicked(BaseModel):
    """What is kept of one patient.

    Attributes
    ----------
    points : dict
        Place (mm, LPS) of each vertebra's point.
    alone : bool
        The other vertebra is not in the scan.
    margin_mm : float, optional
        Between the region and cortex and end plates; None: the site's.
    decision, reason : str
        Empty while nothing was decided. `REASONS` has those of a patient who is skipped, or to be drawn.
    seconds : float
        How long the patient was on the screen.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    points: dict[Vertebra, tuple[FiniteFloat, FiniteFloat, FiniteFloat]] = {}
    alone: bool = False
    margin_mm: Annotated[float, Field(ge=0, le=MOST_MARGIN_MM)] | None = None
    decision: Decision = ""
    reason: str = ""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    @model_validator(mode="after")
    def _fits(self) -> Clicked:
        if self.reason not in REASONS.get(self.decision, [""]):
            raise ValueError("the reason does not belong to the decision")
        if self.decision == "accepted" and not self.is_complete:
            raise ValueError("points are missing")
        return self

    @property
    def is_complete(self) -> bool:
        """Whether there are all points that a region is made from."""
        return len(self.points) == (1 if self.alone else 2)

    def marks(self) -> list[Mark]:
        """The points of an accepted region.

        Raises
        ------
        StudyError
            When no region was accepted: why, and what to do.
        """
        if self.decision == "accepted":
            return [Mark(name, place, "LPS") for name, place in self.points.items()]
        if self.decision == "to draw":
            raise StudyError(
                f"sent to drawing ({self.reason}). Draw the regions, and save them where the masks lie, or "
                "as private/regions/<pseudonym>.nii.gz.",
                "mask",
            )
        if self.decision == "skipped":
            raise StudyError(f"skipped ({self.reason}). radbook click shows the patient again.", "mask")
        raise StudyError("nobody has set and accepted points yet. Give: radbook click", "missing file")


def read_clicked(file: Path) -> Clicked:
    """What is kept in a file; nothing where there is none.

    Raises
    ------
    StudyError
        When it is damaged.
    """
    try:
        return Clicked.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return Clicked()
    except ValidationError:
        raise StudyError(
            f"private/clicks/{file.name} is damaged. Remove it, and set the points again.", "mask"
        ) from None


def keep_clicked(file: Path, clicked: Clicked) -> None:
    """Keep it, whole or not at all.

    Raises
    ------
    StudyError
        When the disk does not take it.
    """
    made_folder(file.parent)
    write_json(file, clicked.model_dump())
