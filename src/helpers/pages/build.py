"""Render the book of one run: stage prose, executed notebooks and shared tables, then Sphinx."""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers.errors import StudyError
from helpers.pages import leaks
from helpers.pages.chinese import places, shared
from helpers.pages.staging import stage, stage_chinese
from helpers.study.places import unwritable
from helpers.study.run_folder import BookFolder, Run

# Themes bring source maps, translations that were used when the pages were made, fonts for old browsers.
BALLAST = {".map", ".mo", ".po", ".ttf"}
_LITTLE_ROOM = 1_000_000  # bytes
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"


def build_book(run: Run) -> Path:
    """Render both editions of a run's book, as `render`; the Chinese one to book/html/zh."""
    return render(run, {"": stage, places.CHINESE: stage_chinese}, leaks.require_no_leaks)


def render(book: BookFolder, editions: dict[str, Callable[[Any, Path], None]], search: Callable) -> Path:
    """Render a book to book/html and return its index page; unchanged pages are not made again.

    When the last build did not come to its end (killed, disk full, a warning), all pages are made anew:
    Sphinx may have left half-written ones, and would trust them.

    Parameters
    ----------
    book : BookFolder
        Whose book it is: a run, or a pooled folder.
    editions : dict of str to callable
        What lays out the sources of each edition, by its folder in html: "" is the English one.
    search : callable
        Refuses what must not stand in the book: a run's identifiers.

    Raises
    ------
    StudyError
        When Sphinx warns or fails, with the lines that say where; when raw patient identifiers stand outside
        private/ (`helpers.pages.leaks.find_leaks`): then there is no book.
    """
    printed_book(book).unlink(missing_ok=True)  # of the book as it was
    if _mark(book).exists():
        _remove_pages(book)
    for folder, lay_out in editions.items():
        lay_out(book, book.book / folder / "source")
    html = book.book / "html"
    with _to_its_end(book):
        for folder in editions:
            _python("-c", JUPYTER_BOOK, "config", "sphinx", str(book.book / folder / "source"))
            _sphinx(book.book / folder, "html", html / folder)
        for folder in editions:
            _tidy(html / folder)
        if places.CHINESE in editions:
            shared.share(html, html / places.CHINESE)
        search(book)
    return book_page(book)


@contextmanager
def _to_its_end(run: BookFolder) -> Iterator[None]:
    """Leave a mark while Sphinx works; when it fails, or a page shows an identifier, all pages go."""
    _mark(run).touch()
    try:
        yield
    except StudyError as error:
        # Sphinx warns of a page only when it reads it, and would leave lying what showed an identifier.
        is_full = shutil.disk_usage(run.book).free < _LITTLE_ROOM
        _remove_pages(run)
        if is_full:
            raise unwritable(run.book, OSError(errno.ENOSPC, "")) from error
        raise
    _mark(run).unlink()


def _mark(run: BookFolder) -> Path:
    return run.book / "unfinished"


def _remove_pages(run: BookFolder) -> None:
    """Remove the rendered pages, what they were made of, and Sphinx's memory of them."""
    for name in ("html", "doctrees", "source", places.CHINESE):
        shutil.rmtree(run.book / name, ignore_errors=True)


def _tidy(html: Path) -> None:
    """Remove what no page asks for: pictures of earlier runs, which Sphinx leaves, and themes' ballast."""
    pages = "".join(page.read_text(encoding="utf-8") for page in html.rglob("*.html"))
    wanted = set(re.findall(r"(?:_images|_downloads/[0-9a-f]+)/[^\"'?#<>]+", pages))
    made = [path for folder in ("_images", "_downloads") for path in (html / folder).rglob("*.*")]
    unused = [path for path in made if path.relative_to(html).as_posix() not in wanted]
    ballast = [path for path in (html / "_static").rglob("*.*") if path.suffix in BALLAST]
    for path in [*unused, *ballast]:
        path.unlink()


def build_single_page(run: Run, folder: Path) -> Path:
    """Write all pages of the built book on one, in the order of the contents; returns its file in ``folder``.

    Raises
    ------
    StudyError
        When Sphinx warns or fails.
    """
    with _to_its_end(run):
        _sphinx(run.book, "singlehtml", folder)
    return folder / "index.html"


def _sphinx(book: Path, builder: str, target: Path) -> None:
    """Write the staged book: unknown targets warn (-n), warnings are errors (-W)."""
    options = ["-b", builder, "-q", "-n", "-W", "--keep-going", "-d", str(book / "doctrees")]
    _python("-m", "sphinx", *options, str(book / "source"), str(target))


def _python(*arguments: str) -> None:
    """Run Python in a process of its own; when it fails, its last lines are the error."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise StudyError("The book was not built:\n" + "\n".join(lines[-12:]))


def printed_book(run: BookFolder) -> Path:
    """The book as PDF."""
    return run.book / "radbook.pdf"


def book_page(run: BookFolder) -> Path:
    """The landing page of the rendered book."""
    return run.book / "html" / "index.html"
