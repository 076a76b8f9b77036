"""Which files of a site hold regions or points, of which reader, and what their labels mean."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import pydicom

from helpers.errors import StudyError
from helpers.imaging.points import read_marks, vertebra_named
from helpers.intake.guesses import Guess, likely, said, surely, undecided
from helpers.intake.label_maps import Content, kind_of, look_into, numbering
from helpers.intake.numbers import bare, match, named

_SECOND = re.compile(
    r"(reader|observer|rater|医师|读者|医生)[-_ ]?(2|b|ii|二)|second|(?<![a-z])r2(?!\d)|第二",
    re.IGNORECASE,
)
_BODIES = re.compile(r"bod(y|ies)|subreg|corpus|corpora|椎体体", re.IGNORECASE)
_VERTEBRA = {"T12": re.compile(r"t-?12", re.IGNORECASE), "L1": re.compile(r"l-?1(?!\d)", re.IGNORECASE)}
_VARIES = re.compile(r"\d{3,}")
_MARKS_OPENED = 12
_ADVISED_MM = 3  # how far whole bodies are shrunk, as the how-to advises


@dataclass
class Group:
    """Files of one kind: their paths differ by the patient number alone (and by days and the like).

    Attributes
    ----------
    pattern : str
    files : dict of str to Path
        By the number in the path.
    contents : list of Content
        Of those volumes that were opened.
    """

    pattern: str
    files: dict[str, Path] = field(default_factory=dict)
    contents: list[Content] = field(default_factory=list)


@dataclass
class Regions:
    """What a site has instead of drawing: keys of the study file, and the files behind them.

    Attributes
    ----------
    keys : dict of str to Guess
        masks, second_reader, labels, bodies, erode_mm, points.
    files : dict of str to dict
        Path by the table's number, for each name that a pattern has braces for.
    notes : list of Said
    """

    keys: dict[str, Guess] = field(default_factory=dict)
    files: dict[str, dict[str, Path]] = field(default_factory=dict)
    notes: list = field(default_factory=list)


def grouped(paths: Iterable[Path], known: Container[str]) -> tuple[list[Group], int]:
    """Files by kind, and how many have no number in their path."""
    groups: dict[str, Group] = {}
    nameless = 0
    for path in paths:
        found = named(PurePath(path), known)
        if found is None:
            nameless += 1
            continue
        key = _VARIES.sub("#", found.pattern)
        groups.setdefault(key, Group(found.pattern)).files.setdefault(found.number, path)
    return [groups[key] for key in sorted(groups)], nameless


def sorted_volumes(groups: list[Group], top: Path) -> dict[str, list[Group]]:
    """Groups of volumes by what they are: image, mask, other."""
    kinds = defaultdict(list)
    for group in groups:
        group.contents = look_into(top / path for path in group.files.values())
        kinds[kind_of(group.contents)].append(group)
    return kinds


def find_regions(masks: list[Group], marks: list[Group], rows: list[str], top: Path) -> Regions:
    """Assign groups of label maps and of files of points to the keys of a site.

    Parameters
    ----------
    masks, marks : list of Group
        Label maps, and files of points.
    rows : list of str
        The table's patient numbers.
    top : Path
        Where the paths start.
    """
    regions = Regions()
    left = [group for group in [*masks, *marks] if group not in of_somebody([*masks, *marks], rows)]
    masks, marks = ([group for group in groups if group not in left] for groups in (masks, marks))
    if left:
        regions.notes.append(said("regions_of_nobody", n=sum(len(group.files) for group in left)))
    bodies = [group for group in masks if _BODIES.search(group.pattern)]
    first = [group for group in masks if group not in bodies]
    if pair := _pair(first):
        regions.files |= {f"mask_{v}": _by_row(group, rows) for v, group in pair.items()}
        value = {v: f"{{mask_{v}}}" for v in pair}
        regions.keys["masks"] = surely(value, "masks_pair", n=len(regions.files["mask_T12"]))
        regions.keys["erode_mm"] = shrinking(bool(bodies), whole=False)
    elif first:
        _readers(regions, first, rows, bool(bodies))
    if bodies and "masks" in regions.keys:
        chosen = max(bodies, key=lambda group: len(group.files))
        regions.files["bodies"] = _by_row(chosen, rows)
        regions.keys["bodies"] = likely("{bodies}", "bodies", n=len(regions.files["bodies"]))
    _points(regions, marks, rows, top)
    return regions


def _by_row(group: Group, rows: list[str]) -> dict[str, Path]:
    return {row: group.files[number] for row, number in match(rows, group.files).pairs.items()}


def _pair(groups: list[Group]) -> dict[str, Group] | None:
    """One group a vertebra, by what their names say."""
    own = {v: [group for group in groups if word.search(group.pattern)] for v, word in _VERTEBRA.items()}
    own = {
        v: [group for group in found if not _VERTEBRA[o].search(group.pattern)]
        for (v, found), o in zip(own.items(), ("L1", "T12"), strict=True)
    }
    return (
        {v: found[0] for v, found in own.items()} if all(len(found) == 1 for found in own.values()) else None
    )


def _readers(regions: Regions, groups: list[Group], rows: list[str], bodies: bool) -> None:
    """One group is the first reader's; of two, the names or the numbers of files tell which is whose."""
    second = [group for group in groups if _SECOND.search(group.pattern)]
    others = [group for group in groups if group not in second]
    if len(groups) > 2 or len(others) > 1 or not others:
        patterns = "; ".join(shown(group) for group in groups[:6])
        regions.keys["masks"] = undecided("masks_several", n=len(groups), patterns=patterns)
        return
    (first,) = others
    regions.files["mask"] = _by_row(first, rows)
    regions.keys["masks"] = surely("{mask}", "masks_one", n=len(regions.files["mask"]))
    regions.keys["labels"] = numbering(first.contents)
    if regions.keys["labels"].value != "layers":
        whole = regions.keys["labels"].value == "totalsegmentator"
        regions.keys["erode_mm"] = shrinking(bodies, whole)
    if second:
        regions.files["mask_2"] = _by_row(second[0], rows)
        regions.keys["second_reader"] = surely("{mask_2}", "masks_second", n=len(regions.files["mask_2"]))
        if numbering(second[0].contents).value != regions.keys["labels"].value:
            regions.notes.append(said("readers_unlike"))


