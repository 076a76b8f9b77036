"""The sources of the Chinese edition: the English ones, with Chinese in place of what is translated."""

from __future__ import annotations

import csv
import io
import re

from nbformat import NotebookNode

from helpers.pages.chinese import blocks, shown
from helpers.pages.chinese.words import Words
from helpers.study.run_folder import Run
from helpers.study.study_file import Study

# The English edition has them; this one's pages name them there. Slides are of one language.
_SHARED, _OWN = "extra/", "extra/slides/"
_SCRIPT = re.compile(r'(?<=<script defer src=")(?=interactive/|vendor/)')


def prose(name: str, text: str) -> str:
    """A page of book/ with its Chinese sections."""
    return blocks.translated(text, blocks.FOLDER / name, blocks.page_blocks)


def table(name: str, text: str) -> str:
    """A CSV table of book/ in the words of its page (the section `ibsi` for ibsi_absent.csv)."""
    words, made = Words(name.split("_")[0]), io.StringIO()
    rows = ([words.or_english(cell) for cell in row] for row in csv.reader(io.StringIO(text)))
    csv.writer(made, lineterminator="\n").writerows(rows)
    return made.getvalue()


def chapter(notebook: NotebookNode, name: str, run: Run) -> Words:
    """Make an executed chapter Chinese, its prose and what its code showed; returns the words of its page."""
    blocks.translate_cells(notebook, blocks.FOLDER / "notebooks" / f"{name}.md")
    words = Words(name[:2], of_study(run.study))
    shown.translate_outputs(notebook, words, run)
    return words


def of_study(study: Study) -> dict[str, str]:
    """A study's own words for its outcome, as the study file gives them."""
    outcome = study.outcome
    named = {
        getattr(outcome, name): getattr(outcome, f"{name}_zh") for name in ("name", "positive", "negative")
    }
    named[study.title] = study.title
    return named | {english[:1].upper() + english[1:]: chinese for english, chinese in named.items()}


def contents(toc: dict) -> dict:
    """The table of contents with Chinese captions."""
    words = Words("contents")
    for part in toc["parts"]:
        part["caption"] = words.or_english(part["caption"])
    return toc


def beside_english(wanted: dict[str, bytes]) -> dict[str, bytes]:
    """Sources without the scripts of the English edition, and pages that load them there, one folder up."""
    shared = {name for name in wanted if name.startswith(_SHARED) and not name.startswith(_OWN)}
    kept = {name: content for name, content in wanted.items() if name not in shared}
    pages = [name for name in kept if name.endswith(".md")]
    return kept | {name: _SCRIPT.sub("../", kept[name].decode()).encode() for name in pages}


def config(english: dict, has_slides: bool) -> dict:
    """The settings of the build for a Chinese book: Sphinx's own words, titles, notices, search."""
    words, html, sphinx = Words("contents"), english["html"], english["sphinx"]["config"]
    english["title"] = words.or_english(english["title"])
    html["extra_footer"] = words.or_english(html["extra_footer"].strip())
    if "announcement" in html:
        html["announcement"] = "<br>".join(map(words.or_english, html["announcement"].split("<br>")))
    sphinx["language"] = "zh_CN"
    sphinx["nb_code_prompt_show"], sphinx["nb_code_prompt_hide"] = "显示代码", "隐藏代码"
    sphinx["togglebutton_hint"], sphinx["togglebutton_hint_hide"] = "点击展开", "点击收起"
    sphinx["html_search_language"] = "zh"
    sphinx["mathjax_path"] = "../" + sphinx["mathjax_path"]
    if not has_slides:
        del sphinx["html_extra_path"]
    return english
