"""The notebooks' parameters: declared, from the study file, from the command line."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import papermill
import yaml

from helpers.commands.parameter_values import value_problems
from helpers.errors import StudyError
from helpers.study.places import REPOSITORY, STEPS


def chosen_steps(first: str, last: str) -> list[str]:
    """Notebook numbers from ``first`` to ``last``, in order."""
    for number in {first, last} - {"99"}:
        if number not in STEPS:
            raise StudyError(f"There is no notebook '{number}'; there are {', '.join(STEPS)}.", "setting")
    return [number for number in STEPS if first <= number <= last]


def notebook_parameters(
    from_study: dict[str, dict], overrides: tuple[str, ...], common: dict[str, Any]
) -> dict[str, dict]:
    """Each notebook's parameters: those common to all that it declares, the study file's, the overrides.

    Raises
    ------
    StudyError
        For a notebook or a parameter name that does not exist, or a value that cannot be.
    """
    asked: dict[str, dict] = {number: dict(values) for number, values in from_study.items()}
    for text in overrides:
        target, equals, value = text.partition("=")
        number, dot, name = target.partition(".")
        if not (equals and dot):
            raise StudyError(
                f"'-p {text}' is not of the form NN.name=value, for example 04.mrmr_features=30.", "setting"
            )
        asked.setdefault(number, {})[name] = yaml.safe_load(value)
    declared = {number: _declared(number) for number in STEPS}
    for number, values in asked.items():
        if number not in declared:
            raise StudyError(
                f"Parameters are given for notebook '{number}'; there are {', '.join(STEPS)}.", "setting"
            )
        unknown = sorted(set(values) - set(declared[number]))
        if unknown:
            known = ", ".join(sorted(set(declared[number]) - set(common)))
            raise StudyError(f"Notebook {number} has no parameter '{unknown[0]}'; it has {known}.", "setting")
    if wrong := value_problems(asked):
        raise StudyError("\n".join(wrong), "setting")
    return {
        number: {name: value for name, value in common.items() if name in names} | asked.get(number, {})
        for number, names in declared.items()
    }


def default_parameters(number: str) -> dict[str, Any]:
    """What a notebook's parameters are when nobody says otherwise."""
    declared = papermill.inspect_notebook(notebook_source(number))
    return {name: ast.literal_eval(parameter["default"]) for name, parameter in declared.items()}


def _declared(number: str) -> list[str]:
    return list(papermill.inspect_notebook(notebook_source(number)))


def notebook_source(step: str) -> Path:
    """The notebook of the repository; the run folder holds the executed one of the same name."""
    return REPOSITORY / "notebooks" / f"{STEPS[step]}.ipynb"
