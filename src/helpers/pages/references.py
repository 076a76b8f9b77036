"""References by author and year: a Sphinx extension for their list, and citations outside of the book."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from pybtex.database import parse_file
from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style
from pybtex.style.labels import BaseLabelStyle

from helpers.study.places import REPOSITORY

if TYPE_CHECKING:
    from pybtex.database import Entry, Person
    from sphinx.application import Sphinx

NAME = "cited"
_CITED = re.compile(r"\{cite(?P<kind>:\w)?\}`(?P<keys>[^`]+)`")


class AuthorYear(BaseLabelStyle):
    """Labels like "Jang et al., 2019"."""

    def format_labels(self, sorted_entries: list[Entry]) -> Iterator[str]:
        """Label of each entry."""
        for entry in sorted_entries:
            people = entry.persons.get("author") or entry.persons.get("editor") or []
            yield ", ".join([*filter(None, [_names(people)]), entry.fields.get("year", "n. d.")])


def _names(people: list[Person]) -> str:
    names = [" ".join(map(str, person.rich_last_names)) for person in people]
    return f"{names[0]} et al." if len(names) > 2 else " and ".join(names)


class Cited(Style):
    """pybtex's plain style with these labels."""

    default_label_style = NAME


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    register_plugin("pybtex.style.labels", NAME, AuthorYear)
    register_plugin("pybtex.style.formatting", NAME, Cited)
    return {"parallel_read_safe": True}


@cache
def _labels() -> dict[str, str]:
    """Label of each reference, by its key."""
    entries = parse_file(str(REPOSITORY / "book" / "references.bib")).entries
    return dict(zip(entries, AuthorYear().format_labels(list(entries.values())), strict=True))


def cited(text: str) -> str:
    """The text with its citations in words, as the book shows them."""

    def named(role: re.Match) -> str:
        labels = [_labels().get(key.strip(), key.strip()) for key in role["keys"].split(",")]
        if role["kind"] == ":t":
            return " and ".join(label.rpartition(", ")[0] for label in labels)
        return f"({'; '.join(labels)})"

    return _CITED.sub(named, text)
