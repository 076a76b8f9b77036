"""The sources of a run's book, put together for the build: prose, notebooks, made pages, contents."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import nbformat
import yaml
from nbformat import NotebookNode, ValidationError

from helpers.errors import StudyError
from helpers.pages import (
    benchmarks,
    checklists,
    cutoff_page,
    designs,
    doubts,
    downloads,
    figures,
    landing,
    model_card,
    nomogram_page,
    reading,
    real_patients,
    slides,
    tour,
    viewer_page,
)
from helpers.pages.chinese import edition, places
from helpers.pages.chinese.words import Words
from helpers.pages.rendering import in_chinese, said_in
from helpers.study.places import REPOSITORY, replacing, visible_files
from helpers.study.run_folder import Run

PAGES = (landing, tour, nomogram_page, cutoff_page, model_card, downloads)
PAPER_PAGES = (real_patients, viewer_page, checklists, benchmarks)
VIRTUAL_BANNER = (
    "Virtual cohort: simulated patients and simulated CT. "
    "Only the paper's own numbers{} are about real people."
)
_NOT_MADE = "not made by this run"
NO_ROWS = "<p>This table has no rows here.</p>"
_EMPTY_TABLE = re.compile(r"<table(?:(?!</table>).)*<tbody>\s*</tbody>\s*</table>", re.DOTALL)
REAL_PATIENTS = " and chapter 15"
SIMULATED_BANNER = "Simulated patients: nothing here is about real people."


def stage(run: Run, source: Path) -> None:
    """Lay out the sources of this run's book."""
    lay_out(_sources(run, chinese=False), source)


def stage_chinese(run: Run, source: Path) -> None:
    """Lay out the sources of its Chinese edition: the same pages by the same names."""
    with in_chinese(edition.of_study(run.study)):
        wanted = _sources(run, chinese=True)
    lay_out(edition.beside_english(wanted), source)


def _sources(run: Run, chinese: bool) -> dict[str, bytes]:
    share = run.folder / "share"
    # The pages of book/ lie at the top, so that the landing page is html/index.html.
    wanted = _prose(chinese) | _notebooks(run, chinese) | files_in(share, run.folder) | made_pages(run)
    banners = _banners(run)
    notices = [said_in("contents", banner) for banner in banners]
    wanted |= slides.staged_slides(wanted, notices, "zh-CN" if chinese else "en")
    if "notebooks/01_cohort.ipynb" not in wanted:  # a frozen model was applied, no study was run
        wanted |= {"index.md": wanted["applied.md"]}
    prose = [name for name in wanted if name.endswith(".md")]
    wanted |= {name: designs.words(wanted[name].decode(), run.study).encode() for name in prose}
    unmade = _unmade(wanted) | _of_another_design(wanted, run)
    wanted = {name: content for name, content in wanted.items() if name not in unmade}
    pages = [name for name in wanted if name.endswith((".md", ".ipynb"))]
    words = Words("pages") if chinese else None
    wanted |= {name: _without_dead_links(wanted[name], wanted, unmade, words) for name in pages}
    toc = _toc(wanted, run)
    wanted["_toc.yml"] = _yaml(edition.contents(toc) if chinese else toc)
    has_slides = any(name.startswith(slides.FOLDER) for name in wanted)
    config = _config(run, banners)
    wanted["_config.yml"] = _yaml(edition.config(config, has_slides) if chinese else config)
    return wanted


def _prose(chinese: bool) -> dict[str, bytes]:
    """Pages of book/ and what they need, in one language."""
    book = REPOSITORY / "book"
    found = {name: content for name, content in files_in(book, book).items() if not name.startswith("zh/")}
    if not chinese:
        return found
    made = {".md": edition.prose, ".csv": edition.table}
    return {
        name: made[kind](name, content.decode()).encode()
        if (kind := PurePosixPath(name).suffix) in made
        else content
        for name, content in found.items()
    }


def lay_out(wanted: dict[str, bytes], source: Path) -> None:
    """Make a book's sources what is ``wanted``, by name; a file whose content is the same keeps its date."""
    for old in [path for path in source.rglob("*") if path.is_file() and path.name != "conf.py"]:
        if old.relative_to(source).as_posix() not in wanted:
            old.unlink()
    for name, content in wanted.items():
        path = source / name
        if not (path.is_file() and path.read_bytes() == content):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_bytes(content)


def made_pages(run: Run) -> dict[str, bytes]:
    """What each page module makes of the run: contents by name in the book's sources."""
    made: dict[str, bytes] = {}
    for page in (*PAGES, *(PAPER_PAGES if run.study.is_of_paper_design else ())):
        made |= page.staged_files(run)
    return made


def files_in(folder: Path, top: Path) -> dict[str, bytes]:
    """Contents of the files in ``folder``, by their place in ``top``."""
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in visible_files(folder)}


def _notebooks(run: Run, chinese: bool) -> dict[str, bytes]:
    paths = sorted(run.notebooks.glob("*.ipynb"))
    return {f"notebooks/{path.name}": _page(path, run, chinese) for path in paths}


def _page(path: Path, run: Run, chinese: bool) -> bytes:
    """An executed notebook without its times, so that the same results make the same page."""
    notebook = _executed(path)
    for cell in notebook.cells:
        _say_what_is_empty(cell)
    if chinese:
        edition.chapter(notebook, path.stem, run)
    designs.fit(notebook, run.study)
    figures.put_inline(notebook, run)
    drop_times(notebook)
    reading.open_with_figure(notebook)
    reading.fold_code(notebook)
    return nbformat.writes(notebook).encode()


