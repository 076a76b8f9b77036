"""`radbook click`: the patients who have no mask, one after another, for a point in T12 and one in L1.

A session holds one scan, and reads the next one ahead. What is decided is on the disk before it is answered.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple

import numpy as np
import pandas as pd
import SimpleITK as sitk

from helpers.errors import StudyError, naming
from helpers.features.cases import reason_of
from helpers.imaging.bodies import asymmetry, bodies_around, closure, layers_of
from helpers.imaging.body_surface import BodySurface
from helpers.imaging.clicked import Clicked, keep_clicked, read_clicked
from helpers.imaging.regions import VERTEBRAE, check_regions
from helpers.imaging.shown import around_spine, nifti, region_of, spine
from helpers.imaging.sources import FileImages, image_sources
from helpers.patients.cohort import apply_inclusion, load_screened
from helpers.plots.region_views import ribs_picture
from helpers.study.run_folder import Run
from helpers.study.sites import CLICK, Vertebra


class Asked(NamedTuple):
    """A patient whose points are asked for."""

    patient_id: str
    source: FileImages


class _Loaded(NamedTuple):
    """A scan, as the page shows it (a file), its ribs (a picture), and where it looks first (mm, LPS)."""

    image: sitk.Image
    volume: bytes
    ribs: bytes
    start: list[float]


class _Drawn(NamedTuple):
    """Regions around points: which points, the bodies found, the page's file, measures a vertebra."""

    inputs: tuple
    bodies: dict[Vertebra, BodySurface]
    region: bytes
    measures: dict[Vertebra, dict[str, float]]


def asked_of(run: Run) -> list[Asked]:
    """The included patients of sites with ``points: click``, but for those with a mask or a corrected region.

    Raises
    ------
    StudyError
        When no site asks for clicks, a table is wrong, or nobody is left.
    """
    sites = [site.name for site in run.study.sites if site.points == CLICK]
    if not sites:
        raise StudyError(
            f"No site of this study says 'points: {CLICK}'. Write it into the study file, in place of masks "
            "or beside them.",
            "setting",
        )
    people = apply_inclusion(load_screened(run), run.study)
    people = people[(people["exclusion"] == "") & people["site"].isin(sites)]
    sources = image_sources(run)
    everybody = [Asked(row.patient_id, sources[row.site]) for row in people.itertuples()]
    asked = [one for one in everybody if one.source.origin(one.patient_id) in ("points", "")]
    if not asked:
        raise StudyError("Every patient of these sites has a mask: there is nothing to click.")
    return asked


