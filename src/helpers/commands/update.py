"""Update the nomogram for all hospitals of a pooled folder, round by round, to a model to apply."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.frozen.bundle import load_bundle
from helpers.pages.build import render
from helpers.pages.pooled_book import nothing_private, stage_pooled
from helpers.pooling import registry, update_tables
from helpers.pooling.round_files import file_of
from helpers.pooling.updated_bundles import BUNDLES, save_bundles
from helpers.pooling.updating import State, Update
from helpers.study.places import resolve, shown_path


def update_from(pooled: Path, bundle: Path, folders: list[Path], without: list[str]) -> list[str]:
    """Take in answers and make the next step; what is to be done now, a line each.

    Parameters
    ----------
    pooled : Path
        The pooled folder.
    bundle : Path
        The frozen model that its hospitals have judged.
    folders : list of Path
        Hospitals' share folders with their answers; none at the start.
    without : list of str
        Labels of hospitals that drop out.

    Raises
    ------
    StudyError
        As `helpers.pooling.updating.Update`.
    """
    opened, frozen = registry.open_pooled(pooled), load_bundle(resolve(bundle))
    with registry.working_in(pooled):
        update = Update(opened, frozen, without)
        state = update.step(folders)
        if not state.is_done:
            return _to_do(update, state)
        bundles = write_tables(update, state)
        page = render(update.pooled, {"": stage_pooled}, search=nothing_private)
    made = [shown_path(opened.folder / row.bundle) for row in bundles.itertuples() if not row.remark]
    to_apply = [f"To apply, as any frozen model (radbook apply): {folder}" for folder in made]
    return [f"Done after {state.request.round} rounds.", *to_apply, f"The book: {page}"]


def _to_do(update: Update, state: State) -> list[str]:
    number, file = state.request.round, shown_path(update.folder / file_of(state.request.round))
    lines = [
        f"Round {number}: send {file} to {', '.join(state.waiting)}.",
        "Each hospital gives it to radbook answer, and sends its share folder back.",
    ]
    gone = "' --without '".join(state.waiting)
    return [*lines, f"Go on without those who do not answer: --without '{gone}' (the others begin anew)."]


def write_tables(update: Update, state: State) -> pd.DataFrame:
    """Write the tables of a finished update to the pooled folder, and its bundles; returns what these are."""
    parts = update_tables.parts(update, state).assign(rounds=state.request.round)
    update.pooled.write_table(update_tables.PARTS, parts)
    update.pooled.write_table(update_tables.COEFFICIENTS, update_tables.coefficients(update, state))
    update.pooled.write_table(update_tables.RECALIBRATIONS, update_tables.recalibrations(update, state))
    return update.pooled.write_table(BUNDLES, save_bundles(update, state))
