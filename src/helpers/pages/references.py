"""A Sphinx extension: the list of references is labelled by author and year, as the text cites."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style
from pybtex.style.labels import BaseLabelStyle

if TYPE_CHECKING:
    from pybtex.database import Entry, Person
    from sphinx.application import Sphinx

NAME = "cited"


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
