"""One look at a patient: quality control, and pictures of the regions. A scan is read at most once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from helpers.errors import StudyError
from helpers.features.cache import CaseCache, source_hash
from helpers.features.cases import Case
from helpers.features.doubles import Marks
from helpers.features.prepare import SOURCES, prepare
from helpers.imaging import slices
from helpers.imaging.sources import ImageSource, Scan
from helpers.plots import region_views
from helpers.plots.region_views import Picture, pictures

_DRAWING = (slices, region_views)


class Seen(NamedTuple):
    """What was seen of one patient: quality control and marks, or why it is refused; and pictures."""

    quality: dict[str, str | float] | None
    marks: Marks | None
    refusal: StudyError | None
    pictures: list[Picture]


def look(case: Case, sources: dict[str, ImageSource], settings: dict, cache: CaseCache) -> Seen:
    """Prepare one case as `helpers.features.prepare.prepare` does, and draw it; both are kept in the cache.

    Regions that are refused for where they lie are drawn too: the picture shows what is to be mended.

    Raises
    ------
    StudyError
        When there is no scan with regions to be looked at.
    """
    source = _ReadOnce(sources[case.site])
    try:
        prepared = prepare(case, {case.site: source}, settings, cache)
        found = prepared.quality, prepared.marks, None
    except StudyError as error:
        found = None, None, error
    key = cache.key(
        "pictures", source.fingerprint(case.patient_id, case.reader), source_hash(*SOURCES, *_DRAWING)
    )
    arrays = cache.load(key)
    if arrays is not None:
        return Seen(*found, _from_arrays(arrays))
    try:
        drawn = pictures(source.drawn(case.patient_id, case.reader))
    except StudyError as error:
        raise found[-1] or error from None
    cache.save(key, _to_arrays(drawn))
    return Seen(*found, drawn)


@dataclass
class _ReadOnce:
    """A door to images that remembers the one patient who is looked at."""

    source: ImageSource
    known: dict[str, Scan | str] = field(default_factory=dict)

    def load(self, patient_id: str, reader: int = 1) -> Scan:
        return self.checked(patient_id, self.drawn(patient_id, reader), reader)

    def drawn(self, patient_id: str, reader: int = 1) -> Scan:
        if "scan" not in self.known:
            self.known["scan"] = self.source.drawn(patient_id, reader)
        return self.known["scan"]

    def checked(self, patient_id: str, scan: Scan, reader: int = 1) -> Scan:
        return self.source.checked(patient_id, scan, reader)

    def fingerprint(self, patient_id: str, reader: int = 1) -> str:
        if "fingerprint" not in self.known:
            self.known["fingerprint"] = self.source.fingerprint(patient_id, reader=reader)
        return self.known["fingerprint"]


def _to_arrays(drawn: list[Picture]) -> dict[str, np.ndarray]:
    files = {str(number): np.frombuffer(one.content, np.uint8) for number, one in enumerate(drawn)}
    return files | {"facts": np.array(json.dumps([[one.title, one.size] for one in drawn]))}


def _from_arrays(arrays: dict[str, np.ndarray]) -> list[Picture]:
    facts = json.loads(str(arrays["facts"]))
    return [
        Picture(title, tuple(size), arrays[str(number)].tobytes())
        for number, (title, size) in enumerate(facts)
    ]