@dataclass
class Session:
    """What the page asks for and hands in; patients are counted from 0."""

    run: Run
    asked: list[Asked]
    _reader: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _scans: dict[int, Future] = field(default_factory=dict)
    _drawn: dict[int, _Drawn] = field(default_factory=dict)
    _loading: Lock = field(default_factory=Lock)
    _drawing: Lock = field(default_factory=Lock)

    def patients(self) -> list[dict]:
        """Pseudonym, site, and what is kept of every patient."""
        return [
            {"patient": patient_id, "site": source.site.name} | self._kept(patient_id)
            for patient_id, source in self.asked
        ]

    def _kept(self, patient_id: str) -> dict:
        try:
            return {"clicked": read_clicked(self.run.click(patient_id)).model_dump()}
        except StudyError as error:
            return {"clicked": Clicked().model_dump(), "fault": str(error)}

    def scan(self, number: int) -> dict:
        """Where the page looks first (mm, LPS), and the margin that holds where nobody chose another.

        Raises
        ------
        StudyError
            When the scan cannot be read.
        """
        return {"start": self._scan(number).start, "margin_mm": self.asked[number].source.site.margin_mm}

    def volume(self, number: int) -> bytes:
        """The scan as the page shows it, a NIfTI file."""
        return self._scan(number).volume

    def ribs(self, number: int) -> bytes:
        """A picture for counting the levels (WebP)."""
        return self._scan(number).ribs

    def region(self, number: int) -> bytes:
        """The region that was drawn last, a NIfTI file.

        Raises
        ------
        StudyError
            When it is not this patient's.
        """
        drawn = self._drawn.get(number)
        if drawn is None:
            raise StudyError("This region is not at hand any more: load the page again.")
        return drawn.region

    def keep(self, number: int, clicked: Clicked) -> dict:
        """Keep what was clicked or decided, and draw the region where all points are there.

        Returns
        -------
        dict
            ``measures`` of each vertebra, or why no region is drawn (``refusal``).

        Raises
        ------
        StudyError
            When a region is accepted that cannot be drawn.
        """
        asked = self.asked[number]
        file = self.run.click(asked.patient_id)
        if clicked.decision != "accepted":
            keep_clicked(file, clicked)
        if not clicked.is_complete or clicked.decision in ("skipped", "to draw"):
            return {}
        try:
            with naming(asked.patient_id, "mask"):
                drawn = self._regions(number, clicked)
        except Exception as error:  # one bad case never stops the others
            if clicked.decision == "accepted":
                raise
            return {"refusal": reason_of(error)}
        if clicked.decision == "accepted":
            keep_clicked(file, clicked)
        return {"measures": drawn.measures}

    def summary(self) -> str:
        """How far the work has come, and how long an accepted patient took."""
        kept = pd.DataFrame([one["clicked"] for one in self.patients()])
        counts = Counter(kept["decision"])
        told = f"{len(kept)} patients: {counts['accepted']} accepted, {counts['to draw']} to draw, "
        told += f"{counts['skipped']} skipped, {counts['']} still to do."
        seconds = kept.loc[kept["decision"] == "accepted", "seconds"]
        return told + (f" Median time of an accepted one: {seconds.median():.0f} s." if len(seconds) else "")

    def close(self) -> None:
        """Read nothing further ahead."""
        self._reader.shutdown(wait=True, cancel_futures=True)

    def _scan(self, number: int) -> _Loaded:
        with self._loading:
            wanted = [number] + [number + 1] * (number + 1 < len(self.asked))
            self._scans = {one: self._reading(one) for one in wanted}
            reading = self._scans[number]
        try:
            return reading.result()
        except Exception as error:  # one bad scan never stops the others
            raise StudyError(reason_of(error), getattr(error, "kind", "image")) from None

    def _reading(self, number: int) -> Future:
        """What reads a scan, or has read it; a scan that could not be read may be mended meanwhile."""
        known = self._scans.get(number)
        if known is None or (known.done() and known.exception()):
            return self._reader.submit(_read, self.asked[number])
        return known

    def _regions(self, number: int, clicked: Clicked) -> _Drawn:
        image = self._scan(number).image
        margin = clicked.margin_mm
        margin = self.asked[number].source.site.margin_mm if margin is None else margin
        points = {
            vertebra: np.array(clicked.points[vertebra])
            for vertebra in VERTEBRAE
            if vertebra in clicked.points
        }
        inputs = (sorted(clicked.points.items()), margin)
        with self._drawing:
            before = self._drawn.get(number)
            if before is None or before.inputs != inputs:
                again = before is not None and before.inputs[0] == inputs[0]
                bodies = before.bodies if again else bodies_around(image, points)
                layers = layers_of(image, bodies, margin)
                check_regions(layers, image)
                measures = _measures(image, layers, bodies)
                self._drawn = {number: _Drawn(inputs, bodies, nifti(region_of(layers)), measures)}
            return self._drawn[number]


def _read(asked: Asked) -> _Loaded:
    image = asked.source.image(asked.patient_id)
    start = spine(image)
    ribs = ribs_picture(image, start).content
    return _Loaded(image, nifti(around_spine(image, start)), ribs, start.tolist())


def _measures(
    image: sitk.Image, layers: sitk.Image, bodies: dict[Vertebra, BodySurface]
) -> dict[Vertebra, dict[str, float]]:
    """Of each vertebra: closure and asymmetry (%), the body's size (mm), and the region's cm3 and HU."""
    box = region_of(layers)
    labels = sitk.GetArrayViewFromImage(box)
    around = sitk.Resample(image, box, sitk.Transform(), sitk.sitkNearestNeighbor)
    hu, voxel = sitk.GetArrayViewFromImage(around), float(np.prod(box.GetSpacing()))
    found = {}
    for vertebra, body in bodies.items():
        inside = hu[np.isin(labels, VERTEBRAE[vertebra])]
        width, depth, height = (2 * body.frame.half).tolist()
        found[vertebra] = {
            "closed_percent": 100 * closure(body),
            "askew_percent": 100 * asymmetry(body),
            **{"width_mm": width, "depth_mm": depth, "height_mm": height},
            "volume_cm3": len(inside) * voxel / 1000,
            **{"hu": float(inside.mean()), "hu_sd": float(inside.std())},
        }
    return found
