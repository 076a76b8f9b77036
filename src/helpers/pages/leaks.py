"""Raw identifiers outside private/: before a book counts as made, everything is searched for them."""

from __future__ import annotations

import csv
import html
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from urllib.parse import unquote

import pydicom
from PIL import Image

from helpers.errors import StudyError
from helpers.study.places import REPOSITORY
from helpers.study.pseudonyms import identifiers, raw_ids
from helpers.study.run_folder import Run
from helpers.study.study_file import Site

DICOM_TAGS = ("PatientID", "PatientName", "AccessionNumber")
_HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_LETTER = rf"[^\W\d_{_HAN}]"
_WORD = re.compile(rf"\d+|[{_HAN}]|{_LETTER}+")
# The theme's and libraries' own files, the same in every book.
_NOT_OURS = {"_static", "vendor"}
_EMBEDDED_FILE = re.compile(r"base64,[A-Za-z0-9+/=\\\s]+")
_TABLE = re.compile(r"<table.*?</table>", re.DOTALL)
_TABLE_CELL = re.compile(r"<t[hd][^>]*>(.*?)</t[hd]>", re.DOTALL)
_FILES_TOLD = 20


@dataclass(frozen=True)
class Identifier:
    """What must not be read outside private/: a patient's number or name, or the user's folder.

    Its words are found whatever stands between them (``Zhang^Wei`` as "Zhang Wei" or "zhang_wei"), in any
    case. A word is a run of digits, a run of letters, or one Chinese character. A path is found as it
    is, with either slash.
    """

    text: str
    whose: str
    is_path: bool = False

    @cached_property
    def words(self) -> list[str]:
        """Its words in small letters."""
        return _WORD.findall(self.text.lower())

    @cached_property
    def is_distinctive(self) -> bool:
        """Whether it stands in a text by a leak only, not by chance.

        So are paths, numbers from 6 digits, two Chinese characters, 5 letters and digits, names of two words
        and 4 letters, and single words from 5 letters.
        """
        digits = sum(len(word) for word in self.words if word.isdecimal())
        han = sum(bool(re.match(f"[{_HAN}]", word)) for word in self.words)
        letters = sum(map(len, self.words)) - digits - han
        if digits:
            return self.is_path or digits >= 6 or han >= 2 or (letters > 0 and letters + digits >= 5)
        return self.is_path or han >= 2 or letters >= 5 or (letters >= 4 and len(self.words) > 1)

    @cached_property
    def pattern(self) -> re.Pattern:
        """Finds it where it stands on its own: not in a longer number, a decimal or a longer word."""
        if self.is_path:
            parts = map(re.escape, re.split(r"[\\/]", self.text))
            return re.compile(r"(?<!\w)" + r"[\\/]{1,2}".join(parts) + r"(?!\w)", re.IGNORECASE)
        first, last = self.words[0], self.words[-1]
        # Digits behind a decimal point are no number of their own.
        before = r"(?<!\d)(?<!\d\.)" if first.isdecimal() else rf"(?<!{_LETTER})"
        after = r"(?!\d)" if last.isdecimal() else rf"(?!{_LETTER})"
        # Chinese is written without gaps between words.
        before = "" if re.match(f"[{_HAN}]", first) else before
        after = "" if re.match(f"[{_HAN}]", last) else after
        between = r"(?:[^\w<>]|_){0,3}"
        return re.compile(before + between.join(map(re.escape, self.words)) + after, re.IGNORECASE)

    def stands_at(self, text: str, place: int) -> bool:
        """Whether ``text`` shows it around ``place``, where one of its words begins."""
        around = 2 * len(self.text) + 3 * len(self.words)
        hits = self.pattern.finditer(text, max(0, place - around), place + around)
        return any(not _by_chance(hit) for hit in hits)


