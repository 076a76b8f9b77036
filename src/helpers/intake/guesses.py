"""What was guessed of a folder, why, and how sure it is; words come later, in two languages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from helpers.study.study_file import OPEN

# sure: what a header says and the content bears out. likely: one of the two. open: a person decides.
Sureness = Literal["sure", "likely", "open"]


class Said(NamedTuple):
    """A sentence of `helpers.intake.words` by its key, and what stands in its gaps: headers and counts."""

    key: str
    values: dict[str, object] = {}


def quoted(headers: Iterable[str]) -> str:
    """Headers for the gap of a sentence."""
    return ", ".join(f"'{header}'" for header in headers)


def said(key: str, **values: object) -> Said:
    """A sentence with its gaps filled."""
    return Said(key, values)


@dataclass(frozen=True)
class Guess:
    """One value of the study file.

    Attributes
    ----------
    value : object
        As it is written into the study file; `helpers.study.study_file.OPEN` where a person decides.
    sure : {"sure", "likely", "open"}
    why : tuple of Said
        The evidence, or what to do.
    """

    value: object
    sure: Sureness
    why: tuple[Said, ...] = field(default=())


def surely(value: object, key: str, **values: object) -> Guess:
    """A value of which header and content agree, with the sentence that says so."""
    return Guess(value, "sure", (said(key, **values),))


def likely(value: object, key: str, **values: object) -> Guess:
    """A value that a person should look at, with the sentence that says why."""
    return Guess(value, "likely", (said(key, **values),))


def undecided(key: str, **values: object) -> Guess:
    """What a person decides, with the sentence that says how."""
    return Guess(OPEN, "open", (said(key, **values),))
