"""The study file of a folder that was looked through: every guess a line, with its evidence as a comment."""

from __future__ import annotations

import json
import re
import textwrap
import unicodedata
from pathlib import Path

from helpers.intake.guesses import Guess, Said, quoted, said, undecided
from helpers.intake.site import Found
from helpers.intake.sites import Survey
from helpers.intake.words import Language, how_sure, say
from helpers.patients.columns import T_SCORES
from helpers.study.study_file import OPEN

_WIDTH = 110
_SEED = 20260428
_MIN_CELL = 10
_OURS = {"en": "Our hospital", "zh": "本院"}
_TITLE = {"en": "Osteoporosis screening on chest CT: our hospital", "zh": "胸部CT平扫骨质疏松筛查：本院"}
_ORDER = ("patient_id", "age", "birth_date", "sex", *T_SCORES, "interval_days", "ct_date", "dxa_date")
# Where several columns could be meant these may be left out: nobody is kept or lost for it.
_MAY_BE_LEFT_OUT = {"scanner", "fracture", "contrast"}
_SITE_KEYS = ("series", "masks", "second_reader", "labels", "bodies", "erode_mm", "points", "features")


class Lines:
    """Lines of a YAML file with comments in one language."""

    def __init__(self, language: Language):
        self.language = language
        self.lines: list[str] = []

    def comment(self, sentence: Said, depth: int = 0, before: str = "") -> None:
        """A sentence on lines of its own."""
        indent = "  " * depth
        text = f"{before}{say(sentence, self.language)}"
        wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
        width = round(_WIDTH * len(text) / (len(text) + wide))
        self.lines += [f"{indent}# {line}" for line in textwrap.wrap(text, width - len(indent))]

    def value(self, key: str, value: object, depth: int = 0, why: Said | None = None) -> None:
        """A key and its value, with a short reason behind it."""
        line = f"{'  ' * depth}{key}: {value if isinstance(value, int) else written(value)}"
        reason = f"   # {say(why, self.language)}" if why else ""
        self.lines.append(line + reason)

    def guess(self, key: str, guess: Guess, depth: int) -> None:
        """A key and its value, below how sure it is and why."""
        before = f"{how_sure(guess.sure, self.language)}: "
        line = f"{'  ' * depth}{key}: {written(guess.value)}   # {before}{self._only(guess)}"
        if self._only(guess) and len(line) <= _WIDTH:
            self.lines.append(line)
            return
        for place, reason in enumerate(guess.why):
            self.comment(reason, depth, before if place == 0 else "")
        self.value(key, guess.value, depth)

    def _only(self, guess: Guess) -> str:
        """The one reason of a guess that is not open, which may stand behind the value."""
        return say(guess.why[0], self.language) if len(guess.why) == 1 and guess.sure != "open" else ""


def written(value: object) -> str:
    """A value as YAML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)}: {written(one)}" for key, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def _key(key: object) -> str:
    plain = isinstance(key, int) or re.fullmatch(r"[A-Za-z]\w*", str(key))
    return str(key) if plain else json.dumps(str(key), ensure_ascii=False)


def study_text(survey: Survey, name: str, files: dict[str, str], language: Language) -> str:
    """The whole study file.

    Parameters
    ----------
    survey : Survey
    name : str
        Of the study.
    files : dict of str to str
        By the site's name, the table that says where files lie; absent where patterns do.
    language : {"en", "zh"}
    """
    out = Lines(language)
    out.comment(said("head"))
    out.lines.append("")
    out.value("name", name, why=said("own_name"))
    out.value("title", _TITLE[language], why=said("own_title"))
    if any(found.simulated for found in survey.sites):
        out.comment(said("simulated"))
        out.lines.append("simulated: true")
    out.value("seed", _SEED, why=said("own_seed"))
    out.value("extraction", "extraction.yml", why=said("own_extraction"))
    out.value("min_cell", _MIN_CELL, why=said("own_min_cell"))
    out.comment(said("inclusion"))
    out.lines.append("inclusion: {max_interval_days: 30, min_age: 50}")
    out.comment(said("rule"))
    out.lines += ["outcome: {t_score_at_most: -2.5}", "predictors: [age, sex]", ""]
    for note in survey.notes:
        out.comment(note)
    out.lines.append("sites:")
    for found in survey.sites:
        _write_site(out, found, len(survey.sites) > 1, files.get(found.name))
    return "\n".join(out.lines) + "\n"


def _write_site(out: Lines, found: Found, several: bool, files: str | None) -> None:
    out.value("  - name", found.name or _OURS[out.language], why=said("site_name"))
    out.comment(said("role_open" if several else "role_only"), 2)
    out.value("role", OPEN if several else "development", 2)
    _write_table(out, found)
    if files:
        out.comment(said("files"), 2)
        out.value("files", files, 2)
    for key in ("images", *_SITE_KEYS):
        if key in found.keys:
            out.guess(key, found.keys[key], 2)
    for note in found.notes:
        out.comment(note, 2)


def _write_table(out: Lines, found: Found) -> None:
    out.lines.append("    table:")
    out.guess("path", found.keys["table"], 3)
    if found.table is None:
        return
    if found.table.sheet:
        out.value("sheet", found.table.sheet, 3)
    for key in ("sexes", "dates"):
        if key in found.codes:
            out.guess(key, found.codes[key], 3)
    out.lines.append("      columns:")
    ours, left = columns_to_write(found)
    for name, guess in ours.items():
        out.guess(name, guess, 4)
    for sentence in left:
        out.comment(sentence, 4)


def columns_to_write(found: Found) -> tuple[dict[str, Guess], list[Said]]:
    """The columns of a site's table in order, what is needed and not there left open; and remarks."""
    ours = {name: found.ours[name] for name in sorted(found.ours, key=_place)}
    headers = quoted([*found.table.cells][:40])
    missing = undecided("no_column", headers=headers)
    if "age" not in ours and not {"birth_date", "ct_date"} <= set(ours):
        ours.pop("birth_date", None)
        ours["age"] = missing
    if "sex" not in ours:
        ours["sex"] = missing
    if not set(T_SCORES) & set(ours):
        ours["t_score"] = undecided("no_t_score", headers=headers)
    left = []
    for name in _MAY_BE_LEFT_OUT & set(ours):
        if ours[name].value == OPEN:
            left += [Said(why.key, why.values) for why in ours.pop(name).why]
    if "interval_days" not in ours and not {"ct_date", "dxa_date"} <= set(ours):
        left.append(said("interval_unknown"))
        if "birth_date" not in ours:
            ours = {name: guess for name, guess in ours.items() if name not in ("ct_date", "dxa_date")}
        else:
            ours.pop("dxa_date", None)
    return {name: ours[name] for name in sorted(ours, key=_place)}, left


def _place(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def study_name(folder: Path) -> str:
    """A name for the run folder, of the folder's."""
    plain = re.sub(r"[^a-z0-9_-]+", "_", folder.name.lower()).strip("_")
    return plain or "my_study"
