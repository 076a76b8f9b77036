"""Render the book of one run: stage prose, executed notebooks and shared tables, then Sphinx."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml

from helpers import benchmarks, interactive, landing, privacy, reporting
from helpers.errors import StudyError
from helpers.study.places import REPOSITORY, replacing
from helpers.study.run_folder import Run

VIRTUAL_BANNER = (
    "Virtual cohort: simulated patients and simulated CT. Only the paper's own numbers are about real people."
    " 虚拟队列：模拟的患者和模拟的 CT。"
)
# Themes bring source maps, translations that were used when the pages were made, fonts for old browsers.
BALLAST = {".map", ".mo", ".po", ".ttf"}
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"


def build_book(run: Run) -> Path:
    """Render the run's book to book/html and return its index page; unchanged pages are not made again.

    Raises
    ------
    StudyError
        When Sphinx warns or fails, with the lines that say where; when raw patient identifiers stand outside
        private/ (`helpers.privacy.find_leaks`): then there is no book.
    """
    printed_book(run).unlink(missing_ok=True)  # of the book as it was
    source = run.book / "source"
    stage(run, source)
    configured = [sys.executable, "-c", JUPYTER_BOOK, "config", "sphinx", str(source)]
    for command in (configured, _sphinx(run, "html", run.book / "html")):
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
        if done.returncode:
            # Sphinx warns of a page only when it reads it: without this, the next build would pass.
            shutil.rmtree(run.book / "doctrees", ignore_errors=True)
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise StudyError("The book was not built:\n" + "\n".join(lines[-12:]))
    _tidy(run.book / "html")
    try:
        privacy.require_no_leaks(run)
    except StudyError:
        # The pages go, and with them what Sphinx would leave lying when the leak is mended.
        for folder in ("html", "doctrees"):
            shutil.rmtree(run.book / folder, ignore_errors=True)
        raise
    return book_page(run)


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
    done = subprocess.run(
        _sphinx(run, "singlehtml", folder), capture_output=True, text=True, encoding="utf-8", errors="replace"
    )
    if done.returncode:
        raise StudyError("The book was not built:\n" + "\n".join(done.stderr.strip().splitlines()[-12:]))
    return folder / "index.html"


def _sphinx(run: Run, builder: str, target: Path) -> list[str]:
    """The command that writes the staged book: unknown targets warn (-n), warnings are errors (-W)."""
    command = [sys.executable, "-m", "sphinx", "-b", builder, "-q", "-n", "-W", "--keep-going"]
    return [*command, "-d", str(run.book / "doctrees"), str(run.book / "source"), str(target)]


def printed_book(run: Run) -> Path:
    """The book as PDF."""
    return run.book / "radbook.pdf"


def book_page(run: Run) -> Path:
    """The landing page of the rendered book."""
    return run.book / "html" / "index.html"


def stage(run: Run, source: Path) -> None:
    """Lay out the sources of this run's book; a file whose content is the same keeps its date."""
    wanted = _prose() | _notebooks(run) | _shared(run) | landing.staged_files(run)
    wanted |= interactive.staged_files(run) | reporting.staged_files(run) | benchmarks.staged_files()
    if "notebooks/01_cohort.ipynb" not in wanted:  # a frozen model was applied, no study was run
        wanted |= {"index.md": wanted["applied.md"], "zh/index.md": wanted["zh/applied.md"]}
    wanted["zh/figures.md"] = _with_made_figures(wanted["zh/figures.md"].decode(), wanted).encode()
    wanted |= {
        name: _without_dead_links(content, wanted) for name, content in wanted.items() if _is_page(name)
    }
    wanted["_toc.yml"] = _toc(wanted)
    wanted["_config.yml"] = _config(run)
    for old in [path for path in source.rglob("*") if path.is_file() and path.name != "conf.py"]:
        if old.relative_to(source).as_posix() not in wanted:
            old.unlink()
    for name, content in wanted.items():
        path = source / name
        if not (path.is_file() and path.read_bytes() == content):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_bytes(content)


def _prose() -> dict[str, bytes]:
    """The pages of book/, at the top of the staged sources, so that the landing page is html/index.html."""
    files = (path for path in (REPOSITORY / "book").rglob("*") if path.is_file())
    return {path.relative_to(REPOSITORY / "book").as_posix(): path.read_bytes() for path in files}


def _shared(run: Run) -> dict[str, bytes]:
    files = (path for path in (run.folder / "share").rglob("*") if path.is_file())
    return {path.relative_to(run.folder).as_posix(): path.read_bytes() for path in files}


def _notebooks(run: Run) -> dict[str, bytes]:
    return {f"notebooks/{path.name}": _page(path) for path in sorted(run.notebooks.glob("*.ipynb"))}


def _page(path: Path) -> bytes:
    """An executed notebook without its times, so that the same results make the same page."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:  # what was asked for, behind a click: mostly paths
            cell.metadata["tags"] = [*tags, "hide-input"]
    return nbformat.writes(notebook).encode()


def _is_page(name: str) -> bool:
    return name.endswith((".md", ".ipynb"))


def _without_dead_links(page: bytes, staged: dict[str, bytes]) -> bytes:
    """The page with plain text in place of links to chapters that this run has not executed."""

    def kept(link: re.Match) -> str:
        return link[0] if f"notebooks/{link['chapter']}.ipynb" in staged else link["text"] or ""

    links = r"\[(?P<text>[^][]+)\]\((?:\.\./)?(?:notebooks/)?(?P<chapter>\d\d_\w+)\.ipynb\)"
    cards = r"(?P<text>):link: /notebooks/(?P<chapter>\d\d_\w+)\n:link-type: doc\n"
    text = page.decode()
    for pattern in (links, cards):
        text = re.sub(pattern, kept, text)
    return text.encode()


def _toc(staged: dict[str, bytes]) -> bytes:
    """The table of contents without the notebooks that this run has not executed."""
    toc = yaml.safe_load((REPOSITORY / "_toc.yml").read_text(encoding="utf-8").replace("book/", ""))
    for part in toc["parts"]:
        part["chapters"] = [
            chapter
            for chapter in part["chapters"]
            if not chapter["file"].startswith("notebooks/") or f"{chapter['file']}.ipynb" in staged
        ]
    toc["parts"] = [part for part in toc["parts"] if part["chapters"]]
    return yaml.safe_dump(toc, allow_unicode=True, sort_keys=False).encode()


def _with_made_figures(page: str, staged: dict[str, bytes]) -> str:
    """The page without figures that this run has not made or may not share, and without empty sections."""

    def kept(block: re.Match) -> str:
        chapter = re.search(r"\{doc\}`\.\./(notebooks/\w+)`", block[0])[1]
        return block[0] if {block[1], f"{chapter}.ipynb"} <= set(staged) else ""

    page = re.sub(r"```\{figure\} \.\./(\S+)\n.*?\n```\n+", kept, page + "\n", flags=re.DOTALL)
    sections = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    return "".join([sections[0], *(section for section in sections[1:] if "{figure}" in section)])


def _config(run: Run) -> bytes:
    config = yaml.safe_load((REPOSITORY / "_config.yml").read_text(encoding="utf-8").replace("book/", ""))
    if run.study.is_virtual:
        config["html"]["announcement"] = VIRTUAL_BANNER
    return yaml.safe_dump(config, allow_unicode=True, sort_keys=False).encode()
