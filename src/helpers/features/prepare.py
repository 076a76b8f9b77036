"""From a scan to the block that features are computed on, and quality control on the way.

The block is the box around the regions, resampled as PyRadiomics would resample it, or on the region's own
grid; only the part of the scan that the B-spline can see is resampled, so that a whole chest CT costs hardly
more than its spine.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import SimpleITK as sitk

from helpers.errors import StudyError
from helpers.features import blocks, doubles, identities, quality
from helpers.features.blocks import GRID_KEY, Block, geometry, preprocess, read_settings
from helpers.features.cache import CaseCache, source_hash
from helpers.features.cases import Case, Result, map_cases, require_some
from helpers.features.cluster import scheduler_address
from helpers.features.doubles import Marks, marks_of, with_doubles
from helpers.features.engine import region_grid, resampling
from helpers.features.quality import quality_control
from helpers.imaging import (
    boxes,
    dicom,
    dicom_headers,
    dicom_pixels,
    fields,
    grids,
    mask_files,
    nearness,
    regions,
    sources,
    surroundings,
    tissues,
    volumes,
)
from helpers.imaging.sources import ImageSource, image_sources
from helpers.study.run_folder import Run

# The code that a block follows from: editing it makes cached blocks stale.
SOURCES = (
    *(boxes, dicom, dicom_headers, dicom_pixels, fields, grids, mask_files, nearness, regions, sources),
    *(surroundings, tissues, volumes, region_grid, resampling, blocks, doubles, quality),
    sys.modules[__name__],
)


@dataclass(frozen=True)
class Prepared:
    """A patient's block, its quality control, and what tells this scan from all others."""

    block: Block
    quality: dict[str, str | float]
    marks: Marks


def prepare(case: Case, sources: dict[str, ImageSource], settings: dict, cache: CaseCache) -> Prepared:
    """Preprocess one case, or take it from the cache when nothing that it depends on has changed."""
    fingerprint = sources[case.site].fingerprint(case.patient_id, reader=case.reader)
    grid = settings[GRID_KEY], settings["setting"]
    key = cache.key("block", fingerprint, grid, source_hash(*SOURCES))
    arrays = cache.load(key)
    if arrays is None:
        scan = sources[case.site].load(case.patient_id, reader=case.reader)
        block = preprocess(scan, settings)
        prepared = Prepared(block, quality_control(scan, block, settings), marks_of(scan, block))
        cache.save(key, _to_arrays(prepared))
        return prepared
    return _from_arrays(arrays)


def _to_arrays(prepared: Prepared) -> dict[str, np.ndarray]:
    facts = {"geometry": geometry(prepared.block.image), "quality": prepared.quality}
    return {
        "image": sitk.GetArrayFromImage(prepared.block.image),
        "layers": sitk.GetArrayFromImage(prepared.block.layers),
        "facts": np.array(json.dumps(facts)),
        **prepared.marks.to_arrays(),
    }


def _from_arrays(arrays: dict[str, np.ndarray]) -> Prepared:
    facts = json.loads(str(arrays["facts"]))
    volumes = [sitk.GetImageFromArray(arrays[name]) for name in ("image", "layers")]
    spacing, origin, direction = facts["geometry"]
    for volume in volumes:
        volume.SetSpacing(spacing)
        volume.SetOrigin(origin)
        volume.SetDirection(direction)
    return Prepared(Block(*volumes), facts["quality"], Marks.from_arrays(arrays))


def cases_of(cohort: pd.DataFrame, reader: int = 1) -> list[Case]:
    """The cases of a cohort table (columns ``patient_id`` and ``site``)."""
    return [Case(row.patient_id, row.site, reader) for row in cohort.itertuples()]


def preparation(run: Run) -> partial:
    """:func:`prepare` with everything of ``run`` filled in: sources, settings, cache."""
    return partial(
        prepare,
        sources=image_sources(run),
        settings=read_settings(run.study.path(run.study.extraction)),
        cache=CaseCache(run.cache),
    )


def quality_table(run: Run, cases: Sequence[Case], workers: int) -> pd.DataFrame:
    """Preprocess every case and tabulate the quality control.

    Returns
    -------
    DataFrame
        One row a case in the order given: ``patient_id``, ``status`` (ok, warned, refused), ``reason``, an
        empty ``sensitivity`` (see :func:`apply_rules`), ``kind`` (as in :data:`helpers.errors.KINDS` where
        refused, else empty), and what :func:`quality_control` measures (missing where refused).

    Raises
    ------
    StudyError
        When every patient is refused.
    """
    scheduler = scheduler_address(run.study)
    results = map_cases(partial(_quality, preparation(run)), cases, workers, "Preprocessing", scheduler)
    require_some(results)
    table = tabulated(results)
    if (table["status"] == "refused").all():
        reasons = " ".join(table["reason"].drop_duplicates(keep="last").tail(3))
        raise StudyError(f"None of the {len(table)} patients could be used. The last reasons: {reasons}")
    return identities.compared(run, table)


def tabulated(results: Sequence[Result]) -> pd.DataFrame:
    """Quality control of cases as a table, doubles refused; see :func:`quality_table`.

    Parameters
    ----------
    results : sequence of Result
        Their values have the attributes ``quality`` and ``marks``, as those of :class:`Prepared`.
    """
    rows = [
        {"patient_id": result.case.patient_id}
        | ({"status": "refused", "reason": result.reason} if result.refused else result.value.quality)
        for result in results
    ]
    table = pd.DataFrame(rows)
    table.insert(3, "sensitivity", "")
    table.insert(4, "kind", [result.kind for result in results])
    marks = {result.case.patient_id: result.value.marks for result in results if not result.refused}
    return with_doubles(table, marks)


class Measured(NamedTuple):
    """What is known of a case beside its block."""

    quality: dict[str, str | float]
    marks: Marks


def _quality(prepare_case: partial, case: Case) -> Measured:
    prepared = prepare_case(case)
    return Measured(prepared.quality, prepared.marks)
