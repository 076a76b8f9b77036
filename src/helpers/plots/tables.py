"""Tables as a notebook shows them: what stands in a cell or a header is text, never markup.

A study's tables hold words that came from a hospital's files. pandas escapes them in a plain table, in a
styled one only where each call asks for it.
"""

from __future__ import annotations

import copy
import html

import pandas as pd
from IPython import get_ipython
from pandas.io.formats.style import Styler


def escape_styled_tables() -> None:
    """Let this notebook show styled tables by `escaped_html`; nothing happens outside a notebook."""
    shell = get_ipython()
    if shell is not None:
        shell.display_formatter.formatters["text/html"].for_type(Styler, escaped_html)


def escaped_html(styled: Styler) -> str:
    """A styled table as HTML in which cells, headers and their names are plain text.

    Parameters
    ----------
    styled : Styler
        Not changed. Its formats get escaped texts; styles by column names are not supported for columns whose
        names hold markup.
    """
    plain = copy.copy(styled)
    plain.data = escaped(styled.data)
    plain.index, plain.columns = plain.data.index, plain.data.columns
    return plain.to_html()


def escaped(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its texts, headers, index and their names escaped for HTML."""
    names = {"index": table.index.names, "columns": table.columns.names}
    plain = table.map(_escaped).rename(index=_escaped, columns=_escaped)
    return plain.rename_axis(**{axis: [_escaped(name) for name in given] for axis, given in names.items()})


def _escaped(value: object) -> object:
    # Quotation marks are plain outside of attributes, and stay as they are for formats that look at texts.
    return html.escape(value, quote=False) if isinstance(value, str) else value
