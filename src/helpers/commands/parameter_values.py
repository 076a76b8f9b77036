"""Which values the notebooks' parameters may have: a rule a name, whichever notebook has it.

What can be seen of a value alone is said here, before anything runs; what depends on the patients, such as
folds for which they are too few, the chapters find.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

from helpers.learning.lasso import Family
from helpers.learning.ranking import SCHEMES
from helpers.learning.selection import LAMBDAS, SMOTE_WAYS
from helpers.study.places import REPOSITORY


class Rule(NamedTuple):
    """What a value must be: as a test, and in words."""

    holds: Callable[[Any], bool]
    words: str


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)  # True is no number here


def _whole(lowest: int) -> Rule:
    return Rule(lambda value: type(value) is int and value >= lowest, f"a whole number, {lowest} or more")


def _between(low: float, high: float) -> Rule:
    words = f"a number above {low:g} and below {high:g}"
    return Rule(lambda value: _is_number(value) and low < value < high, words)


def _up_to(high: float) -> Rule:
    words = f"a number above 0, {high:g} at most"
    return Rule(lambda value: _is_number(value) and 0 < value <= high, words)


def _one_of(choices: Sequence[str]) -> Rule:
    return Rule(lambda value: value in choices, f"one of {', '.join(choices)}")


def _is_share_or_none(value: Any) -> bool:
    return value is None or (_is_number(value) and 0 <= value < 1)


def _are_shares(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(map(_between(0, 1).holds, values))


def _is_band(values: Any) -> bool:
    return _are_shares(values) and len(values) == 2 and values[0] < values[1]


def _is_there(path: Any) -> bool:
    return isinstance(path, str) and (path == "" or (REPOSITORY / Path(path).expanduser()).exists())


_YES_NO = Rule(lambda value: isinstance(value, bool), "true or false")
_SHARE = _between(0, 1)
_SOME, _SEVERAL = _whole(1), _whole(2)
_PLACE = Rule(_is_there, "the path of something that exists")
RULES: dict[str, Rule] = {
    "training_share": _SHARE,
    "alpha": _SHARE,
    "threshold_step": _between(0, 0.5),
    "shown_thresholds": Rule(_are_shares, "a list of numbers above 0 and below 1"),
    "band": Rule(_is_band, "two numbers above 0 and below 1, the smaller first"),
    "prevalences": Rule(_are_shares, "a list of numbers above 0 and below 1"),
    "icc_threshold": Rule(_is_share_or_none, "a number from 0 to below 1, or null"),
    "mann_whitney_p": _up_to(1),
    "spearman_threshold": _up_to(1),
    "mrmr_features": _SOME,
    "mrmr_scheme": _one_of(SCHEMES),
    "lasso_family": _one_of(get_args(Family)),
    "lasso_lambda": _one_of(LAMBDAS),
    "04.smote": _one_of(SMOTE_WAYS),
    "05.smote": _YES_NO,
    "folds": _SEVERAL,
    "workers": _whole(0),
    "resamples": _SOME,
    "repeats": _SOME,
    "permutations": _SOME,
    "bootstrap_resamples": _SEVERAL,
    "muscle_patients": _SOME,
    "combat": _YES_NO,
    "accept_differences": _YES_NO,
    "patients": _SOME,
    "16.patients": _whole(8),
    "hospitals": _SOME,
    "patients_1": _SOME,
    "patients_2": _SOME,
    "rescanned": _SOME,
    "stored": _SOME,
    "draws": _SOME,
    "features_every": _SOME,
    **dict.fromkeys(("study", "run_dir"), Rule(lambda value: isinstance(value, str), "a path")),
    **dict.fromkeys(("bundle", "new_study", "real_study", "pooled", "numbers", "design"), _PLACE),
}


def value_problems(parameters: dict[str, dict[str, Any]]) -> list[str]:
    """What is wrong with parameters (by notebook number: name and value), one sentence each."""
    found = []
    for number, values in parameters.items():
        for name, value in values.items():
            rule = RULES.get(f"{number}.{name}") or RULES[name]
            if not rule.holds(value):
                told = f"The parameter '{name}' of notebook {number} is {value!r}"
                found.append(f"{told}: it must be {rule.words}.")
    return found
