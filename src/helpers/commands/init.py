"""`radbook init`: a hospital's folder as it came gets a study file, and a summary of what is in it."""

from __future__ import annotations

from pathlib import Path

import yaml

from helpers.errors import StudyError
from helpers.intake.folder import STUDY_FILE, look_around
from helpers.intake.guesses import said
from helpers.intake.site import Found
from helpers.intake.sites import Survey, survey
from helpers.intake.words import Language, say
from helpers.intake.written import write_study
from helpers.study.study_file import open_lines

_COUNTED = [
    "excluded",
    "complete",
    "features",
    "no_image",
    "no_region",
    "no_age",
    "no_sex",
    "no_t_score",
    "second",
]
_ALWAYS = {"complete"}
_OF_TABLES = {"complete", "no_age", "no_sex", "no_t_score"}
_LEFT = ["images_left", "rows_unclear"]


def init_study(folder: Path, language: Language = "en", again: bool = False) -> str:
    """Look through a folder, write its study file, and give the summary.

    Parameters
    ----------
    folder : Path
        As a hospital has it: DICOM files, tables, label maps, points, in any order.
    language : {"en", "zh"}
        Of the comments and the summary.
    again : bool
        Write a study file anew that is there already.

    Returns
    -------
    str
        Counts, without any patient number or name.

    Raises
    ------
    StudyError
        When there is no such folder, or a study file is there already.
    """
    if (folder / STUDY_FILE).exists() and not again:
        raise StudyError(
            f"'{STUDY_FILE}' is there already, and may hold your decisions. With --again it is written anew, "
            f"and the old one kept as {STUDY_FILE}.before.",
            "setting",
        )
    found = survey(look_around(folder))
    file = write_study(found, folder, language)
    return "\n".join(_summary(found, file, language))


def _summary(found: Survey, file: Path, language: Language) -> list[str]:
    lines = [line for site in found.sites for line in _of_site(site, language)]
    lines += [say(note, language) for note in found.notes]
    still = open_lines(yaml.compose(file.read_text(encoding="utf-8")))
    key = "sum_open" if still else "sum_done"
    return [*lines, say(said(key, n=len(still), file=file), language)]


def _of_site(site: Found, language: Language) -> list[str]:
    name = site.name or {"en": "Our hospital", "zh": "本院"}[language]
    head = "sum_site" if site.table is not None else "sum_no_table"
    lines = [say(said(head, name=name, rows=site.tally["rows"]), language)]
    for key in [*_COUNTED, *_LEFT]:
        count = site.tally.get(key, 0)
        if site.table is None and key in _OF_TABLES:
            continue
        if count or key in _ALWAYS:
            lines.append("  " + say(said(f"sum_{key}", n=count), language))
    shown = [note for note in site.notes if note.key not in ("columns_left",)]
    return lines + ["  " + say(note, language) for note in shown]
