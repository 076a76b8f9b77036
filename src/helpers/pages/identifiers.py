"""Raw identifiers and the ways in which they are written: names, numbers, paths and days, found in a text."""

from __future__ import annotations

import datetime
import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from functools import cached_property

from helpers.patients.spellings import MONTHS

_HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_LETTER = rf"[^\W\d_{_HAN}]"
_WORD = re.compile(rf"\d+|[{_HAN}]|{_LETTER}+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_ACCENT = re.compile(r"[\u0300-\u036f]")
_YEAR = re.compile("(?:19|20)[0-9]{2}")
_GAP = r"(?:[^\w<>]|_){0,3}"
# Names in one word are a form of their own; tones may be numbers: zhang1wei3.
_BETWEEN_NAMES = r"(?:[1-5](?:[^\w<>]|_){0,3}|(?:[^\w<>]|_){1,3})"
# Telephone numbers and national identity numbers, as people divide them.
_DIGIT_GROUPS = {10: [(3, 3, 4)], 11: [(3, 4, 4), (3, 3, 5)], 18: [(6, 8, 4), (6, 4, 4, 4)]}
_SYLLABLE = re.compile(
    "(?:zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?"
    "(?:iang|iong|uang|ang|eng|ing|ong|ian|iao|uai|uan|ai|an|ao|ei|en|er|ia|ie|in|iu|ou|ua|ue|ui|un|uo|ve|[aeiouv])"
)
_MONTH = rf"(?P<word>(?:{'|'.join(MONTHS)})[a-z]{{0,6}})\.?"
_Y, _M, _D = r"(?P<y>(?:19|20)\d\d)", r"(?P<m>[01]?\d)", r"(?P<d>[0-3]?\d)"
_FEW = 20
_TH, _GAPS = "(?:st|nd|rd|th)?", "[-/., ]{0,2}"
_DAYS = [
    re.compile(rf"(?<![\d.]){_Y}(?P<gap>[-/._]|\s?年\s?){_M}(?:(?P=gap)|\s?月\s?){_D}(?!\d|\.\d)"),
    re.compile(rf"(?<![\d.]){_Y}(?P<m>[01]\d)(?P<d>[0-3]\d)(?:\d{{4}}|\d{{6}})?(?!\d|\.\d{{3}})"),
    re.compile(rf"(?<![\d.]){_D}(?P<gap>[-/._]){_M}(?P=gap){_Y}(?!\d)"),
    re.compile(rf"(?<![\d.]){_M}(?P<gap>[-/._]){_D}(?P=gap){_Y}(?!\d)"),
    re.compile(rf"(?<!\d){_D}{_TH}{_GAPS}{_MONTH}{_GAPS}{_Y}(?!\d)"),
    re.compile(rf"(?<![a-z]){_MONTH}{_GAPS}{_D}{_TH}[-/., ]{{1,2}}{_Y}(?!\d)"),
    re.compile(rf"(?<!\d){_Y}{_GAPS}{_MONTH}{_GAPS}{_D}(?!\d)"),
]


def folded(text: str) -> str:
    """Small letters without tones and accents, full-width characters as plain ones, nothing invisible."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold()
    return unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFD", plain))).lower()


def days(text: str) -> set[datetime.date]:
    """The days that a folded text names, in any common style; both where 03/04/2024 could be two."""
    around = (text[max(0, year.start() - 24) : year.end() + 24] for year in _YEAR.finditer(text))
    hits = (hit for part in set(around) for pattern in _DAYS for hit in pattern.finditer(part))
    return set(filter(None, (_day(hit) for hit in hits if not _by_chance(hit))))


def _day(hit: re.Match) -> datetime.date | None:
    parts = hit.groupdict()
    month = 1 + MONTHS.index(parts["word"][:3]) if "word" in parts else int(parts["m"])
    try:
        return datetime.date(int(parts["y"]), month, int(parts["d"]))
    except ValueError:
        return None


@dataclass(frozen=True)
class Identifier:
    """What must not be read outside private/: a patient's number or name, or the user's folder.

    Its words are found whatever stands between them (``Zhang^Wei`` as "Zhang Wei" or "zhang_wei"), in any
    case. A word is a run of digits, a run of letters, or one Chinese character. A path is found as it
    is, with either slash. All texts are `folded` ones.
    """

    text: str
    whose: str
    is_path: bool = False

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Its words in small letters."""
        return tuple(_WORD.findall(folded(self.text)))

    @cached_property
    def is_distinctive(self) -> bool:
        """Whether it stands in a text by a leak only, not by chance.

        So are paths, numbers from 6 digits, two Chinese characters, 5 letters and digits, names of two words
        and 4 letters, and single words from 5 letters.
        """
        digits = sum(len(word) for word in self.words if word.isdecimal())
        han = sum(map(_is_han, self.words))
        letters = sum(map(len, self.words)) - digits - han
        if digits:
            return self.is_path or digits >= 6 or han >= 2 or (letters > 0 and letters + digits >= 5)
        return self.is_path or han >= 2 or letters >= 5 or (letters >= 4 and len(self.words) > 1)

    @cached_property
    def forms(self) -> list[tuple[str, ...]]:
        """The words in the order and pieces in which they may be written; the first is as they are."""
        found = {self.words: None}
        if not self.is_path and len(self.words) == 1 and self.words[0].isdecimal():
            found |= dict.fromkeys(_in_groups(self.words[0]))
        elif not self.is_path and 1 < len(self.words) <= 6 and not any(map(str.isdecimal, self.words)):
            found |= dict.fromkeys(_orders(self.text))
        return list(found)


def _numbers_or_han(words: tuple[str, ...]) -> bool:
    return any(word.isdecimal() or _is_han(word) for word in words)


def _is_han(word: str) -> bool:
    return re.match(f"[{_HAN}]", word) is not None


def _in_groups(digits: str) -> Iterator[tuple[str, ...]]:
    for sizes in _DIGIT_GROUPS.get(len(digits), []):
        ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
        yield tuple(digits[end - size : end] for size, end in zip(sizes, ends, strict=True))


def _orders(name: str) -> Iterator[tuple[str, ...]]:
    """A name from the given name on, in one word, and by syllables; only what does not happen by chance."""
    parts = [tuple(_WORD.findall(part)) for part in re.split(r"[\^,，\s_/-]+", folded(name))]
    parts = [part for part in parts if part]
    if len(parts) == 1:  # 王小明: the first character is the family's
        parts = [parts[0][:1], parts[0][1:]]
    for order in dict.fromkeys([tuple(parts), tuple(parts[::-1]), (*parts[1:], parts[0])]):
        words = tuple(word for part in order for word in part)
        if all(map(_is_han, words)):
            yield words
        elif sum(map(len, words)) >= 5 and not any(map(_is_han, words)):
            yield words
            yield ("".join(words),)
            yield (words[0], "".join(words[1:]))
            yield ("".join(words[:-1]), words[-1])
            yield tuple(piece for word in words for piece in _syllables(word))


@functools.cache
def _syllables(word: str) -> tuple[str, ...]:
    """A word of pinyin in its syllables; any other word as it is."""
    for end in range(min(6, len(word)), 0, -1):
        if _SYLLABLE.fullmatch(word, 0, end):
            if end == len(word):
                return (word,)
            rest = _syllables(word[end:])
            if "".join(rest) == word[end:] and all(map(_SYLLABLE.fullmatch, rest)):
                return (word[:end], *rest)
    return (word,)


@functools.lru_cache(maxsize=100_000)
def _pattern(words: tuple[str, ...]) -> re.Pattern:
    """Finds words where they stand on their own: not in a longer number, a decimal or a longer word."""
    first, last = words[0], words[-1]
    # Digits behind a decimal point are no number of their own.
    before = r"(?<!\d)(?<!\d\.)" if first.isdecimal() else rf"(?<!{_LETTER})"
    after = r"(?!\d)" if last.isdecimal() else rf"(?!{_LETTER})"
    # Chinese is written without gaps between words.
    before, after = "" if _is_han(first) else before, "" if _is_han(last) else after
    pieces = [re.escape(first)]
    for left, right in itertools.pairwise(words):
        pieces += [_GAP if _numbers_or_han((left, right)) else _BETWEEN_NAMES, re.escape(right)]
    return re.compile(before + "".join(pieces) + after)


def _path_pattern(text: str) -> re.Pattern:
    parts = map(re.escape, re.split(r"[\\/]", folded(text)))
    return re.compile(r"(?<!\w)" + r"[\\/]{1,2}".join(parts) + r"(?!\w)")


@functools.lru_cache(maxsize=2)
def _words(public: str) -> frozenset[str]:
    return frozenset(_WORD.findall(public))


class Search:
    """Looks for identifiers in texts, closely only where the longest word of one of their forms stands.

    Parameters
    ----------
    sought : iterable of Identifier
    public : str
        Folded text that everybody may read. Names turned round or written in one word that stand there are
        words, and are not sought.

    Attributes
    ----------
    known : set of Identifier
        Those that stand in the public text: no leak in a page that repeats it.
    common : set of Identifier
        Names in Latin letters each part of which stands there, such as two authors' family names.
    """

    def __init__(self, sought: Iterable[Identifier], public: str = "") -> None:
        self._forms: dict[str, list[tuple[Identifier, tuple[str, ...]]]] = {}
        for one in sought:
            for form in one.forms:
                self._forms.setdefault(max(form, key=len), []).append((one, form))
        words = _words(public)
        shown = set(self._hits(public, words))
        self.known = {one for one, form in shown if form == one.words}
        every = {one for pairs in self._forms.values() for one, _ in pairs if not one.is_path}
        self.common = {one for one in every if words.issuperset(one.words) and not _numbers_or_han(one.words)}
        other = {(one, form) for one, form in shown if form != one.words}
        self._forms = {at: [pair for pair in pairs if pair not in other] for at, pairs in self._forms.items()}

    def found(self, text: str) -> list[Identifier]:
        """Those that stand in a folded text."""
        return list(dict.fromkeys(one for one, _ in self._hits(text)))

    def blotted(self, text: str, mark: str) -> str:
        """The text with a mark in place of each identifier, of a whole line where it is written oddly."""
        lines = [self._blotted_line(line, mark) for line in text.split("\n")]
        return "\n".join(lines)

    def _blotted_line(self, line: str, mark: str) -> str:
        for one, form in self._hits(folded(line)):
            pattern = _path_pattern(one.text) if one.is_path else _pattern(form)
            line = re.sub(pattern.pattern, lambda _: mark, line, flags=re.IGNORECASE)
        return mark if self._hits(folded(line)) else line

    def _hits(self, text: str, words: Set[str] | None = None) -> list[tuple[Identifier, tuple[str, ...]]]:
        if words is None:  # a few are quicker sought one by one than among all words
            words = self._forms.keys() if len(self._forms) <= _FEW else set(_WORD.findall(text))
        anchors = self._forms.keys() & words
        places = {word: [hit.start() for hit in re.finditer(re.escape(word), text)] for word in anchors}
        return [
            (one, form)
            for word, starts in places.items()
            for one, form in self._forms[word]
            if any(_stands_at(one, form, text, at) for at in starts)
        ]


def _stands_at(one: Identifier, form: tuple[str, ...], text: str, place: int) -> bool:
    """Whether ``text`` shows a form around ``place``, where one of its words begins."""
    around = 2 * len(one.text) + 4 * len(form) + 2
    pattern = _path_pattern(one.text) if one.is_path else _pattern(form)
    hits = pattern.finditer(text, max(0, place - around), place + around)
    return any(not _by_chance(hit) for hit in hits)


def _by_chance(hit: re.Match) -> bool:
    """Whether a hit is a piece of a hexadecimal number (a checksum) or a colour."""
    left = re.search(r"#?\w*$", hit.string[max(0, hit.start() - 64) : hit.start()])[0]
    right = re.match(r"\w*", hit.string[hit.end() : hit.end() + 64])[0]
    longer = left or right
    return bool(longer) and re.fullmatch(r"#?[0-9a-f]+", left + hit[0] + right, re.IGNORECASE) is not None
