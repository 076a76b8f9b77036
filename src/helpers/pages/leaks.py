"""Raw identifiers outside private/: before a book counts as made, everything is searched for them."""

from __future__ import annotations

import csv
import datetime
import functools
import hashlib
import json
import re
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from helpers.errors import StudyError
from helpers.pages import sought
from helpers.pages.identifiers import Identifier, Search, days, folded
from helpers.pages.readable import readable
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import Run

# The theme's and libraries' own files, the same in every book.
_NOT_OURS = {"_static", "vendor"}
# What Sphinx keeps for itself has the paths of this machine in it.
_WORKSHOP = ("book/doctrees/", "book/source/conf.py", "book/zh/doctrees/", "book/zh/source/conf.py")
_RENDERED = ("book/html/", "book/doctrees/", "book/zh/doctrees/")
# The day in the name of RDF, which every SVG file quotes.
_RDF = datetime.date(1999, 2, 22)
_TABLE = re.compile(r"<table.*?</table>", re.DOTALL)
_TABLE_CELL = re.compile(r"<t[hd][^>]*>(.*?)</t[hd]>", re.DOTALL)
_FILES_TOLD = 20


@dataclass(frozen=True)
class _Sought:
    """What is looked for in a run, and how.

    Attributes
    ----------
    search : Search
        For what is distinctive.
    weak : dict of str to Identifier
        Short numbers: sought as names of files and in columns of patient numbers.
    days : dict of date to str
        Whose days they are; without those on which everybody may read something.
    titles : set of str
        Headers of patient numbers.
    """

    search: Search
    weak: dict[str, Identifier]
    days: dict[datetime.date, str]
    titles: set[str]

    @classmethod
    def of(cls, run: Run) -> _Sought:
        people, told = sought.named(run)
        every = [*sought.patients(run), *people, *sought.home()]
        weak = {folded(one.text): one for one in every if not one.is_distinctive}
        strong = [one for one in every if one.is_distinctive] + sought.paths(run, weak)
        public, its_days = _public() if every else ("", frozenset())
        ours = its_days | _days_of_work(run) | {_RDF}
        told = {day: whose for day, whose in told.items() if day not in ours}
        titles = {"patient_id", "raw_id", *(sought.patient_column(site) for _, site in sought.sites(run))}
        return cls(Search(strong, public), weak, told, titles)

    def read_in(self, name: str, content: bytes) -> list[str]:
        """Whose identifiers stand in a file."""
        text = _without_program(readable(content, name))
        plain = folded(text)
        found = self._strong(name, plain)
        found += [self.weak[cell] for cell in _cells(text, name, self.titles) if cell in self.weak]
        if name.startswith(_WORKSHOP):
            found = [one for one in found if one.whose != sought.HOME]
        return [one.whose for one in found] + [self.days[day] for day in days(plain) if day in self.days]

    def named_by(self, name: str) -> list[Identifier]:
        """Whose identifiers stand in a file's name, or in those of its folders."""
        parts = [folded(part) for whole in name.split("/") for part in (whole, whole.split(".")[0])]
        return [*self._strong(name, folded(name)), *(self.weak[part] for part in parts if part in self.weak)]

    def _strong(self, name: str, text: str) -> list[Identifier]:
        """Those that a file shows, without what its page has from the repository's own prose.

        A patient may be called like an author, and two authors' names side by side like a patient.
        """
        own = self.search.known if name.startswith("book/") else set()
        own = own | self.search.common if name.startswith(_RENDERED) else own
        found = [one for one in self.search.found(text) if one not in own]
        # What stands in place of a physician's name is mostly words: not available.
        words = self.search.known | self.search.common
        return [one for one in found if not (one.whose == sought.HOSPITAL and one in words)]


def find_leaks(run: Run) -> list[str]:
    """Where raw identifiers stand in what the run holds outside private/, a line each.

    Sought are the patient numbers of the sites' tables, names and numbers and days that their other columns
    and the DICOM headers tell, and the user's home folder (`helpers.pages.sought`), in any order and spelling
    (`helpers.pages.identifiers`), in files of any kind (`helpers.pages.readable`). What is not distinctive
    (`Identifier.is_distinctive`), such as the number 12, is sought as the name of a file or folder, in paths
    as the study file writes them, and in columns of patient numbers. The lines name files and pseudonyms,
    never the identifier.
    """
    looking, seen, lines = _Sought.of(run), set(), []
    for path in _files_outside(run):
        name, content = path.relative_to(run.folder).as_posix(), path.read_bytes()
        in_name, inside = looking.named_by(name), []
        # Copies of a table or figure are read once, pages apart from the rest.
        key = (name.startswith("book/"), path.suffix, hashlib.sha256(content).digest())
        if key not in seen:
            seen.add(key)
            inside = looking.read_in(name, content)
        shown = _masked(name, in_name, looking.search)
        lines += [f"{shown}: {whose}" for whose in dict.fromkeys([*(one.whose for one in in_name), *inside])]
    return lines


