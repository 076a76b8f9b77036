"""What a book shows that does not fit its run: said on every page, and at the end."""

from __future__ import annotations

import html
from itertools import groupby

from helpers.errors import StudyError
from helpers.study.ledger import WORDS, Misfit
from helpers.study.places import visible_files
from helpers.study.run_folder import Run

_FILES_TOLD = 5


def doubts(run: Run) -> list[Misfit]:
    """Which notebooks, shared files and parts of the frozen model do not fit, the first chapters first."""
    folders = [run.notebooks, run.folder / "share", run.bundle]
    files = [path for folder in folders for path in visible_files(folder)]
    return sorted(run.misfits(*files), key=lambda one: (one.chapter, one.why, one.file))


def banner(run: Run) -> str:
    """The notice for the head of every page, in HTML; empty when all is the run's own."""
    found = doubts(run)
    if not found:
        return ""
    chapter = found[0].chapter
    return (
        f"Not all of this is the run's own, or up to date: {html.escape(_files(found))}. Repeat from chapter "
        f"{chapter}."
    )


def require_own(run: Run, last: str = "99") -> None:
    """Raise StudyError when a chapter up to ``last`` shows what does not fit the run; its pages say so."""
    found = [one for one in doubts(run) if one.chapter <= last]
    if not found:
        return
    chapter = found[0].chapter
    lines = [
        f"- {_files(list(same))}: {WORDS[why]}" for why, same in groupby(sorted(found, key=_why), key=_why)
    ]
    raise StudyError(
        "\n".join(
            [
                "The book is there, but not all that it shows is this run's own, and its pages say so:",
                *lines,
                f"Repeat from chapter {chapter} (radbook run ... --from {chapter}), and take "
                "away what is not yours; or let it be with --accept-foreign.",
            ]
        )
    )


def _why(one: Misfit) -> str:
    return one.why


def _files(found: list[Misfit]) -> str:
    named = ", ".join(one.file for one in found[:_FILES_TOLD])
    return f"{named} and {len(found) - _FILES_TOLD} more" if len(found) > _FILES_TOLD else named
