"""What ``radbook init`` writes into a folder: study file, settings, and where each patient's files lie."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd

from helpers.intake.folder import EXTRACTION, FILES, LISTS, STUDY_FILE
from helpers.intake.guesses import Guess
from helpers.intake.site import Found
from helpers.intake.sites import Survey
from helpers.intake.study_text import study_name, study_text
from helpers.intake.words import Language
from helpers.study.places import REPOSITORY, made_folder, replacing

_NUMBER = "{patient_id}"


def write_study(survey: Survey, folder: Path, language: Language) -> Path:
    """Write the study file of a folder, and beside it what it names; an older study file is kept.

    Parameters
    ----------
    survey : Survey
    folder : Path
    language : {"en", "zh"}
        Of the comments.
    """
    file = folder / STUDY_FILE
    if file.exists():
        file.replace(file.with_name(f"{STUDY_FILE}.before"))
    if not (folder / EXTRACTION).exists():
        shutil.copy(REPOSITORY / "data" / "extraction" / "paper.yml", folder / EXTRACTION)
    shutil.rmtree(folder / LISTS, ignore_errors=True)
    files = {found.name: _place_files(found, place, folder) for place, found in enumerate(survey.sites)}
    text = study_text(
        survey, study_name(folder), {name: path for name, path in files.items() if path}, language
    )
    with replacing(file) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return file


def _place_files(found: Found, place: int, folder: Path) -> str:
    """Put patterns into the keys where names follow one; else write a table of files, and give its name."""
    shown = {name: own for name, own in found.files.items() if own and _is_in_braces(found, name)}
    patterns = {name: common_pattern(own) for name, own in shown.items()}
    if all(patterns.values()):
        found.keys.update({key: _with_patterns(guess, patterns) for key, guess in found.keys.items()})
        return ""
    table = FILES if place == 0 else FILES.replace(".csv", f"_{place + 1}.csv")
    rows = []
    for row in sorted({row for own in shown.values() for row in own}):
        cells = {name: _cell(own.get(row, ""), len(rows), place, folder) for name, own in shown.items()}
        rows.append({"patient_id": row} | cells)
    with replacing(folder / table) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8-sig")
    return table


def _is_in_braces(found: Found, name: str) -> bool:
    return any(f"{{{name}}}" in str(guess.value) for guess in found.keys.values())


def common_pattern(paths: dict[str, Path | list[Path]]) -> str:
    """The pattern with the patient number that all paths follow; empty where there is none."""
    if any(isinstance(path, list) for path in paths.values()):
        return ""
    made = {_braced(path.as_posix(), row) for row, path in paths.items()}
    # Of one patient alone nobody knows what of a path is a name.
    return made.pop() if len(made) == 1 and len(paths) > 1 and _NUMBER in "".join(made or {_NUMBER}) else ""


def _braced(path: str, number: str) -> str:
    return re.sub(rf"(?<![^\W_]){re.escape(number)}(?![^\W_])", lambda _: _NUMBER, path)


def _with_patterns(guess: Guess, patterns: dict[str, str]) -> Guess:
    def replaced(value: object) -> object:
        if isinstance(value, dict):
            return {key: replaced(one) for key, one in value.items()}
        name = value[1:-1] if isinstance(value, str) and value[:1] == "{" else None
        return patterns.get(name, value)

    return Guess(replaced(guess.value), guess.sure, guess.why)


def _cell(path: Path | list[Path] | str, number: int, place: int, folder: Path) -> str:
    """A path; of files that share their folder with other patients', the file that lists them."""
    if not isinstance(path, list):
        return path.as_posix() if path else ""
    listed = made_folder(folder / LISTS) / f"{place + 1}_{number + 1:05d}.txt"
    listed.write_text("".join(f"../{one.as_posix()}\n" for one in path), encoding="utf-8")
    return f"{LISTS}/{listed.name}"
