"""English sentences on a Chinese page: what a reader of that edition would stumble over.

A sentence, here, is four English words in a row, at least two of them in small letters, and none of them kept
as it is (`kept` in data/words.yml). Code, references, formulas and drawings are not looked at.
"""

from __future__ import annotations

import re

from bs4 import BeautifulSoup, NavigableString, Tag

from helpers.pages.chinese.words import without_kept

_SKIPPED = "script, style, code, pre, math, .math, .citation-list, .citation, a.reference.internal.citation"
# The last three repeat headings, of other pages too.
_SKIPPED += ", [lang=en], svg, mjx-container, .prev-next-area, .bd-sidebar-primary nav"
_SKIPPED += ", .bd-sidebar-secondary"
_BLOCKS = "p, li, td, th, h1, h2, h3, h4, figcaption, summary, dt, dd, caption, title, option, label, div"
_BLOCKS += ", span"
_RUN = re.compile(r"[A-Za-z][A-Za-z'’-]*(?:[ ,;:]+[A-Za-z][A-Za-z'’-]*){3,}")
_SMALL = re.compile(r"\b[a-z][a-z'’-]+\b")


def english_sentences(page: str) -> list[str]:
    """The English sentences of a page of the built book and of its alternative texts, each once."""
    soup = BeautifulSoup(page, "html.parser")
    for part in soup.select(_SKIPPED):
        part.decompose()
    texts = [image.get("alt", "") for image in soup.select("img")]
    texts += ["".join(_own_text(block)) for block in soup.select(_BLOCKS)]
    found = (run for text in texts for run in _RUN.findall(without_kept(" ".join(text.split()))))
    return list(dict.fromkeys(run for run in found if len(_SMALL.findall(run)) >= 2))


def _own_text(block: Tag) -> list[str]:
    """The text of a block, with that of its inline parts, without that of blocks in it."""
    texts = []
    for child in block.children:
        if type(child) is NavigableString:
            texts.append(str(child))
        elif isinstance(child, Tag):
            texts += _own_text(child) if child.name in ("em", "strong", "a", "b", "i") else [" 。 "]
    return texts
