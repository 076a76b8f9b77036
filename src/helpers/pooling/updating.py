"""A centre updates the nomogram for all hospitals: round by round, from sums that their patients add to.

Everything lies in ``pooled/update``: ``round_NN.json`` is what to send to the hospitals, ``answers/round_NN``
what came. The next step follows from these files alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np

from helpers.errors import StudyError
from helpers.frozen.bundle import Bundle, bundle_hash
from helpers.frozen.drift import RAD_SCORE
from helpers.learning.newton import Progress, Sums, progress
from helpers.pooling.contract import SiteFile
from helpers.pooling.registry import Pooled
from helpers.pooling.round_files import (
    NOMOGRAM,
    RECALIBRATION,
    Added,
    Answer,
    Asked,
    Column,
    Request,
    file_of,
    read_round,
    with_checksum,
    write_round,
)
from helpers.study.content_hash import content_hash
from helpers.study.places import made_folder


@dataclass(frozen=True)
class State:
    """How an update stands.

    Attributes
    ----------
    request : Request
        The last round.
    waiting : list of str
        Hospitals that have not answered it.
    refused : dict of str to dict of str to str
        By fit: hospitals that do not take part, with the reason.
    fits : dict of str to Progress
        Of each fit that a hospital takes part in, from the last round that all have answered.
    """

    request: Request
    waiting: list[str]
    refused: dict[str, dict[str, str]]
    fits: dict[str, Progress]

    @property
    def is_done(self) -> bool:
        """Whether no round is left."""
        return not self.waiting and all(one.done or one.failed for one in self.fits.values())


class Update:
    """An update of the hospitals of a pooled folder, without those who drop out.

    Parameters
    ----------
    pooled : Pooled
    bundle : Bundle
        The frozen model, from which the rounds start.
    without : sequence of str
        Labels of hospitals that drop out: the others begin anew.
    """

    def __init__(self, pooled: Pooled, bundle: Bundle, without: Sequence[str] = ()) -> None:
        if bundle_hash(bundle) != pooled.sites[0].bundle:
            raise StudyError("The hospitals have judged another frozen model than this bundle: name theirs.")
        self.pooled, self.bundle = pooled, bundle
        known = {hospital.label for site in pooled.sites for hospital in site.hospitals}
        if unknown := sorted(set(without) - known):
            raise StudyError(f"There is no hospital '{unknown[0]}' in the pooled folder.")
        self.sites = {
            site.sha256: site
            for site in pooled.sites
            if not {hospital.label for hospital in site.hospitals} & set(without)
        }
        if not self.sites:
            raise StudyError("No hospital is left to update the model with.")
        self.series = content_hash(json.dumps([pooled.sites[0].bundle, sorted(self.sites)]))
        self.folder = made_folder(pooled.folder / "update" / self.series[:12])

    def step(self, folders: Sequence[Path]) -> State:
        """Take in what hospitals answered, and ask for the next round where all have.

        Raises
        ------
        StudyError
            For an answer that is damaged, of another round, or of nobody here; nothing of it is kept.
        """
        requests = self._requests() or [self._ask(1, self._start())]
        came = [self._checked(folder, requests[-1]) for folder in folders]
        for one in came:
            write_round(made_folder(self._answers(one.round)) / f"{one.site[:12]}.json", one)
        state = self._state(requests)
        if state.waiting or state.is_done:
            return state
        following = self._next(state)
        request = self._ask(state.request.round + 1, following)
        return State(request, self._labels(following), state.refused, state.fits)

    def _requests(self) -> list[Request]:
        return [read_round(path, Request) for path in sorted(self.folder.glob("round_*.json"))]

    def _answers(self, number: int) -> Path:
        return self.folder / "answers" / f"round_{number:02d}"

    def _start(self) -> dict[str, Asked]:
        columns = self._columns()
        slopes = self.bundle.nomogram_slopes(column.name for column in columns)
        centres, scales = np.array([(column.centre, column.scale) for column in columns]).T
        intercept = self.bundle.nomogram_intercept + slopes @ centres
        frozen = [float(value) for value in (intercept, *(slopes * scales))]
        of = sorted(self.sites)
        return {
            RECALIBRATION: Asked(coefficients=[0.0, 1.0], of=of),
            NOMOGRAM: Asked(coefficients=frozen, of=of),
        }

    def _columns(self) -> list[Column]:
        """The nomogram's columns, in SDs of the training patients where the bundle tells these."""
        summary = self.bundle.model["training"]
        told = summary["predictors"] | {"rad_score": summary["features"].get(RAD_SCORE, {})}
        names = [name for name in self.bundle.model["nomogram"]["coefficients"] if name != "Intercept"]
        scaled = {name: part for name, part in told.items() if part.get("sd")}
        return [
            Column(
                name=name,
                centre=scaled.get(name, {}).get("mean", 0.0),
                scale=scaled.get(name, {}).get("sd", 1.0),
            )
            for name in names
        ]

    def _ask(self, number: int, fits: dict[str, Asked]) -> Request:
        content = {
            "format": "radbook round, asked",
            "version": 1,
            "pool": self.pooled.id,
            "bundle": self.pooled.sites[0].bundle,
            "series": self.series,
            "round": number,
            "columns": [column.model_dump() for column in self._columns()],
            "fits": {name: asked.model_dump() for name, asked in fits.items()},
        }
        request = Request.model_validate(with_checksum(content))
        write_round(self.folder / file_of(number), request)
        return request

    def _checked(self, folder: Path, request: Request) -> Answer:
        """The answer in a hospital's share folder to the last round."""
        one, name = read_round(folder / file_of(request.round), Answer), f"'{folder.name}'"
        if one.site not in self.sites:
            raise StudyError(f"{name} is of no hospital that takes part, or of another version of its file.")
        if one.request != request.sha256:
            raise StudyError(f"{name} answers another request than round {request.round} of this update.")
        wanted = {fit for fit, asked in request.fits.items() if one.site in asked.of}
        if set(one.fits) != wanted:
            raise StudyError(f"{name} answers other fits than it was asked for.")
        for fit, part in one.fits.items():
            if isinstance(part, Added) and not _fits_together(part, len(request.fits[fit].coefficients)):
                raise StudyError(f"{name} holds numbers that no patients add up to ({fit}).")
            if isinstance(part, str) and request.round > 1:
                raise StudyError(
                    f"{name} goes no further ({fit}: {part}). Go on without it: --without "
                    f"'{self._label(one.site)}'."
                )
        return one

    def _label(self, sha256: str) -> str:
        return ", ".join(hospital.label for hospital in self.sites[sha256].hospitals)

    def _labels(self, fits: dict[str, Asked]) -> list[str]:
        return sorted({self._label(site) for asked in fits.values() for site in asked.of})

    def _state(self, requests: list[Request]) -> State:
        """What follows from all files; the last round counts when all have answered it."""
        last, refused = requests[-1], {fit: {} for fit in requests[0].fits}
        history: dict[str, list] = {fit: [] for fit in requests[0].fits}
        for request in requests:
            answers = [
                read_round(path, Answer) for path in sorted(self._answers(request.round).glob("*.json"))
            ]
            answered = {one.site for one in answers}
            absent = {site for asked in request.fits.values() for site in asked.of} - answered
            if absent:
                waiting = sorted(self._label(site) for site in absent)
                return State(last, waiting, refused, _progress(history))
            for fit, asked in request.fits.items():
                parts = {one.site: one.fits[fit] for one in answers if fit in one.fits}
                refused[fit] |= {self._label(s): part for s, part in parts.items() if isinstance(part, str)}
                sums = [_sums(part) for part in parts.values() if isinstance(part, Added)]
                if sums:
                    history[fit].append((np.array(asked.coefficients), reduce(add, sums)))
        return State(last, [], refused, _progress(history))

    def _next(self, state: State) -> dict[str, Asked]:
        refused = {fit: set(labels) for fit, labels in state.refused.items()}
        return {
            fit: Asked(
                coefficients=one.coefficients.tolist(),
                of=[site for site in sorted(self.sites) if self._label(site) not in refused[fit]],
            )
            for fit, one in state.fits.items()
            if not (one.done or one.failed)
        }

    def participants(self, state: State, fit: str) -> list[SiteFile]:
        """The files of the hospitals that a fit was made of."""
        return [site for sha, site in self.sites.items() if self._label(sha) not in state.refused[fit]]

    def unscaled(self, fit: Progress) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Names, coefficients and standard errors of the nomogram, for its columns as they are."""
        columns = self._columns()
        centres, scales = np.array([(column.centre, column.scale) for column in columns]).T
        back = np.diag([1.0, *(1 / scales)])
        back[0, 1:] = -centres / scales
        errors = np.sqrt(np.diag(back @ fit.covariance @ back.T))
        return ["Intercept", *(column.name for column in columns)], back @ fit.coefficients, errors


def _progress(history: dict[str, list]) -> dict[str, Progress]:
    return {fit: progress(rounds) for fit, rounds in history.items() if rounds}


def _sums(part: Added) -> Sums:
    return Sums(np.array(part.gradient), np.array(part.information), part.log_likelihood)


def _fits_together(part: Added, size: int) -> bool:
    matrix = np.array(part.information) if len({len(row) for row in part.information}) == 1 else np.zeros(1)
    if len(part.gradient) != size or matrix.shape != (size, size) or part.log_likelihood > 0:
        return False
    return bool(np.allclose(matrix, matrix.T) and np.linalg.eigvalsh(matrix).min() > -1e-6 * np.trace(matrix))
