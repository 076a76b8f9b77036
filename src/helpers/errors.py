"""The one exception that users are meant to read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

# What an error is about. Who is refused is counted by this, never by the words of the message.
Kind = Literal[
    "missing file",
    "image",
    "mask",
    "double",  # the scan or mask of another patient
    "layer",  # of a vertebra that is drawn
    "level",  # T12 or L1
    "fracture",
    "metal",
    "contrast",
    "features",  # none in a ready table, or none that can be used
    "table",  # of patients
    "setting",  # of the study file, of the extraction, of a notebook
    "other",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


class StudyError(ValueError):
    """Something in a study that its owner can mend.

    The message is one or a few plain sentences: the patient (pseudonym) or file (as the study file
    names it), what is wrong, and what to do about it.

    Parameters
    ----------
    message : str
    kind : Kind
        What it is about; "other" where nobody sorts by it.
    """

    def __init__(self, message: str, kind: Kind = "other") -> None:
        super().__init__(message)
        self.kind = kind


@contextmanager
def naming(place: str, kind: Kind = "other") -> Iterator[None]:
    """Put ``place`` before the message of a `StudyError` raised within.

    A reader says what is wrong with what it reads; who calls it knows which patient's file that is.

    Parameters
    ----------
    place : str
        Patient and file as the message may name them.
    kind : Kind
        What is read here, for errors without a kind of their own.

    Raises
    ------
    StudyError
    """
    try:
        yield
    except StudyError as error:
        own = kind if error.kind == "other" else error.kind
        raise StudyError(f"{place}: {error}", own) from error
