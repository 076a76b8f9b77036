"""The book of one run as PDF: all pages on one (Sphinx's singlehtml), printed by headless Chromium."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from helpers.errors import StudyError
from helpers.pages import build
from helpers.study.places import replacing
from helpers.study.run_folder import Run

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
VIRTUAL_LABEL = "virtual cohort 虚拟队列"
# Formulas, tables and pictures that scripts set are waited for: so many ms of the page's own clock.
PATIENCE_MS = 60_000


def print_book(run: Run) -> Path:
    """Write the run's book, all pages in the order of the contents, to book/radbook.pdf.

    Raises
    ------
    StudyError
        When no Chromium is installed, when the book cannot be built (`helpers.pages.build.build_book`), or
        when the browser fails.
    """
    program = _browser()
    build.build_book(run)
    with TemporaryDirectory(dir=run.book) as folder:
        page = build.build_single_page(run, Path(folder))
        page.write_text(for_paper(page.read_text(encoding="utf-8"), run.study.is_virtual), encoding="utf-8")
        with replacing(build.printed_book(run)) as pdf:
            _print(program, page, pdf)
    return build.printed_book(run)


def for_paper(page: str, virtual: bool) -> str:
    """The single page, made ready for paper.

    On virtual data each sheet says so; answers are unfolded; links that lead astray are plain text, since
    Sphinx numbers references and footnotes (id1, id2) page by page: on one page they are not unique.
    """
    page = re.sub(r'(<a [^>]*?) href="#id\d+"', r"\1", page)
    page = page.replace("<details ", "<details open ")
    label = f'@page {{ @top-right {{ content: "{VIRTUAL_LABEL}"; font: 8pt sans-serif; color: #777; }} }}'
    return page.replace("</head>", f"<style>{label}</style></head>", 1) if virtual else page


def _browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise StudyError(
            "The book is printed by Chromium, and none is installed here. Install it (Debian and Ubuntu: "
            "apt install chromium), or open the book in any browser and print the pages that you need."
        )
    return found


def _print(program: str, page: Path, pdf: Path) -> None:
    # The sandbox protects from strangers' pages and does not start in containers; this page is our own.
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    options += [f"--virtual-time-budget={PATIENCE_MS}", f"--print-to-pdf={pdf}", page.as_uri()]
    with TemporaryDirectory() as profile:
        done = subprocess.run([program, f"--user-data-dir={profile}", *options], capture_output=True)
    if done.returncode or not pdf.is_file():
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise StudyError("Chromium did not print the book:\n" + "\n".join(lines[-5:]))