def shown(group: Group) -> str:
    """The parts of a group's paths that all of its files share, and their number: others may be names."""
    paths = [path.parts for path in group.files.values()]
    ending = "".join(PurePath(group.pattern).suffixes[-2:])
    if len(paths) < 2:
        return f"'*{ending}' (1)"
    shared = [parts[0] if len(set(parts)) == 1 else "*" for parts in zip(*paths, strict=False)]
    tail = PurePath(group.pattern).name.partition("{patient_id}")[2]
    shared[-1] = f"*{tail or ending}" if shared[-1] == "*" and not _VARIES.search(tail) else shared[-1]
    return f"'{'/'.join(shared)}' ({len(paths)})"


def shrinking(bodies: bool, whole: bool) -> Guess:
    """How far vertebrae are shrunk: as advised where they are whole for sure, else a person's to say."""
    if bodies or whole:
        return likely(_ADVISED_MM, "erode_whole")
    return undecided("erode_open")


def _points(regions: Regions, marks: list[Group], rows: list[str], top: Path) -> None:
    if not marks:
        return
    if len(marks) > 1:
        patterns = "; ".join(shown(group) for group in marks[:6])
        regions.keys["points"] = undecided("points_several", n=len(marks), patterns=patterns)
        return
    (group,) = marks
    opened = [_names_in(top / path) for path in sorted(group.files.values())[:_MARKS_OPENED]]
    named_both = sum(found == {"T12", "L1"} for found in opened)
    counts = {"n": len(group.files), "opened": len(opened), "both": named_both}
    if not any(opened):
        regions.keys["points"] = undecided("points_nameless", **counts)
        return
    regions.files["points"] = _by_row(group, rows)
    sure = "sure" if named_both == len(opened) else "likely"
    regions.keys["points"] = Guess(
        "{points}", sure, (said("points_files", **counts | {"n": len(regions.files["points"])}),)
    )


def _names_in(path: Path) -> set[str]:
    try:
        return {vertebra_named(mark.name) for mark in read_marks(path)} - {None}
    except StudyError:
        return set()


def drawn_kinds(drawn: Iterable[Path]) -> tuple[list[Path], list[Path], dict[str, str]]:
    """DICOM drawings: those with regions, those with points, and the vertebra of each region's name."""
    with_regions, with_points, names = [], [], {}
    for path in drawn:
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
            own = [str(item.get("SegmentLabel", "")) for item in header.get("SegmentSequence", [])]
            own += [str(item.get("ROIName", "")) for item in header.get("StructureSetROISequence", [])]
            is_points = any(
                contour.ContourGeometricType == "POINT"
                for roi in header.get("ROIContourSequence", [])
                for contour in roi.get("ContourSequence", [])
            )
        except Exception:  # a damaged file can raise nearly anything
            continue
        (with_points if is_points else with_regions).append(path)
        names |= {name: vertebra_named(name) for name in own if vertebra_named(name)}
    return with_regions, with_points, names


def labels_of_names(names: dict[str, str]) -> Guess:
    """``labels`` of DICOM drawings: names that hold T12 or L1, when each vertebra has one name."""
    if sorted(names.values()) == ["L1", "T12"]:
        return surely(names, "labels_names")
    return undecided("labels_names_open", n=len(names))


def number_of(path: PurePath, known: Container[str]) -> str:
    """The first part of a path, from the file upwards, that is a known patient's number; else empty."""
    found = named(path, known)
    return found.number if found and bare(found.number) in known else ""


def of_somebody(groups: list[Group], rows: list[str]) -> list[Group]:
    """Those groups of which a file is a patient's of the table."""
    return [group for group in groups if match(rows, group.files).pairs]
