"""The patients on whom a hospital judged the nomogram, as an update of it needs them; never shared."""

from __future__ import annotations

import pandas as pd

from helpers.frozen.bundle import Bundle
from helpers.study.run_folder import Run

JUDGED = "judged"
LOG_ODDS = "log_odds"
KEYS = ("patient_id", "outcome", LOG_ODDS)


def write_judged(run: Run, bundle: Bundle, people: pd.DataFrame) -> None:
    """Write private/judged.parquet: outcome, frozen log odds, and the nomogram's columns as it codes them.

    Parameters
    ----------
    run : Run
        The hospital's.
    bundle : Bundle
    people : DataFrame
        Those judged: patient_id, outcome, clinical predictors and rad_score.
    """
    columns = bundle.nomogram_columns(people)
    log_odds = columns.to_numpy() @ bundle.nomogram_slopes(columns) + bundle.nomogram_intercept
    table = people[["patient_id", "outcome"]].assign(**{LOG_ODDS: log_odds})
    run.write(JUDGED, pd.concat([table, columns], axis=1).reset_index(drop=True))


def columns_of(judged: pd.DataFrame) -> list[str]:
    """The nomogram's columns in the table."""
    return [name for name in judged if name not in KEYS]