def find_leaks(run: Run) -> list[str]:
    """Where raw identifiers stand in the run's notebooks, share/ and rendered book, a line each.

    Sought are the patient numbers of the sites' tables, what the DICOM headers call the patients, and the
    user's home folder. What is not distinctive (`Identifier.is_distinctive`), such as the number 12, is
    sought as the name of a file or folder, in paths as the study file writes them, and in columns of patient
    numbers. The lines name files and pseudonyms, never the identifier.
    """
    sought = [*_patients(run), *_headers(run), *_home()]
    weak = {identifier.text: identifier for identifier in sought if not identifier.is_distinctive}
    everywhere = [identifier for identifier in sought if identifier.is_distinctive] + _paths(run, weak)
    if not sought:
        return []
    public = set(_found(everywhere, _public_text()))
    titles = {"patient_id", "raw_id", *map(_patient_column, run.study.sites)}
    lines = []
    for path in _files_outside(run):
        name = path.relative_to(run.folder).as_posix()
        # What the repository's own prose says is no leak in a page; a patient may be called like an author.
        strong = [one for one in everywhere if one not in public] if name.startswith("book/") else everywhere
        text = _text(path)
        in_name = [*_found(strong, name), *(weak[part] for part in _parts(name) if part in weak)]
        inside = [*_found(strong, text), *(weak[cell] for cell in _cells(text, path, titles) if cell in weak)]
        lines += [f"{_masked(name, in_name)}: {one.whose}" for one in dict.fromkeys([*in_name, *inside])]
    return lines


def require_no_leaks(run: Run) -> None:
    """Refuse a run whose results show a raw identifier outside private/.

    Raises
    ------
    StudyError
        Naming the files and, by pseudonym, the patients.
    """
    found = find_leaks(run)
    if not found:
        return
    more = [f"... and {len(found) - _FILES_TOLD} more."] if len(found) > _FILES_TOLD else []
    raise StudyError(
        "\n".join(
            [
                f"Identifiers stand outside private/, in {len(found)} places. Pass nothing of this run on.",
                *found[:_FILES_TOLD],
                *more,
                "The pages were removed. Mostly a text of the table (exclusion, scanner) or a site's name",
                "holds them: mend it, and run again. private/identifiers.csv says whose a pseudonym is.",
            ]
        )
    )


def redacted(run: Run, text: str) -> str:
    """``text`` with raw patient numbers, paths that hold them, and the home folder blotted out."""
    sought = [*_patients(run), *_home()]
    weak = {identifier.text: identifier for identifier in sought if not identifier.is_distinctive}
    for identifier in [*_paths(run, weak), *(one for one in sought if one.is_distinctive)]:
        text = identifier.pattern.sub("[patient]", text)
    return text


def _patients(run: Run) -> list[Identifier]:
    found = [Identifier(raw, f"the number of {patient}") for patient, raw in raw_ids(run).items()]
    return [identifier for identifier in found if identifier.words]


def _home() -> list[Identifier]:
    """The user's home folder, whose name is mostly the user's."""
    home = Path.home()
    return [Identifier(home.as_posix().lstrip("/"), "your home folder", True)] if len(home.parts) > 2 else []


def _headers(run: Run) -> list[Identifier]:
    """Names and numbers in DICOM headers, one file a patient; what several patients share names nobody."""
    sites = {site.name: site for site in run.study.sites if site.images is not None}
    met = Counter()
    for row in identifiers(run).itertuples():
        if row.site in sites:
            folder = run.study.path(sites[row.site].images.replace("{patient_id}", row.raw_id))
            met.update((value, row.patient_id) for value in _header_values(folder) - {row.raw_id})
    shared = Counter(value for value, _ in met)
    found = [
        Identifier(value, f"a name or number in the DICOM header of {patient}")
        for value, patient in met
        if shared[value] == 1
    ]
    return [identifier for identifier in found if identifier.words]


def _header_values(folder: Path) -> set[str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    for path in itertools.islice(files, 5):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(DICOM_TAGS))
            values = [str(header.get(tag, "")) for tag in DICOM_TAGS]
        except Exception:  # a damaged header can raise nearly anything; the next file will do
            continue
        # A name may stand in several scripts: Zhang^Wei=张^伟.
        return {part.strip() for value in values for part in value.split("=") if part.strip()}
    return set()


def _paths(run: Run, weak: dict[str, Identifier]) -> list[Identifier]:
    """Paths as the study file writes them, for numbers that say nothing on their own: ct/12, 12.nii.gz."""
    shapes = set()
    for site in run.study.sites:
        given = [site.images, site.masks, site.second_reader, site.bodies]
        for pattern in itertools.chain(*(one.values() if isinstance(one, dict) else [one] for one in given)):
            *folders, name = Path(pattern or "").parts or [""]
            shapes.add("/".join([*folders[-1:], name]) if name == "{patient_id}" else name)
    return [
        Identifier(shape.replace("{patient_id}", raw), identifier.whose, True)
        for raw, identifier in weak.items()
        for shape in sorted(shapes - {"", "{patient_id}"})
    ]


