"""The ledger of a run folder: what made each of its files, so that results of two studies never mix unseen.

Of every artifact, table, figure, executed notebook and file of the frozen model ``private/ledger.json`` holds
the SHA-256, the chapters that made it with the settings that they had from the study, and the SHA-256 of what
they had read by then. A file fits when it is what was written, when the study still has those settings, and
when what was read is there unchanged and fits itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from helpers.errors import StudyError
from helpers.study.content_hash import content_hash, file_hash
from helpers.study.lock import in_turn
from helpers.study.places import STEPS, write_json
from helpers.study.study_file import Study

Why = Literal["unknown", "unfinished", "gone", "altered", "settings", "older"]
WORDS: dict[Why, str] = {
    "unknown": "the run has no record of having written it",
    "unfinished": "its chapter failed, or was stopped, before it came to its end",
    "gone": "it is not there any more",
    "altered": "it is not what the run wrote, but damaged, edited, or another run's",
    "settings": "the study file, or a table, protocol or settings file named there, has changed since",
    "older": "what it was made from has been made anew",
}
FIRST_CHAPTER = "01"
# These say nothing about results of single chapters: words, who computes, and each chapter's own knobs.
_NO_SETTINGS = {"file", "title", "label", "scheduler", "parameters"}
_OF_SHARED_FILES = {"name", "min_cell"}
_SHARED = ("share/", "notebooks/", "private/bundle/")


@dataclass(frozen=True)
class Entry:
    """What made one file.

    Attributes
    ----------
    sha256 : str
        Of the file; "" while the chapter that writes it is executed anew.
    settings : dict of str to str
        By the number of each chapter that had a part in it, a hash of what it had from the study; "" where
        no chapter wrote it.
    read : dict of str to str
        SHA-256 of what had been read, by place in the run folder.
    origin : str
        Of an executed notebook, what else it follows from (`helpers.commands.memory`).
    """

    sha256: str
    settings: dict[str, str]
    read: dict[str, str] = field(default_factory=dict)
    origin: str = ""


_ENTRIES = TypeAdapter(dict[str, Entry])


@dataclass(frozen=True)
class Misfit:
    """A file of the run folder that does not fit the run, why, and the chapter to repeat it from."""

    file: str
    why: Why
    chapter: str

    def __str__(self) -> str:
        """Say it, and what to do."""
        return (
            f"{self.file} does not fit this run: {WORDS[self.why]}. Repeat from chapter {self.chapter} "
            f"(radbook run ... --from {self.chapter})."
        )


@dataclass(frozen=True)
class Ledger:
    """The ledger in a run's ``private`` folder. A lost or damaged one is empty: then all is run again."""

    private: Path

    @property
    def path(self) -> Path:
        """Its file."""
        return self.private / "ledger.json"

    def entries(self) -> dict[str, Entry]:
        """What is known of each file, by its place in the run folder."""
        try:
            return _ENTRIES.validate_json(self.path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return {}

    @contextmanager
    def changing(self) -> Iterator[dict[str, Entry]]:
        """Give the entries to be changed, and write them anew; chapters that run at the same time wait."""
        with in_turn(self.path):
            entries = self.entries()
            yield entries
            content = {name: asdict(entry) for name, entry in sorted(entries.items())}
            write_json(self.path, content)

    def judge(self, made_with: Callable[[str, str], str]) -> Callable[[str], Misfit | None]:
        """A function that tells why the file at a place in the run folder does not fit; None when it does.

        Of several reasons it tells the one of the earliest chapter.

        Parameters
        ----------
        made_with : callable
            Hash of the study's settings now, by a chapter's number and a file's name (`settings_hash`).
        """
        return _Check(self.private.parent, self.entries(), made_with).misfit


class _Check:
    """One look at a ledger, in which each file is judged once."""

    def __init__(self, folder: Path, entries: dict[str, Entry], made_with: Callable[[str, str], str]) -> None:
        self.folder, self.entries, self.made_with = folder, entries, made_with
        self.judged: dict[str, Misfit | None] = {}

    def misfit(self, name: str) -> Misfit | None:
        if name not in self.judged:
            self.judged[name] = None  # a chapter that reads what it has written itself
            causes = [self.misfit(one) for one in self.entries[name].read] if name in self.entries else []
            why = self._why(name)
            own = [Misfit(name, why, self._chapter(name))] if why else []
            found = [cause for cause in [*causes, *own] if cause]
            self.judged[name] = min(found, key=lambda cause: cause.chapter) if found else None
        return self.judged[name]

    def _chapter(self, name: str) -> str:
        known = self.entries[name].settings if name in self.entries else {}
        return min(known, default="") or FIRST_CHAPTER

    def _why(self, name: str) -> Why | None:
        entry = self.entries.get(name)
        if entry is None:
            return "unknown"
        if not entry.sha256:
            return "unfinished"
        now = self._hash(name)
        if now != entry.sha256:
            return "altered" if now else "gone"
        if any(self.made_with(chapter, name) != hashed for chapter, hashed in entry.settings.items()):
            return "settings"
        return "older" if any(self._hash(one) != hashed for one, hashed in entry.read.items()) else None

    def _hash(self, name: str) -> str:
        path = self.folder / name
        return file_hash(path) if path.is_file() else ""


def take_over(entries: dict[str, Entry], name: str, chapter: str) -> None:
    """Let a ``chapter`` write a file anew that earlier ones wrote: their notebooks answer for it no more.

    When an earlier one writes it again, the later one's notebook is older than the file, and says so.
    """
    if name not in entries:
        return
    for writer in entries[name].settings:
        notebook = f"notebooks/{STEPS.get(writer)}.ipynb"
        if writer < chapter and notebook in entries:
            read = {one: digest for one, digest in entries[notebook].read.items() if one != name}
            entries[notebook] = replace(entries[notebook], read=read)


def settings_hash(study: Study, chapter: str, name: str) -> str:
    """Hash of what the file ``name`` has from the study: rules, sources, seed, and the chapter's parameters.

    Tables, protocols and settings that the study file names count with their content, patients' images do
    not: chapters 01 to 03 look at those each time. What is shared also carries the study's name, and hides
    small counts.
    """
    left_out = _NO_SETTINGS if name.startswith(_SHARED) else _NO_SETTINGS | _OF_SHARED_FILES
    content = study.model_dump(mode="json", exclude=left_out)
    content["parameters"] = study.parameters.get(chapter, {})
    named = [study.extraction] if study.extraction else []
    for site in study.sites:
        tables = [site.table, site.features, site.second_reader_features]
        named += [table.path for table in tables if table] + ([site.virtual.protocol] if site.virtual else [])
    files = [study.path(one) for one in named]
    content["files"] = [file_hash(path) if path.is_file() else "" for path in files]
    return content_hash(json.dumps(content, sort_keys=True))


def require_fit(misfits: list[Misfit]) -> None:
    """Raise StudyError when there are misfits, about the one of the earliest chapter."""
    if misfits:
        raise StudyError(str(min(misfits, key=lambda one: one.chapter)))
