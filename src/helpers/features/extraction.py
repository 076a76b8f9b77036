"""Radiomic features of every patient (paper 2.4): PyRadiomics' values under PyRadiomics' names."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from functools import lru_cache, partial

import numpy as np
import pandas as pd

from helpers.errors import StudyError
from helpers.features.blocks import Block, of_pyradiomics, read_settings
from helpers.features.cache import CaseCache, source_hash
from helpers.features.cases import Case, map_cases, require_some
from helpers.features.cluster import scheduler_address
from helpers.features.engine import (
    counts,
    derived,
    first_order,
    formulas,
    gradient,
    laplacian,
    mesh,
    texture,
    wavelet,
)
from helpers.features.prepare import preparation
from helpers.study.run_folder import Run

# The code that features follow from: editing it makes cached ones stale.
_SOURCES = (counts, derived, first_order, formulas, gradient, laplacian, mesh, texture, wavelet)


def extractor(settings: dict) -> texture.FastExtractor:
    """Feature extractor, with settings from `read_settings`, for blocks: resampled and cropped already."""
    return _extractor(json.dumps(of_pyradiomics(settings)))


@lru_cache(maxsize=4)
def _extractor(settings: str) -> texture.FastExtractor:
    # Once a process: PyRadiomics checks the parameters against its schema each time.
    logging.getLogger("radiomics").setLevel(logging.ERROR)
    return texture.FastExtractor(json.loads(settings), resampledPixelSpacing=None)


def extract(block: Block, settings: dict) -> dict[str, float]:
    """All features of a patient's merged region, in PyRadiomics' order.

    Equal to PyRadiomics' own run of the same settings on the whole scan.
    """
    values = extractor(settings).execute(block.image, block.mask)
    return {name: float(value) for name, value in values.items() if not name.startswith("diagnostics_")}


def extract_case(case: Case, prepare_case: partial, settings: dict, cache: CaseCache) -> dict[str, float]:
    """Features of one case, taken from the cache when the same block has been measured before.

    Raises
    ------
    StudyError
        When a feature is not a finite number: every later step needs a value, and a made-up one would
        hide that the region is unfit (too small, or flat).
    """
    block = prepare_case(case).block
    key = cache.key("features", block.fingerprint(), settings, source_hash(*_SOURCES))
    arrays = cache.load(key)
    if arrays is None:
        features = extract(block, settings)
        arrays = {"names": np.array(list(features)), "values": np.array(list(features.values()))}
        cache.save(key, arrays)
    broken = arrays["names"][~np.isfinite(arrays["values"])]
    if broken.size:
        raise StudyError(
            f"{case.patient_id}: {broken.size} feature(s) have no finite value, for example {broken[0]}. The "
            "region is too small or has a single grey level: look at the mask.",
            "mask",
        )
    return dict(zip(arrays["names"].tolist(), arrays["values"].tolist(), strict=True))


def features_table(run: Run, cases: Sequence[Case], workers: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Extract the features of every case.

    Returns
    -------
    features : DataFrame
        ``patient_id`` and one column a feature (float64, PyRadiomics' order); a row for each case that
        has them, in the order given.
    refused : DataFrame
        ``patient_id``, ``reason`` and ``kind`` of the others.
    """
    function = partial(
        extract_case,
        prepare_case=preparation(run),
        settings=read_settings(run.study.path(run.study.extraction)),
        cache=CaseCache(run.cache),
    )
    values, label = partial(_values, function), "Extracting features"
    results = map_cases(values, cases, workers, label, scheduler_address(run.study))
    require_some(results)
    measured = [one for one in results if not one.refused]
    refused = [(one.case.patient_id, one.reason, one.kind) for one in results if one.refused]
    features = pd.DataFrame({"patient_id": pd.Series([one.case.patient_id for one in measured], dtype=str)})
    if measured:
        names = list(function(measured[0].case))  # from the cache
        table = pd.DataFrame(np.stack([one.value for one in measured]), columns=names)
        features = pd.concat([features, table], axis=1)
    return features, pd.DataFrame(refused, columns=["patient_id", "reason", "kind"])


def _values(extract_one: partial, case: Case) -> np.ndarray:
    """Features without their names, which are the same for all: a thirtieth of the memory."""
    return np.array(list(extract_one(case).values()))
