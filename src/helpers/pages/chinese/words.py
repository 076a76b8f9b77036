"""The table of words (data/words.yml): what Python writes into figures, tables and sentences, in Chinese."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType

import yaml

from helpers.study.places import REPOSITORY

TABLE = REPOSITORY / "data" / "words.yml"
COMMON, KEPT = "common", "kept"
_WORD = re.compile(r"[A-Za-z]{2,}")
_NUMBER = r"[-+−–±]?\d[\d.,e+-]*(?: ?%)?"
_NAME, _OWN = r"name\d*", "[^;]+?"  # no hospital's own words go on into the next part of a list
_PLACEHOLDER = re.compile(r"\\\{(\w+)\\\}")
_LISTS = {"; ": "；", ", ": "，"}


@dataclass(frozen=True)
class Pattern:
    """An entry of the table with {placeholders}.

    ``{n}``, ``{n1}`` ... stand for numbers; ``{name}``, ``{name1}`` ... for a hospital's or patient's own
    words, which stay; any other for words that are in the table themselves.
    """

    matches: re.Pattern
    chinese: str

    @classmethod
    @cache
    def of(cls, english: str, chinese: str) -> Pattern:
        """From an entry of the table."""

        def group(found: re.Match) -> str:
            name = found[1]
            kind = _NUMBER if re.fullmatch("n[0-9]*", name) else _OWN if re.fullmatch(_NAME, name) else ".+?"
            return f"(?P<{name}>{kind})"

        return cls(re.compile(_PLACEHOLDER.sub(group, re.escape(english).replace(r"\ ", " "))), chinese)


class Words:
    """The words of one page: those of its own section first, then the study's and the common ones.

    Attributes
    ----------
    missing : dict of str to str
        What was asked for and is not in the table, with the whole label that it was a line of.
    """

    def __init__(self, section: str, of_study: Mapping[str, str] = MappingProxyType({})):
        table = _table()
        own, common = table.get(section) or {}, table.get(COMMON) or {}
        self._exact = common | of_study | own
        entries = [*own.items(), *common.items()]
        entries = [entry for entry in entries if _PLACEHOLDER.search(re.escape(entry[0]))]
        entries.sort(key=lambda entry: -len(re.sub(r"\{\w+\}", "", entry[0])))
        self._patterns = [Pattern.of(english, chinese) for english, chinese in entries]
        self.missing: dict[str, str] = {}
        self._found = lru_cache(maxsize=None)(self._look_up)

    def chinese(self, text: str) -> str | None:
        """The text in Chinese, or as it is where it holds no words; None where the table does not have it."""
        return self._found(" ".join(text.split()))

    def or_english(self, text: str, label: str = "") -> str:
        """The text in Chinese, or as it is; ``label`` is what it is a line of."""
        found = self.chinese(text)
        if found is None:
            self.missing[text] = label or text
        return text if found is None else found

    def for_scripts(self) -> dict[str, object]:
        """The words as interactive/shared.js reads them: exact texts, and patterns in the order of trial."""
        patterns = [[one.matches.pattern.replace("(?P<", "(?<"), one.chinese] for one in self._patterns]
        return {"exact": self._exact, "patterns": patterns}

    def _look_up(self, text: str) -> str | None:
        if text in self._exact:
            return self._exact[text]
        if is_kept(text):
            return text
        for pattern in self._patterns:
            if (match := pattern.matches.fullmatch(text)) and (
                made := self._filled(pattern, match)
            ) is not None:
                return made
        return self._in_parts(text)

    def _filled(self, pattern: Pattern, match: re.Match) -> str | None:
        said = {name: self._said(name, part) for name, part in match.groupdict().items()}
        if any(part is None for part in said.values()):
            return None
        return re.sub(r"\{(\w+)\}", lambda place: said[place[1]], pattern.chinese)

    def _said(self, name: str, part: str) -> str | None:
        return part if re.fullmatch(rf"n\d*|{_NAME}", name) else self.chinese(part)

    def _in_parts(self, text: str) -> str | None:
        """A list of things that are in the table each."""
        for english, chinese in _LISTS.items():
            if english in text:
                parts = [self.chinese(part) for part in text.split(english)]
                return None if None in parts else chinese.join(parts)
        return None


def is_kept(text: str) -> bool:
    """Whether a text holds no word to translate: numbers, names, abbreviations."""
    return not _WORD.search(without_kept(text))


def without_kept(text: str) -> str:
    """The text with a full stop in place of what stays as it is."""
    return _kept().sub("。", text)


def has(text: str) -> bool:
    """Whether some page's section has the text as it is."""
    return any(text in section for name, section in _table().items() if name != KEPT and section)


@cache
def _table() -> dict[str, dict[str, str]]:
    return yaml.safe_load(TABLE.read_text(encoding="utf-8"))


@cache
def _kept() -> re.Pattern:
    return re.compile(rf"(?<![A-Za-z])(?:{'|'.join(_table()[KEPT])})(?![A-Za-z])")