def drop_times(notebook: NotebookNode) -> None:
    """Take out of an executed notebook when it was executed, and what is not for the page."""
    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("radbook", None)  # for `helpers.pages.downloads`
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)


def _say_what_is_empty(cell: NotebookNode) -> None:
    """A table without rows is told in words, not shown as headers above nothing."""
    for output in cell.get("outputs", []):
        shown = output.get("data", {})
        if "text/html" in shown:
            shown["text/html"] = _EMPTY_TABLE.sub(NO_ROWS, shown["text/html"])


def _executed(path: Path) -> NotebookNode:
    try:
        return nbformat.read(path, as_version=4)
    except (ValueError, KeyError, AttributeError, ValidationError):
        raise StudyError(
            f"notebooks/{path.name} of the run folder is damaged: repeat its chapter "
            f"(radbook run ... --from {path.name[:2]}). Everything else is kept."
        ) from None


def _unmade(staged: dict[str, bytes]) -> dict[str, str]:
    """Titles of the pages that include what this run has not made, by name: they have nothing to show."""
    include = re.compile(r"^```\{include\} (\S+)$", re.MULTILINE)
    pages = {name: content.decode() for name, content in staged.items() if name.endswith(".md")}
    return {
        name: _title(text)
        for name, text in pages.items()
        if not {(PurePosixPath(name).parent / part).as_posix() for part in include.findall(text)}
        <= set(staged)
    }


def _of_another_design(staged: dict[str, bytes], run: Run) -> dict[str, str]:
    """Titles of the pages that stand in the contents of no such study, by name; "" where nobody links."""
    if run.study.is_of_paper_design:
        return {}
    listed = {chapter["file"] for part in _contents(run)["parts"] for chapter in part["chapters"]}
    made = {name for name in staged if name.startswith(("reporting/", "interactive/"))}
    kept = made | {"index.md", "summary.md", "tour.md"}
    pages = {name for name in staged if name.endswith((".md", ".ipynb"))} - kept
    gone = {name for name in pages if name.rsplit(".", 1)[0] not in listed}
    return {name: _title(staged[name].decode()) for name in gone}


def _contents(run: Run) -> dict:
    """The table of contents for a study of this design, with pages as they are staged."""
    contents = designs.CONTENTS[run.study.is_of_paper_design].read_text(encoding="utf-8")
    return yaml.safe_load(contents.replace("book/", ""))


def _title(page: str) -> str:
    found = re.search(r"^# (.+)$", page, re.MULTILINE)
    return found[1] if found else ""


def _without_dead_links(
    page: bytes, staged: dict[str, bytes], unmade: dict[str, str], words: Words | None
) -> bytes:
    """The page with plain text in place of links to what this run has not executed or made."""

    def kept(link: re.Match) -> str:
        return link[0] if f"notebooks/{link['chapter']}.ipynb" in staged else link["text"] or ""

    links = r"\[(?P<text>[^][]+)\]\((?:\.\./)?(?:notebooks/)?(?P<chapter>\d\d_\w+)\.ipynb\)"
    cards = r"(?P<text>):link: /notebooks/(?P<chapter>\d\d_\w+)\n:link-type: doc\n"
    text = page.decode()
    for pattern in (links, cards):
        text = re.sub(pattern, kept, text)
    told = words.or_english(_NOT_MADE) if words else _NOT_MADE
    return (_without_unmade(text, unmade, told) if unmade else text).encode()


def _without_unmade(text: str, unmade: dict[str, str], told: str) -> str:
    """The text with titles in place of links to pages that are left out."""

    def named(link: re.Match) -> str:
        return link.groupdict().get("text") or f"{unmade[link['page'] + '.md']} ({told})"

    names = "|".join(name.removesuffix(".md") for name in unmade)
    target = rf"(?:\.\./|/)?(?P<page>{names})"
    text = re.sub(rf":link: /?(?:{names})\n:link-type: doc\n", "", text)
    text = re.sub(rf"\[(?P<text>[^][]*)\]\({target}\.md(?:#[^)]*)?\)", named, text)
    return re.sub(rf"\{{doc\}}`{target}`", named, text)


def _toc(staged: dict[str, bytes], run: Run) -> dict:
    """The table of contents without what this run has not executed or made."""
    toc = _contents(run)
    for part in toc["parts"]:
        part["chapters"] = [
            chapter
            for chapter in part["chapters"]
            if {f"{chapter['file']}.md", f"{chapter['file']}.ipynb"} & set(staged)
        ]
    toc["parts"] = [part for part in toc["parts"] if part["chapters"]]
    return toc


def _yaml(content: dict) -> bytes:
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False).encode()


def own_config() -> dict:
    """The book's configuration, with pages as they are staged."""
    return yaml.safe_load((REPOSITORY / "_config.yml").read_text(encoding="utf-8").replace("book/", ""))


def _config(run: Run, banners: list[str]) -> dict:
    config = own_config()
    config["sphinx"]["config"]["extensions"].append(places.EXTENSION)
    if not run.study.is_of_paper_design:
        config["title"] = run.study.title
    if banners:
        config["html"]["announcement"] = "<br>".join(banners)
    return config


def _banners(run: Run) -> list[str]:
    """What must stand on every page: that patients are made up, and what does not fit the run."""
    made_up = SIMULATED_BANNER
    if run.study.is_of_paper_design:
        made_up = VIRTUAL_BANNER.format(REAL_PATIENTS if real_patients.has_real_patients(run) else "")
    doubtful = doubts.banner(run)
    return [*([made_up] if run.study.is_virtual else []), *([doubtful] if doubtful else [])]
