"""A hospital answers a round of an update: sums over its judged patients, where these may be told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.errors import StudyError
from helpers.learning.newton import MOST_ROUNDS, terms
from helpers.pooling.contract import SiteFile
from helpers.pooling.few_behind import numbers_in, why_not
from helpers.pooling.folders import read_folder
from helpers.pooling.judged import JUDGED, LOG_ODDS, columns_of
from helpers.pooling.round_files import (
    NOMOGRAM,
    RECALIBRATION,
    Added,
    Answer,
    Asked,
    Request,
    file_of,
    read_round,
    with_checksum,
    write_round,
)
from helpers.study.content_hash import content_hash
from helpers.study.places import replacing
from helpers.study.run_folder import Run

_DIGITS = 9  # decimals that are told
_MOST_ANSWERS = 2 * MOST_ROUNDS  # in all series


def answer(run: Run, request_file: Path) -> Answer:
    """Write share/round_NN.json of a hospital's run.

    Parameters
    ----------
    run : Run
    request_file : Path
        The round that the centre asks for.

    Raises
    ------
    StudyError
        When the request is damaged or of other hospitals, follows no earlier one, is one too many, or the
        patients are few others than before; or when nothing may be told of these patients.
    """
    request, site = read_round(request_file, Request), read_folder(run.folder / "share")
    judged = run.read(JUDGED)
    _require_ours(request, site, judged)
    known = _Known(run)
    known.require_next(request, judged, site.min_cell)
    fits = {
        name: _added(name, asked, request, judged, known, site)
        for name, asked in request.fits.items()
        if site.sha256 in asked.of
    }
    if not any(isinstance(part, Added) for part in fits.values()):
        reasons = "; ".join(f"{name}: {part}" for name, part in fits.items()) or "it is asked for none"
        raise StudyError(f"This hospital does not take part in the round: {reasons}.")
    content = {
        "format": "radbook round, answered",
        "version": 1,
        "site": site.sha256,
        "request": request.sha256,
        "series": request.series,
        "round": request.round,
        "fits": {name: part if isinstance(part, str) else part.model_dump() for name, part in fits.items()},
    }
    told = Answer.model_validate(with_checksum(content))
    write_round(run.folder / "share" / file_of(request.round), told)
    known.enter(request, judged, fits)
    return told


def _require_ours(request: Request, site: SiteFile, judged: pd.DataFrame) -> None:
    if site.bundle != request.bundle:
        raise StudyError("The round is about another frozen model than this hospital's site.json.")
    if not any(site.sha256 in asked.of for asked in request.fits.values()):
        raise StudyError(
            "The round does not ask this hospital, or asks for another version of its site.json. Send the "
            "centre the present one, and have it pooled."
        )
    names = [column.name for column in request.columns]
    if names != columns_of(judged):
        raise StudyError(f"The round has other columns ({', '.join(names)}) than this hospital's nomogram.")
    sizes = {RECALIBRATION: 2, NOMOGRAM: len(names) + 1}
    if any(len(asked.coefficients) != sizes[name] for name, asked in request.fits.items()):
        raise StudyError("The round has not as many coefficients as columns: ask the centre for it again.")


def design_of(name: str, judged: pd.DataFrame, request: Request) -> NDArray[np.float64]:
    """The design of a fit, shape (patients, coefficients): ones, then log odds, or the scaled columns."""
    ones = np.ones(len(judged))
    if name == RECALIBRATION:
        return np.column_stack([ones, judged[LOG_ODDS]])
    scaled = [(judged[column.name] - column.centre) / column.scale for column in request.columns]
    return np.column_stack([ones, *scaled])


def _added(
    name: str, asked: Asked, request: Request, judged: pd.DataFrame, known: _Known, site: SiteFile
) -> Added | str:
    design, outcome = design_of(name, judged, request), judged["outcome"].to_numpy()
    left = len(judged) * (1 + len(request.columns)) - known.numbers()  # fewer than the patients' values
    points = [np.array(one) for one in [*known.coefficients(name, request), asked.coefficients]]
    if reason := why_not(design, outcome, points, left, site.min_cell):
        return reason
    sums = terms(design, outcome, points[-1]).sums()
    return Added(
        gradient=sums.gradient.round(_DIGITS).tolist(),
        information=sums.information.round(_DIGITS).tolist(),
        log_likelihood=round(sums.log_likelihood, _DIGITS),
    )


class _Known:
    """What was answered before, in private/update.json: requests, how many numbers, and of which patients."""

    def __init__(self, run: Run) -> None:
        self.path = run.json_path("update")
        self.answers: list[dict] = json.loads(self.path.read_text()) if self.path.is_file() else []

    def require_next(self, request: Request, judged: pd.DataFrame, min_cell: int) -> None:
        """Stop at a round that does not follow, one too many, or patients who are few others than before."""
        rows = set(_rows(judged))
        if any(0 < len(rows ^ set(one["rows"])) < max(min_cell, 2) for one in self.answers):
            raise StudyError(
                "Since an earlier round few patients came, went or changed: two answers would tell of them. "
                "Go on with the patients of before, or wait for more."
            )
        self.answers = [one for one in self.answers if one["request"] != request.sha256]  # asked once more
        last = max((one["round"] for one in self.answers if one["series"] == request.series), default=0)
        if request.round != last + 1:
            raise StudyError(
                f"This is round {request.round}, and round {last + 1} is the next for this hospital: ask the "
                "centre for that file."
            )
        if len(self.answers) >= _MOST_ANSWERS:
            raise StudyError(f"This hospital has answered {_MOST_ANSWERS} rounds, and answers no more.")

    def coefficients(self, name: str, request: Request) -> list[list[float]]:
        """Those at which a fit was answered before, of the same columns."""
        columns = [column.model_dump() for column in request.columns]
        return [
            one["fits"][name] for one in self.answers if name in one["fits"] and one["columns"] == columns
        ]

    def numbers(self) -> int:
        """How many numbers were told."""
        return sum(numbers_in(len(fit)) for one in self.answers for fit in one["fits"].values())

    def enter(self, request: Request, judged: pd.DataFrame, fits: dict[str, Added | str]) -> None:
        """Put down an answer."""
        told = {name: request.fits[name].coefficients for name, one in fits.items() if isinstance(one, Added)}
        self.answers.append(
            {
                "request": request.sha256,
                "series": request.series,
                "round": request.round,
                "columns": [column.model_dump() for column in request.columns],
                "fits": told,
                "rows": sorted(_rows(judged)),
            }
        )
        with replacing(self.path) as path:
            path.write_text(json.dumps(self.answers), encoding="utf-8")


def _rows(judged: pd.DataFrame) -> list[str]:
    """What tells a patient with these values from any other."""
    return [content_hash(json.dumps(row, default=str)) for row in judged.to_numpy().tolist()]
