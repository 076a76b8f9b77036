"""Translated prose: each block of a chapter, page or template, and its Chinese counterpart in book/zh.

A file of book/zh is made of blocks, and before each stands what it is a translation of::

    <!-- cell 3: 3f2a9c0d1e22 -->

The first part is for people. The digits are those of the English block's SHA-256, and the block is found by
them alone: a block that was moved keeps its translation, one that was changed loses it. Code of the original
is not repeated: ``<!-- code 1 -->`` stands for the block's first listing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nbformat import NotebookNode

from helpers.study.content_hash import content_hash
from helpers.study.places import REPOSITORY

FOLDER = REPOSITORY / "book" / "zh"
_HEAD = re.compile(r"^<!-- (?P<name>[^:\n]+): (?P<state>[0-9a-f]{12}) -->\n", re.MULTILINE)
UNFINISHED = ("todo ", "old ")
_FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,}|:{3,})(?P<rest>.*)$")
_PLACE = re.compile(r"^ *<!-- code (\d+) -->$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A piece of English prose that is translated as a whole.

    Attributes
    ----------
    name : str
        For people: the cell or section.
    text : str
        In English, with its code.
    """

    name: str
    text: str

    @property
    def state(self) -> str:
        """Of which English text a translation is: 12 digits of SHA-256; line breaks and code do not count."""
        return content_hash(" ".join(self.short.split()))[:12]

    @property
    def short(self) -> str:
        """The text with places for its listings."""
        return _with_places(self.text)

    def in_chinese(self, translation: str) -> str:
        """The translation with the listings of the English block in their places."""
        code = listings(self.text)
        return _PLACE.sub(lambda place: code[int(place[1]) - 1], translation)


def listings(text: str) -> list[str]:
    """Blocks of code, which are not directives (those hold prose)."""
    found, open_directives, listing = [], [], []
    for line in text.splitlines():
        fence = _FENCE.match(line)
        if listing:
            listing.append(line)
            if line == listing[0].rstrip("abcdefghijklmnopqrstuvwxyz"):
                found.append("\n".join(listing))
                listing = []
        elif fence and fence["rest"].startswith("{"):
            open_directives.append(fence["marks"])
        elif fence and open_directives and not fence["rest"] and fence["marks"] == open_directives[-1]:
            open_directives.pop()
        elif fence and fence["marks"].startswith("`"):
            listing = [line]
    return found


def _with_places(text: str) -> str:
    for number, listing in enumerate(listings(text), 1):
        indent = re.match(" *", listing)[0]
        text = text.replace(listing, f"{indent}<!-- code {number} -->", 1)
    return text


def notebook_blocks(notebook: NotebookNode) -> list[Block]:
    """Prose of a chapter's cells, and the alternative texts of its figures."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found.append(Block(f"cell {cell.id}", cell.source))
        elif alternative := cell.metadata.get("mystnb", {}).get("image", {}).get("alt"):
            found.append(Block(f"alt {cell.id}", alternative))
    return found


def page_blocks(text: str) -> list[Block]:
    """What stands before the first heading of the second level, and each section."""
    parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    return [Block(f"section {number}", part) for number, part in enumerate(parts)]


def template_blocks(text: str) -> list[Block]:
    """Paragraphs of a template that hold words, with the code that stands among them."""
    parts = re.split(r"\n{2,}", text.strip("\n"))
    return [Block(f"part {number}", part) for number, part in enumerate(parts) if _has_words(part)]


def _has_words(part: str) -> bool:
    bare = re.sub(r"^ *(?::[\w-]+:|[:`]{3}).*$", " ", part, flags=re.MULTILINE)
    bare = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}|<[^>]+>|`[^`]*`", " ", bare, flags=re.DOTALL)
    return bool(re.search(r"[A-Za-z]{2,}", bare))


@cache
def translations(path: Path) -> dict[str, str]:
    """Chinese blocks of a file of book/zh by the state of what they translate; none where it is not there."""
    return {state: text for name, state, text in parts(path) if not name.startswith(UNFINISHED)}


def parts(path: Path) -> Iterator[tuple[str, str, str]]:
    """Name, state and text of each block of a file of book/zh, those to be done among them."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    heads = [*_HEAD.finditer(text)]
    ends = [*(head.start() for head in heads[1:]), len(text)]
    for head, end in zip(heads, ends, strict=False):
        yield head["name"], head["state"], text[head.end() : end].strip("\n")


def translated(text: str, path: Path, cut: Callable[[str], list[Block]]) -> str:
    """A page or template in which each block with a current translation is Chinese."""
    known = translations(path)
    for block in cut(text):
        if block.state in known:
            ending = re.search(r"\n*\Z", block.text)[0]
            text = text.replace(block.text, block.in_chinese(known[block.state]) + ending, 1)
    return text


def translate_cells(notebook: NotebookNode, path: Path) -> None:
    """Put the Chinese prose of book/zh, where it is current, into the cells of a chapter."""
    known = translations(path)
    for cell in notebook.cells:
        image = cell.metadata.get("mystnb", {}).get("image", {})
        if cell.cell_type == "markdown":
            block = Block("", cell.source)
            cell.source = block.in_chinese(known.get(block.state, cell.source))
        elif "alt" in image:
            image["alt"] = known.get(Block("", image["alt"]).state, image["alt"])
