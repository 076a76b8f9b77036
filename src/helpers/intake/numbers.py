"""Patient numbers: in the names of files, in tables, and which of them are the same."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable
from pathlib import PurePath
from typing import NamedTuple

from helpers.study.pseudonyms import same_number

_ENDINGS = (".nii.gz", ".mrk.json", ".csv.gz", ".seg.nrrd")
# What names of files say beside the number.
_WORDS = set(
    "ct mr image images img scan chest thorax lung bone axial plain series mask masks msk seg segmentation "
    "segmentations label labels labelmap roi region regions vert vertebra vertebrae body bodies spine point "
    "points mark marks marker markers markups fiducial fiducials reader r observer rater first second final "
    "new copy sub subreg trabecular drawn draw contour contours rtstruct rt struct dcm dicom export data t l "
    "th f case 图像 影像 标注 标记 标记点 勾画 分割 掩膜 椎体 胸部 平扫".split()
)
_OTHER_WORDS = re.compile(r"((th?-?12|l-?1)+|(r|reader|observer|rater|v|label|医师|读者)\d)", re.IGNORECASE)
_LEAST_TOKEN = 4  # characters of a number beside other words: shorter ones stand there by chance
_BETWEEN = re.compile(r"[\s_.\-]+")


class Named(NamedTuple):
    """A file's path with braces where the patient is named, and the patient's number."""

    pattern: str
    number: str


class Matches(NamedTuple):
    """Which table rows and which images are the same patient's.

    Attributes
    ----------
    pairs : dict of str to str
        The image's number by the table's.
    rows_left, images_left : list of str
        Without a partner; those that could have several are among them.
    unclear : int
        Rows of the table that could belong to several images, or share one.
    ways : Counter
        How many pairs were found exactly ("exact"), but for case, blanks and leading zeros ("number"), or but
        for what stands around the number ("name").
    """

    pairs: dict[str, str]
    rows_left: list[str]
    images_left: list[str]
    unclear: int
    ways: Counter


def named(path: PurePath, known: Container[str] = ()) -> Named | None:
    """The patient number in a path: of its last part that says more than what kind of file it is.

    Parameters
    ----------
    path : PurePath
        From the folder that is looked through.
    known : container of str
        Numbers of patients (`bare`): a part that holds one of them comes first, such as the folder of a
        patient before the day in a file's name.
    """
    parts = [*path.parts]
    ending = next((end for end in _ENDINGS if path.name.lower().endswith(end)), path.suffix)
    texts = [*parts[:-1], parts[-1][: len(parts[-1]) - len(ending)]]
    wholes = [*filter(None, map(_number_in, reversed(texts)))]
    whole = next((one for one in wholes if _known_in(one, known)), next(iter(wholes), ""))
    if not whole:
        return None
    bounded = re.compile(rf"(?<![^\W_]){re.escape(whole)}(?![^\W_])")
    pattern = "/".join(bounded.sub("{patient_id}", part) for part in parts)
    return Named(pattern, _known_in(whole, known) or whole)


def _known_in(text: str, known: Container[str]) -> str:
    """A known patient's number that a name is, or holds beside another name; empty where that is unsure."""
    if bare(text) in known:
        return text
    tokens = {token for token in re.findall(r"[A-Za-z0-9]+", text) if len(token) >= _LEAST_TOKEN}
    hits = [token for token in tokens if same_number(token) in known]
    return hits[0] if len(hits) == 1 else ""


def _number_in(text: str) -> str:
    """What is left of a name without the words around; it must hold a digit."""
    spans = [(m.start(), m.end()) for m in re.finditer(r"[^\s_.\-]+", text)]
    while spans and _is_word(text[slice(*spans[-1])]):
        spans.pop()
    while spans and _is_word(text[slice(*spans[0])]):
        spans.pop(0)
    left = text[spans[0][0] : spans[-1][1]] if spans else ""
    return left if re.search(r"\d", left) else ""


def _is_word(token: str) -> bool:
    return token.casefold() in _WORDS or bool(_OTHER_WORDS.fullmatch(token))


def bare(number: str) -> str:
    """A number without what is written around it: separators, and words such as CT."""
    return same_number(_BETWEEN.sub("", _number_in(number) or number))


def match(rows: Iterable[str], images: Iterable[str]) -> Matches:
    """Find the partners: exactly first, then more and more freely; nobody is paired who could have two."""
    rows, images = [*dict.fromkeys(rows)], [*dict.fromkeys(images)]
    pairs: dict[str, str] = {}
    ways: Counter = Counter()
    unclear: set[str] = set()
    for way, key in (("exact", str.strip), ("number", same_number), ("name", bare)):
        of_rows, of_images = _by_key(rows, key), _by_key(images, key)
        taken = set(pairs.values())
        for value, own in of_rows.items():
            theirs = of_images.get(value, [])
            if len(own) == len(theirs) == 1 and own[0] not in pairs and theirs[0] not in taken:
                pairs[own[0]] = theirs[0]
                ways[way] += 1
            elif theirs and not set(own) <= set(pairs) and not set(theirs) <= taken:
                unclear |= set(own) - set(pairs)
    taken = set(pairs.values())
    left = [row for row in rows if row not in pairs]
    return Matches(pairs, left, [one for one in images if one not in taken], len(unclear - set(pairs)), ways)


def _by_key(numbers: list[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for number in numbers:
        found[key(number)].append(number)
    return found
