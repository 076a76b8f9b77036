"""The page of an update: what it found, who took part, and what the hospitals' sums could reveal."""

from __future__ import annotations

import pandas as pd

from helpers.learning.newton import MOST_ROUNDS
from helpers.pages.rendering import rendered
from helpers.pooling.registry import Pooled
from helpers.pooling.update_tables import COEFFICIENTS, PARTS, RECALIBRATIONS
from helpers.pooling.updated_bundles import BUNDLES

PAGE = "update"


def page(pooled: Pooled) -> str | None:
    """The page in MyST; None where these very hospitals' files have no finished update."""
    tables = [_table(pooled, name) for name in (RECALIBRATIONS, COEFFICIENTS, PARTS, BUNDLES)]
    if any(table is None for table in tables):
        return None
    recalibrations, coefficients, parts, bundles = (table.to_dict("records") for table in tables)
    return rendered(
        "pooled_update.md",
        pool=pooled.id,
        rounds=max((row["rounds"] for row in parts), default=0),
        most=2 * MOST_ROUNDS,
        recalibrations=recalibrations,
        coefficients=coefficients,
        parts=parts,
        bundles=bundles,
    )


def _table(pooled: Pooled, name: str) -> pd.DataFrame | None:
    table = pooled.shown_table(name)
    fits = table is not None and (table["pool"] == pooled.id).all()
    return table if fits else None
