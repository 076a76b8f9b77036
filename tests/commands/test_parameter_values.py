"""Every parameter of a notebook has a rule, its default keeps it, and a value that cannot be is told."""

import pytest
import yaml

from helpers.commands.parameter_values import RULES, value_problems
from helpers.commands.parameters import default_parameters
from helpers.study.places import REPOSITORY, STEPS


def test_the_defaults_of_all_notebooks_keep_the_rules_and_no_rule_is_left_over():
    defaults = {number: default_parameters(number) for number in STEPS}
    assert value_problems(defaults) == []
    names = {name for values in defaults.values() for name in values}
    assert {rule.split(".")[-1] for rule in RULES} == names


@pytest.mark.parametrize(
    "study",
    ["data/studies/quick.yml", "data/studies/real.yml", "data/studies/template.yml", "tests/data/tiny.yml"],
)
def test_the_studies_of_the_repository_keep_them(study):
    content = yaml.safe_load((REPOSITORY / study).read_text(encoding="utf-8"))
    assert value_problems(content["parameters"]) == []


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("01.training_share", 1.0, "a number above 0 and below 1"),
        ("04.folds", True, "a whole number, 2 or more"),
        ("04.folds", 2.5, "a whole number, 2 or more"),
        ("04.smote", True, "one of before, after, none"),
        ("05.smote", "none", "true or false"),
        ("04.icc_threshold", 1.0, "a number from 0 to below 1, or null"),
        ("04.spearman_threshold", 0, "a number above 0, 1 at most"),
        ("08.shown_thresholds", [0.1, 2], "a list of numbers above 0 and below 1"),
        ("08.band", [0.3, 0.1], "two numbers above 0 and below 1, the smaller first"),
        ("08.prevalences", [], "a list of numbers above 0 and below 1"),
        ("11.bundle", "nowhere", "the path of something that exists"),
    ],
)
def test_a_value_that_cannot_be_is_told_with_what_it_must_be(place, value, words):
    number, name = place.split(".")
    (problem,) = value_problems({number: {name: value}})
    assert problem == f"The parameter '{name}' of notebook {number} is {value!r}: it must be {words}."


@pytest.mark.parametrize(
    ("place", "value"), [("04.icc_threshold", None), ("04.spearman_threshold", 1), ("11.bundle", "")]
)
def test_ends_that_are_allowed(place, value):
    number, name = place.split(".")
    assert value_problems({number: {name: value}}) == []
