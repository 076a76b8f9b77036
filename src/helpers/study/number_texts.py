"""Numbers as a reader meets them: the two ends of an interval, an estimate with its interval, a P value."""

from __future__ import annotations

import numpy as np

NOT_ESTIMABLE = "not estimable"


def span(low: float, high: float, form: str = ".2f") -> str:
    """Two ends, as "0.72 to 0.88"; no line begins with the second."""
    return f"{low:{form}} to\xa0{high:{form}}"


def estimate_text(estimate: float, low: float, high: float, form: str = ".2f") -> str:
    """An estimate and its interval, as "0.80 (0.72 to 0.88)"; only the estimate takes a ``+`` of ``form``.

    Ends that meet are no interval: the AUC of patients whom a model tells apart has no variance.
    """
    if not np.isfinite(estimate):
        return NOT_ESTIMABLE
    is_there = np.isfinite([low, high]).all() and low < high
    ends = span(low, high, form.replace("+", "")) if is_there else "no interval"
    return f"{estimate:{form}} ({ends})"


def p_text(p: float) -> str:
    """A P value as the paper prints it, as "0.013" or "<0.001"; "" where there is none."""
    if np.isnan(p):
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"