def _found(sought: Iterable[Identifier], text: str) -> list[Identifier]:
    """Those that stand in ``text``: looked at closely only where their longest word is."""
    anchors = {one: max(one.words, key=len) for one in sought}
    places = {word: [] for word in anchors.values()}
    for word in _WORD.finditer(text):
        if (small := word[0].lower()) in places:
            places[small].append(word.start())
    return [one for one, word in anchors.items() if any(one.stands_at(text, at) for at in places[word])]


def _by_chance(hit: re.Match) -> bool:
    """Whether a hit is a piece of a hexadecimal number (a checksum) or a colour."""
    left = re.search(r"#?\w*$", hit.string[max(0, hit.start() - 64) : hit.start()])[0]
    right = re.match(r"\w*", hit.string[hit.end() : hit.end() + 64])[0]
    longer = left or right
    return bool(longer) and re.fullmatch(r"#?[0-9a-f]+", left + hit[0] + right, re.IGNORECASE) is not None


def _files_outside(run: Run) -> list[Path]:
    """What is shown or shared: executed notebooks, share/ and the rendered book."""
    folders = [run.folder / "share", run.notebooks, run.book / "html"]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path for path in files if _NOT_OURS.isdisjoint(path.relative_to(run.folder).parts)]


def _text(path: Path) -> str:
    """What can be read in a file: of a notebook what its code printed, of a picture what is written in it."""
    if path.suffix in (".png", ".jpg", ".jpeg"):
        with Image.open(path) as picture:
            return " ".join(value for value in picture.info.values() if isinstance(value, str))
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:  # fonts and compressed files
        return ""
    if path.suffix == ".ipynb":
        text = _printed(json.loads(text))
    text = html.unescape(_EMBEDDED_FILE.sub("", text))
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text)
    return unquote(text) if "%" in text else text


def _printed(notebook: dict) -> str:
    """A notebook's outputs without pictures, and the parameters that it was given."""
    texts = []
    for cell in notebook["cells"]:
        if "injected-parameters" in cell["metadata"].get("tags", []):
            texts.append("".join(cell["source"]))
        for output in cell.get("outputs", []):
            data = {kind: value for kind, value in output.get("data", {}).items() if kind != "image/png"}
            texts.append(json.dumps(output | {"data": data}, ensure_ascii=False).replace(r"\"", '"'))
    return "\n".join(texts)


def _public_text() -> str:
    """The prose and code of the repository's own pages."""
    files = [*(REPOSITORY / "book").rglob("*"), *(REPOSITORY / "notebooks").glob("*.ipynb")]
    kinds = {".md", ".bib", ".csv", ".ipynb"}
    return "\n".join(path.read_text(encoding="utf-8") for path in files if path.suffix in kinds)


def _patient_column(site: Site) -> str:
    if site.features is not None:
        return site.features.patient_id
    return site.table.columns.get("patient_id", "patient_id") if site.table else "patient_id"


def _cells(text: str, path: Path, titles: set[str]) -> set[str]:
    """Cells under a title of patient numbers, in a CSV file or in a page's tables."""
    if path.suffix == ".csv":
        tables = [list(csv.reader(StringIO(text)))]
    else:
        blocks = [block for block in _TABLE.findall(text) if any(f">{title}<" in block for title in titles)]
        tables = [[_TABLE_CELL.findall(row) for row in block.split("</tr>")] for block in blocks]
    found = set()
    for head, *rows in tables:
        places = [place for place, title in enumerate(head) if title.strip() in titles]
        found |= {row[place].strip() for row in rows for place in places if place < len(row)}
    return found


def _parts(name: str) -> list[str]:
    """Names of the folders and the file in a path, with and without what follows the first dot."""
    return [part for whole in name.split("/") for part in (whole, whole.split(".")[0])]


def _masked(name: str, identifiers: list[Identifier]) -> str:
    for identifier in identifiers:
        name = identifier.pattern.sub("[identifier]", name)
    return name
