"""What Sphinx does in a book of two editions: a switch on each page, and the same anchors in both.

An extension of Sphinx: both editions load it, the Chinese one is known by its language.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path, PurePosixPath
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.search.zh import SearchChinese
from sphinx.transforms import SphinxTransform

EXTENSION = "helpers.pages.chinese.places"
CHINESE = "zh"  # folder of the Chinese edition in the English one's html, and of what it is made of
_NAMES = {True: ("English", "en"), False: ("中文", "zh-CN")}
_HEADER = ["language.html", "article-header-buttons.html"]
_MADE_BY_SPHINX = {"search", "genindex"}


def is_chinese(app: Sphinx) -> bool:
    """Whether this is the build of the Chinese edition."""
    return app.config.language.startswith(CHINESE)


def _other(app: Sphinx) -> Path:
    """The folder with source/ and doctrees/ of the other edition."""
    book = Path(app.srcdir).parent
    return book.parent if is_chinese(app) else book / CHINESE


def other_page(app: Sphinx, page: str) -> str:
    """Address, from a page, of the same page in the other edition; of its first page where there is none."""
    sources = _other(app) / "source"
    has_it = page in _MADE_BY_SPHINX or any(
        (sources / f"{page}.{kind}").is_file() for kind in ("md", "ipynb")
    )
    up = "../" * len(PurePosixPath(page).parent.parts)
    return up + ("../" if is_chinese(app) else f"{CHINESE}/") + (page if has_it else "index") + ".html"


def _add_switch(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.Node | None
) -> None:
    name, language = _NAMES[is_chinese(app)]
    context["other_edition"] = {"name": name, "language": language, "page": other_page(app, page)}


def _add_header(app: Sphinx, config: Config) -> None:
    config.templates_path.append(str(Path(__file__).parent / "theme"))
    config.html_theme_options["article_header_end"] = _HEADER
    if config.language.startswith(CHINESE):
        config.html_theme_options["search_bar_text"] = "在本书中搜索"


class SameAnchors(SphinxTransform):
    """Give Chinese headings the anchors of the English ones, so that links hold in both editions."""

    default_priority = 840  # before Sphinx and MyST note what can be linked to

    def apply(self, **kwargs: object) -> None:
        """For each heading of the page, in order; a page whose headings differ in number is left alone."""
        if not is_chinese(self.app):
            return
        theirs = _english_slugs(self.app).get(self.env.docname, {})
        ours = getattr(self.document, "myst_slugs", {})
        if len(theirs) != len(ours):
            return
        renamed = {}
        for (slug, (_, name, _)), (line, old, text) in zip(theirs.items(), ours.values(), strict=True):
            self._rename(old, name)
            renamed[slug] = (line, name, text)
        self.document.myst_slugs = renamed
        self.env.metadata[self.env.docname]["myst_slugs"] = renamed

    def _rename(self, old: str, new: str) -> None:
        heading = self.document.ids[old]
        heading["ids"] = [new if name == old else name for name in heading["ids"]]
        self.document.ids[new] = heading
        for name, known in self.document.nameids.items():
            if known == old:
                self.document.nameids[name] = new


def _english_slugs(app: Sphinx) -> dict[str, dict[str, tuple[int, str, str]]]:
    """Headings of each English page by their slugs, as the English build left them."""
    known = getattr(app, "radbook_english_slugs", None)
    if known is None:
        with (_other(app) / "doctrees" / "environment.pickle").open("rb") as file:
            metadata = pickle.load(file).metadata
        known = {name: facts.get("myst_slugs", {}) for name, facts in metadata.items()}
        app.radbook_english_slugs = known
    return known


class SearchPairs(SearchChinese):
    """Finds Chinese without a dictionary: words are pairs of neighbouring characters."""

    js_splitter_code = """
function splitQuery(query) {
  const pairs = (run) => (run.length < 2 ? [run] : [...run].slice(1).map((next, i) => [...run][i] + next));
  const runs = query.match(/\\p{Script=Han}+|[a-zA-Z0-9_]+/gu) || [];
  return runs.flatMap((run) => (/\\p{Script=Han}/u.test(run) ? pairs(run) : [run]));
}
"""

    def init(self, options: dict[str, str]) -> None:
        """Called by Sphinx, which looks through all Latin words for every word of the book: here in a set."""
        super().init(options)
        self.latin_terms: set[str] = set()

    def split(self, input: str) -> list[str]:
        """Latin words, and each two Chinese characters that stand side by side."""
        found = self.latin1_letters.findall(input)
        self.latin_terms.update(found)
        for run in re.findall(r"[\u3400-\u9fff]+", input):
            found += [run[start : start + 2] for start in range(max(1, len(run) - 1))]
        return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_transform(SameAnchors)
    app.add_search_language(SearchPairs)
    app.connect("config-inited", _add_header)
    app.connect("html-page-context", _add_switch)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
