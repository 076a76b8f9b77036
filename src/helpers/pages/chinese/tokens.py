"""What a translation must have in common with its English: everything that is not words."""

from __future__ import annotations

import re
from collections import Counter

from helpers.pages.chinese.blocks import Block, listings
from helpers.pages.chinese.words import has

_CODE = re.compile(r"(?:\{(?P<role>[\w:.-]+)\})?(?<!`)`(?!`)(?P<text>[^`]+)`(?!`)")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*(?![\w])")
_EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_IN_WORDS = 12  # whole numbers up to here may be written in words
# As often as in the English.
_COUNTED = {
    "marks": re.compile(r"<!-- ?(/?[a-z ]+?):?(?= | -->)"),
    "directives": re.compile(r"^ *[`:]{3,}(\{[\w-]+\}(?: [\w./-]*\.\w+)?)", re.MULTILINE),
    "headings": re.compile(r"^(#+) ", re.MULTILINE),
    "labels": re.compile(r"^\(([\w-]+)\)=$", re.MULTILINE),
    "options": re.compile(r"^ *(:(?!alt)[\w-]+:.*)$", re.MULTILINE),
    "rows of tables": re.compile(r"^ *(\|)", re.MULTILINE),
    "list items": re.compile(r"^ *(?:-|\d+\.) ", re.MULTILINE),
    "displayed formulas": re.compile(r"\$\$(.+?)\$\$", re.DOTALL),
}
# At least once each, and no others.
_NAMED = {
    "links": re.compile(r"\]\(([^)\s]+)\)"),
    "addresses": re.compile(r"<(https?:[^>]+)>"),
    "formulas": re.compile(r"(?<![$\\])\$([^$\n]+)\$(?!\$)"),
}


def differences(block: Block, translation: str) -> list[str]:
    """What the translation of a block lacks or adds, in words; empty when it fits.

    Compared are glued values, references and other roles, links, anchors, formulas, marks of designs,
    directives and their options, headings, rows and items, listings, code within lines, a template's code,
    and numbers (which a translation may have more of, and write in words up to twelve).
    """
    english, chinese = _tokens(block.short), _tokens(translation)
    found = []
    for kind, wanted in english.items():
        if kind == "numbers":
            lacks, adds = wanted - chinese[kind], Counter()
        else:
            lacks, adds = wanted - chinese[kind], chinese[kind] - wanted
        if kind == "code":  # a column may be named as the Chinese table heads it
            lacks, adds = Counter({name: 1 for name in lacks if not has(name)}), Counter()
        found += [f"{kind}: lacks {list(lacks.elements())}"] * bool(lacks)
        found += [f"{kind}: adds {list(adds.elements())}"] * bool(adds)
    return found


def _tokens(text: str) -> dict[str, Counter[str]]:
    number_of_listings = len(listings(text)) + len(re.findall(r"<!-- code \d+ -->", text))
    found = {"listings": Counter({"listing": number_of_listings})}
    for listing in listings(text):
        text = text.replace(listing, "")
    text = re.sub(r" *<!-- code \d+ -->", "", text)
    found["template's code"] = Counter(set(_said(text)))
    text = _EXPRESSION.sub(" ", text)
    for kind, pattern in _COUNTED.items():
        found[kind] = Counter(pattern.findall(text))
    for kind, pattern in _NAMED.items():
        found[kind] = Counter(set(pattern.findall(text)))
    coded = [*_CODE.finditer(text)]
    found["roles"] = Counter(f"{one['role']} {_target(one['text'])}" for one in coded if one["role"])
    found["code"] = Counter({re.sub(r"<[^>]+>", "<>", one["text"]) for one in coded if not one["role"]})
    found["numbers"] = Counter(set(_numbers(text)))
    return found


def _said(text: str) -> list[str]:
    """A template's expressions without texts; a study's words may be said in their Chinese form."""
    bare = [re.sub(r'"[^"]*"', '""', part).replace("_zh", "") for part in _EXPRESSION.findall(text)]
    return [" ".join(part.split()) for part in bare]


def _target(target: str) -> str:
    """What a role leads to, without the words that it shows."""
    shown = re.search(r"<([^>]+)>$", target)
    return shown[1] if shown else target


def _numbers(text: str) -> list[str]:
    for pattern in (*_NAMED.values(), _CODE, *_COUNTED.values()):
        text = pattern.sub(" ", text)
    found = [number.replace(",", "") for number in _NUMBER.findall(text)]
    return [number for number in found if not (number.isdigit() and int(number) <= _IN_WORDS)]
