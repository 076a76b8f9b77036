"""Two versions of a hospital's file: together, too, they tell of no few patients.

Who has both subtracts: a count less the earlier count, a mean times its patients less the earlier sum. So a
run keeps in ``private/sent`` of each version the values behind it, and of each that was sent
(`radbook share-check` let it pass) the file itself. Against each of these

- a new version is withheld where a value is another in few patients, or few with or without the outcome
  came, went or changed;
- counts that differ by few are left out of it, with what they could be computed from.

Versions are compared two by two: what three of them tell together is not judged.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.evaluation.predictions import present_models, probabilities_wide
from helpers.frozen.bundle import Bundle
from helpers.frozen.drift import acquisition
from helpers.pooling.apart import flow_apart, hospital_apart
from helpers.pooling.contract import SHOWN, SITE_FILE, SiteFile
from helpers.pooling.described import Patients
from helpers.pooling.measures import is_small
from helpers.study.cohorts import EXTERNAL
from helpers.study.places import made_folder, replacing
from helpers.study.run_folder import Run

_VALUES = "values.parquet"
_OUTCOME = "outcome"
_SAME = 1e-6  # relative: what another version of a program computes otherwise is no other value


def values_behind(bundle: Bundle, patients: Patients) -> pd.DataFrame:
    """Every value that a hospital's part of the file is made of.

    Returns
    -------
    DataFrame
        patient_id, outcome (missing of those not judged), and a column each predictor, feature, risk and
        what is told of scans; missing where a patient has none.
    """
    models = present_models(patients.predictions, bundle.models)
    judged = probabilities_wide(patients.predictions, EXTERNAL, models).set_index("patient_id")
    people = patients.people.set_index("patient_id")[bundle.model["predictors"]]
    parts = {"predictor": people, "feature": patients.values(bundle.features), "risk": judged[models]}
    if patients.scans is not None:
        scans = patients.scans.set_index("patient_id")
        parts["scan"] = acquisition(scans).assign(hu=scans["trabecular_hu"])
    named = [part.add_prefix(f"{kind} ").reindex(people.index) for kind, part in parts.items()]
    table = pd.concat([judged[_OUTCOME].reindex(people.index).astype(float), *named], axis=1)
    words = table.select_dtypes(exclude="number").columns
    return table.astype(dict.fromkeys(words, "string")).reset_index()


def few_differ(earlier: pd.DataFrame, now: pd.DataFrame, min_cell: int) -> bool:
    """Whether 1 to ``min_cell`` - 1 patients differ between two tables of `values_behind`.

    Counted are, of each value that both tables have, those who came, went or have another one; and of these
    with another outcome, or judged in one of both only, those with and those without it.
    """
    earlier, now = (one.set_index("patient_id") for one in (earlier, now))
    everybody = earlier.index.union(now.index)
    earlier, now = earlier.reindex(everybody), now.reindex(everybody)
    counts = [
        int(_differ(earlier[name], now[name]).sum()) for name in now.columns.intersection(earlier.columns)
    ]
    changed = _differ(earlier[_OUTCOME], now[_OUTCOME])
    for outcome in (0, 1):
        whose = (earlier[_OUTCOME] == outcome) | (now[_OUTCOME] == outcome)
        counts.append(int((changed & whose).sum()))
    return bool(is_small(counts, min_cell).any())


def _differ(one: pd.Series, other: pd.Series) -> pd.Series:
    """Row for row whether two values differ; a missing one is like another missing one only."""
    if pd.api.types.is_numeric_dtype(one) and pd.api.types.is_numeric_dtype(other):
        return pd.Series(~np.isclose(one, other, rtol=_SAME, atol=0, equal_nan=True), one.index)
    one, other = (part.astype("string").fillna("") for part in (one, other))
    return (one != other).astype(bool)


class Versions:
    """The versions of its file that a run knows of.

    Parameters
    ----------
    run : Run
    """

    def __init__(self, run: Run) -> None:
        self.folder = run.private / "sent"

    def sent(self) -> list[SiteFile]:
        """Those that were sent."""
        paths = sorted(self.folder.glob(f"*/{SITE_FILE}"))
        return [SiteFile.model_validate_json(path.read_bytes()) for path in paths]

    def without_small_differences(self, site: SiteFile, values: Sequence[pd.DataFrame]) -> SiteFile:
        """A new version without the counts that differ by few from those of one that was sent.

        Parameters
        ----------
        site : SiteFile
        values : sequence of DataFrame
            Of each of its hospitals, as `values_behind` gives them.
        """
        for earlier in self.sent():
            least = max(site.min_cell, earlier.min_cell)
            hospitals = list(site.hospitals)
            for own, before in product(range(len(hospitals)), enumerate(self._hospitals(earlier.sha256))):
                if _share_patients(values[own], before[1]):
                    hospitals[own] = hospital_apart(hospitals[own], earlier.hospitals[before[0]], least)
            flow = flow_apart(site.flow, earlier.flow, least)
            site = site.model_copy(update={"hospitals": hospitals, "flow": flow})
        return site

    def keep(self, sha256: str, values: Sequence[pd.DataFrame]) -> None:
        """Keep the values behind a version; those behind others that were never sent are removed."""
        for folder in self.folder.glob("*"):
            if not (folder / SITE_FILE).is_file():
                shutil.rmtree(folder)
        parts = [part.assign(hospital=number) for number, part in enumerate(values)]
        with replacing(made_folder(self.folder / sha256[:SHOWN]) / _VALUES) as path:
            pd.concat(parts, ignore_index=True).to_parquet(path, index=False)

    def too_like(self, sha256: str, min_cell: int) -> bool:
        """Whether another version that was sent differs from this one in few patients of a hospital."""
        now = self._hospitals(sha256)
        return any(
            few_differ(one, other, max(min_cell, earlier.min_cell))
            for earlier in self.sent()
            if earlier.sha256 != sha256
            for one in self._hospitals(earlier.sha256)
            for other in now
            if _share_patients(one, other)
        )

    def knows(self, sha256: str) -> bool:
        """Whether the values behind a version were kept."""
        return self._values(sha256).is_file()

    def put_down(self, site: SiteFile, content: bytes) -> None:
        """Put down that a version is sent."""
        with replacing(self._values(site.sha256).with_name(SITE_FILE)) as path:
            path.write_bytes(content)

    def _values(self, sha256: str) -> Path:
        return self.folder / sha256[:SHOWN] / _VALUES

    def _hospitals(self, sha256: str) -> list[pd.DataFrame]:
        table = pd.read_parquet(self._values(sha256))
        return [part.drop(columns="hospital") for _, part in table.groupby("hospital")]


def _share_patients(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return bool(one["patient_id"].isin(other["patient_id"]).any())
