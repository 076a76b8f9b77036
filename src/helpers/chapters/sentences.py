"""Numbers for a chapter's sentences: the prose holds none that is typed by hand."""

from __future__ import annotations

from collections.abc import Mapping

from myst_nb import glue


def say(numbers: Mapping[str, object], form: str = "") -> None:
    """Give numbers and words to the text, which says them by ``{glue:text}`` and their name.

    Parameters
    ----------
    numbers : mapping of str to object
        Values by name. Counts and words need no format.
    form : str
        Format of all the values, for example ".3f".
    """
    for name, value in numbers.items():
        # A plain text: MyST-NB would show a numpy number with its type.
        glue(name, format(value, form), display=False)