def require_no_leaks(run: Run) -> None:
    """Refuse a run whose results show a raw identifier outside private/.

    Raises
    ------
    StudyError
        Naming the files and, by pseudonym, the patients.
    """
    found = find_leaks(run)
    if not found:
        return
    more = [f"... and {len(found) - _FILES_TOLD} more."] if len(found) > _FILES_TOLD else []
    raise StudyError(
        "\n".join(
            [
                f"Identifiers stand outside private/, in {len(found)} places. Pass nothing of this run on.",
                *found[:_FILES_TOLD],
                *more,
                *_remedies(found),
            ]
        )
    )


def _remedies(found: Iterable[str]) -> list[str]:
    """What to do, by what was found."""
    paths = [line.endswith(f": {sought.HOME}") for line in found]
    told = ["The pages were removed."]
    if not all(paths):
        told.append(
            "Mostly a text of the table (exclusion, scanner) or a site's name holds them: mend it, and"
        )
        told.append("run again. private/identifiers.csv says whose a pseudonym is.")
    if any(paths):
        told.append(
            "A path of this computer names your home folder: take it out of the study's title or tables,"
        )
        told.append("or delete the file, and run again.")
    return told


def redacted(run: Run, text: str) -> str:
    """``text`` with raw patient numbers and paths that hold them blotted out; the home folder is ``~``."""
    people = sought.patients(run)
    weak = {one.text: one for one in people if not one.is_distinctive}
    strong = [one for one in people if one.is_distinctive]
    text = Search([*sought.paths(run, weak), *strong]).blotted(text, "[patient]")
    for one in sought.home():
        text = re.sub(rf"[\\/]{{1,2}}{re.escape(one.text)}(?!\w)", "~", text)
    return text


def _without_program(text: str) -> str:
    """The text without the folders in which this program and its libraries lie: they name no patient."""
    for folder in _program_folders():
        for shown in (folder, folder.replace("/", "\\"), folder.replace("/", "\\\\")):
            text = text.replace(shown, "")
    return text


@functools.cache
def _program_folders() -> list[str]:
    folders = [REPOSITORY, sys.prefix, sys.base_prefix, *map(sysconfig.get_path, ("purelib", "stdlib"))]
    kept = {Path(folder).as_posix() for folder in folders if len(Path(folder).parts) > 2}
    return sorted(kept, key=len, reverse=True)


def _files_outside(run: Run) -> list[Path]:
    """Every file of the run but those in private/ and the themes' own."""
    files = [path for path in sorted(run.folder.rglob("*")) if path.is_file()]
    places = {path: path.relative_to(run.folder).parts for path in files}
    return [path for path, parts in places.items() if parts[0] != "private" and _NOT_OURS.isdisjoint(parts)]


@functools.cache
def _public() -> tuple[str, frozenset[datetime.date]]:
    """The prose and code of the repository's own pages and the paper's data, folded; the days named there."""
    files = [*(REPOSITORY / "book").rglob("*"), *(REPOSITORY / "notebooks").glob("*.ipynb")]
    files += (REPOSITORY / "data").rglob("*")
    kinds = {".md", ".bib", ".csv", ".ipynb", ".yml"}
    text = folded("\n".join(path.read_text(encoding="utf-8") for path in files if path.suffix in kinds))
    text += re.sub(r"y\b", "i", text)  # as the index of the search has it: Hanley is hanlei
    return text, frozenset(days(text))


def _days_of_work(run: Run) -> set[datetime.date]:
    """The days on which the run was made, which its record and its pages name."""
    text = run.record.read_text(encoding="utf-8") if run.record.is_file() else ""
    made = {datetime.date.fromtimestamp(path.stat().st_mtime) for path in _files_outside(run)}
    try:
        record = json.loads(text or "{}")
    except ValueError:
        record = {}
    stamps = [
        record.get("updated", ""),
        *(step.get("started", "") for step in record.get("notebooks", {}).values()),
    ]
    return days(" ".join(stamps).lower()) | made | {datetime.date.today()}


def _cells(text: str, name: str, titles: set[str]) -> set[str]:
    """Cells under a title of patient numbers, in a CSV file or in a page's tables."""
    if name.endswith(".csv"):
        tables = [list(csv.reader(StringIO(text)))]
    else:
        blocks = [block for block in _TABLE.findall(text) if any(f">{title}<" in block for title in titles)]
        tables = [[_TABLE_CELL.findall(row) for row in block.split("</tr>")] for block in blocks]
    found = set()
    for head, *rows in filter(None, tables):
        places = [place for place, title in enumerate(head) if title.strip() in titles]
        found |= {folded(row[place].strip()) for row in rows for place in places if place < len(row)}
    return found


def _masked(name: str, identifiers: list[Identifier], search: Search) -> str:
    """A file's name without the identifiers that stand in it."""
    if not identifiers:
        return name
    weak = {folded(one.text) for one in identifiers}
    parts = [search.blotted(part, "[identifier]") for part in name.split("/")]
    return "/".join("[identifier]" if folded(part).split(".")[0] in weak else part for part in parts)
