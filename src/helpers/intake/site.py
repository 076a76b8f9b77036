"""One hospital's part of a folder: its table, images and regions of each row, and what is left over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from helpers.intake import columns
from helpers.intake.dicom_export import Export, Person, Series, owners_of, place_of, sort_dicom
from helpers.intake.folder import Contents, Table, number_columns
from helpers.intake.guesses import Guess, Said, likely, quoted, said, surely, undecided
from helpers.intake.number_column import known_numbers, number_column
from helpers.intake.numbers import bare, match
from helpers.intake.regions_found import (
    Group,
    Regions,
    drawn_kinds,
    find_regions,
    grouped,
    labels_of_names,
    number_of,
    shown,
    shrinking,
    sorted_volumes,
)
from helpers.patients import columns as cells
from helpers.patients import spellings
from helpers.study.pseudonyms import same_number
from helpers.study.study_file import OPEN

_ENOUGH_PAIRS = 5  # patients whose sex or age is compared with their images' headers
_AGREE = 0.9
_MANY = 0.05  # share of patients with two reconstructions from which a person has to choose


@dataclass
class Found:
    """What was found of one site.

    Attributes
    ----------
    name : str
        Of the folder; empty where the whole folder is one site.
    table : Table or None
    keys : dict of str to Guess
        Of the site: table, images, series, and those of `Regions`.
    ours : dict of str to Guess
        Columns of the table by our name, patient_id first.
    codes : dict of str to Guess
        sexes and dates of the table.
    where : dict of str to str
        Which rows of a shared table are the site's.
    files : dict of str to dict
        Path, or list of paths, by the table's number, for each name in braces.
    rows : list of str
        The table's numbers.
    tally : dict of str to int
        Patients: rows, images, regions, complete, and what is lacking.
    notes : list of Said
    simulated : bool
    """

    name: str
    table: Table | None = None
    keys: dict[str, Guess] = field(default_factory=dict)
    ours: dict[str, Guess] = field(default_factory=dict)
    codes: dict[str, Guess] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, Path | list[Path]]] = field(default_factory=dict)
    rows: list[str] = field(default_factory=list)
    tally: dict[str, int] = field(default_factory=dict)
    notes: list[Said] = field(default_factory=list)
    simulated: bool = False

    def texts(self, name: str) -> pd.Series | None:
        """The cells of our column; None where there is none, or a person decides which it is."""
        guess = self.ours.get(name)
        if self.table is None or guess is None or guess.value == OPEN:
            return None
        return columns.column(self.table.cells, guess.value)

    def numbers(self) -> pd.Series | None:
        """The patient number of each row, as `texts`."""
        texts = self.texts("patient_id")
        return None if texts is None else cells.values(texts, "patient_id")


def find_site(contents: Contents, name: str, table: Table | None) -> Found:
    """Put together what belongs to one site.

    Parameters
    ----------
    contents : Contents
        The site's own part.
    name : str
    table : Table or None
        Its table of patients, if it is known.
    """
    found, top = Found(name, table), contents.top
    known = known_numbers(table)
    groups, nameless = grouped(contents.volumes, known)
    volumes = sorted_volumes(groups, top)
    marks, unnamed = grouped(contents.marks, known)
    export = sort_dicom(top / path for path in contents.dicom)
    images = {number: path for group in volumes["image"] for number, path in group.files.items()}
    twice = _several_images(volumes["image"], export)
    export = _by_folders_where_better(export, contents, known, found)
    people = [person.number for person in export.people.values()]
    others = [[*group.files] for group in [*volumes["mask"], *marks]]
    _list_rows(found, [people, [*images], *others])
    matched = _place_images(found, export, images, top)
    if twice:
        found.keys["images"] = twice
    regions = _regions(found, volumes["mask"], marks, export, contents)
    found.keys |= regions.keys
    found.files |= regions.files
    found.notes += regions.notes
    _understand(found, export, matched)
    _note_leftovers(found, contents, export, nameless + unnamed + len(volumes["other"]), matched)
    count(found)
    return found


def _list_rows(found: Found, kinds: list[list[str]]) -> None:
    """The patients: those of the table, or without one those of the files, whose numbers come by kind."""
    if found.table is None:
        found.rows = [*{same_number(number): number for numbers in kinds for number in numbers}.values()]
        return
    found.ours["patient_id"] = number_column(found.table, kinds)
    if (numbers := found.numbers()) is not None:
        found.rows = [*dict.fromkeys(filter(None, numbers))]


def _several_images(groups: list[Group], export: Export) -> Guess | None:
    """An open line where patients have images of several kinds, of which no name says which is meant."""
    people = {bare(person.number) for person in export.people.values() if person.volumes()}
    own = [people, *({bare(number) for number in group.files} for group in groups)]
    if sum(map(len, own)) == len(set().union(*own)):
        return None
    patterns = "; ".join([*(["DICOM"] if people else []), *map(shown, groups[:6])])
    return undecided("images_several", patterns=patterns)


def _by_folders_where_better(export: Export, contents: Contents, known: set[str], found: Found) -> Export:
    """Whose files are by their folders, where the PatientID in the headers is nobody's of the table."""
    numbers = {bare(person.number) for person in export.people.values()}
    folders = {number for path in contents.dicom if (number := bare(number_of(path, known)))} & known
    if len(numbers & known) >= len(folders):
        return export
    found.notes.append(said("by_folder", n=len(folders)))
    top = contents.top
    return sort_dicom(
        (top / path for path in contents.dicom), lambda path: number_of(path.relative_to(top), known)
    )


def _place_images(found: Found, export: Export, images: dict[str, Path], top: Path) -> dict[str, Person]:
    """Find the images of each row; gives the rows' DICOM patients."""
    with_volume = {person.number: person for person in export.people.values() if person.volumes()}
    matches = match(found.rows, [*with_volume, *images])
    owners = owners_of(export, top)
    matched, places, chosen = {}, {}, []
    for row, number in matches.pairs.items():
        if number in images:
            places[row] = images[number]
            continue
        person = matched[row] = with_volume[number]
        volumes = _of_the_day(found, row, person)
        chosen.append(volumes)
        place = place_of(person, volumes, owners)
        is_list = isinstance(place, list)
        places[row] = [one.relative_to(top) for one in place] if is_list else place.relative_to(top)
    found.files["image"] = places
    found.tally |= {"rows_unclear": matches.unclear, "images_left": len(matches.images_left)}
    if places:
        counts = {"n": len(places), "dicom": len(matched), "files": len(places) - len(matched)}
        found.keys["images"] = surely("{image}", "images", **counts)
        _choose_series(found, chosen)
    elif with_volume or images:
        found.keys["images"] = undecided("images_unmatched", n=len(with_volume) + len(images))
    else:
        found.keys["images"] = undecided("images_none")
    return matched


def _of_the_day(found: Found, row: str, person: Person) -> list[Series]:
    """A patient's volumes: of several days, those of the day of the CT that the table names."""
    volumes = person.volumes()
    header = found.table and found.table.ours.get("ct_date")
    if len({one.day for one in volumes}) < 2 or not header or header.value == OPEN:
        return volumes
    days = columns.column(found.table.cells, header.value)[found.numbers() == row]
    wanted = {day.strftime("%Y%m%d") for day in map(spellings.date, days) if day}
    same_day = [one for one in volumes if one.day in wanted]
    found.tally["by_day"] = found.tally.get("by_day", 0) + bool(same_day)
    return same_day or volumes


def _choose_series(found: Found, chosen: list[list[Series]]) -> None:
    """Leave the choice of a reconstruction to a person, who is told which kernels there are."""
    several = [volumes for volumes in chosen if len(volumes) > 1]
    if not several:
        return
    days = sum(len({one.day for one in volumes}) > 1 for volumes in several)
    if len(several) <= _MANY * len(chosen):
        found.notes.append(said("series_few", n=len(several), days=days))
        return
    kernels = Counter(kernel for volumes in chosen for kernel in {one.kernel or "?" for one in volumes})
    listed = ", ".join(f"{kernel} ({count})" for kernel, count in sorted(kernels.items()))
    counts = {"n": len(several), "days": days, "kernels": listed}
    found.keys["series"] = undecided("series_open", **counts)


def _regions(found: Found, masks: list, marks: list, export: Export, contents: Contents) -> Regions:
    top = contents.top
    drawn = {person.number: path for person in export.people.values() for path in person.drawn[:1]}
    several = sum(len(person.drawn) > 1 for person in export.people.values())
    with_regions, with_points, names = drawn_kinds(drawn.values())
    regions = find_regions(masks, marks, found.rows, top)
    if several:
        regions.notes.append(said("drawn_several", n=several))
    of_path = {path: number for number, path in drawn.items()}
    for key, column, paths in (("masks", "mask", with_regions), ("points", "points", with_points)):
        if not paths:
            continue
        if key in regions.keys:
            regions.notes.append(said("drawn_beside", n=len(paths)))
            continue
        own = {of_path[path]: path.relative_to(top) for path in paths}
        regions.files[column] = {row: own[number] for row, number in match(found.rows, own).pairs.items()}
        labels = labels_of_names(names)
        # Where no name is a vertebra's, they may be of other organs.
        doubtful = key == "masks" and labels.value == OPEN
        regions.keys[key] = (likely if doubtful else surely)(f"{{{column}}}", "drawn", n=len(own))
        if key == "masks":
            regions.keys["labels"] = labels
            regions.keys["erode_mm"] = shrinking(bodies=False, whole=False)
    _point_table(found, regions, contents)
    if not {"masks", "points"} & set(regions.keys):
        regions.keys["masks"] = undecided("masks_none")
    return regions


def _point_table(found: Found, regions: Regions, contents: Contents) -> None:
    """One table with the points of all patients, a row a point."""
    tables = [table for table in contents.tables if table.kind == "points"]
    if not tables or "points" in regions.keys:
        return
    pairs = {
        (table.path, header): match(found.rows, columns.column(table.cells, header)).pairs
        for table in tables
        for header in number_columns(table.cells, 2)
    }
    best = max(pairs, key=lambda place: len(pairs[place]), default=None)
    if best is None or not pairs[best] or len(tables) > 1:
        regions.keys["points"] = undecided("point_table_open", n=len(tables))
        return
    value = {"path": best[0].as_posix(), "patient_id": best[1]}
    regions.files["points"] = dict.fromkeys(pairs[best], best[0])
    regions.keys["points"] = surely(value, "point_table", n=len(pairs[best]))


def _understand(found: Found, export: Export, matched: dict[str, Person]) -> None:
    """Columns, codes of sex and the order of dates; and whether rows and images agree in sex and age."""
    found.simulated = export.simulated
    if found.table is None:
        return
    found.ours |= found.table.ours
    numbers, sexes = found.numbers(), found.texts("sex")
    if numbers is None:  # codes are to be explained, whosever the rows are
        numbers = pd.Series("", found.table.cells.index)
    seen = {row: person.sex.upper()[:1] for row, person in matched.items() if person.sex}
    seen = numbers.map(seen).where(lambda sexes: sexes.isin(["M", "F"]))
    if sexes is not None and (codes := columns.codes_of_sex(sexes, seen)):
        found.codes["sexes"] = codes
    _compare(found, numbers, matched, seen)
    days = [found.texts(name) for name in ("ct_date", "dxa_date", "birth_date")]
    if order := columns.order_of_dates([texts for texts in days if texts is not None]):
        found.codes["dates"] = order


def _compare(found: Found, numbers: pd.Series, matched: dict[str, Person], seen: pd.Series) -> None:
    """Open the line of the patient number where images state other sexes or ages than the rows."""
    agree, sex, age = [], found.texts("sex"), found.texts("age")
    if sex is not None and "sexes" not in found.codes:
        told = sex.map(spellings.sex).map({"male": "M", "female": "F"})
        both = pd.DataFrame({"told": told, "seen": seen}).dropna()
        agree.append((len(both), (both["told"] == both["seen"]).mean()))
    if age is not None:
        stated = {row: _years(person.age) for row, person in matched.items()}
        told = {"told": age.map(spellings.number), "seen": numbers.map(stated)}
        both = pd.DataFrame(told, dtype=float).dropna()
        agree.append((len(both), ((both["told"] - both["seen"]).abs() <= 1).mean()))
    for n, share in agree:
        if n >= _ENOUGH_PAIRS and share < _AGREE:
            guess = undecided("rows_unlike_images", n=n, differ=round(n * (1 - share)))
            found.ours["patient_id"] = guess
            return


def _years(age: str) -> float:
    """Years of a DICOM age such as 067Y."""
    return float(age[:-1]) if age[-1:] == "Y" and age[:-1].isdigit() else float("nan")


def _note_leftovers(
    found: Found, contents: Contents, export: Export, unknown: int, matched: dict[str, Person]
) -> None:
    if export.dropped:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(export.dropped.items()))
        found.notes.append(said("dropped", n=sum(export.dropped.values()), kinds=kinds))
    counts = {
        "single": export.single,
        "thick": export.thick,
        "copies": export.copies,
        "damaged": export.damaged,
        "nameless": unknown,
        "by_day": found.tally.get("by_day", 0),
    }
    found.notes += [said(key, n=count) for key, count in counts.items() if count]
    if found.table is not None:
        unused = [h for h in found.table.cells if h not in {guess.value for guess in found.ours.values()}]
        if unused:
            found.notes.append(said("columns_left", headers=quoted(unused[:30])))
        if dates := columns.generic_dates(found.table.cells):
            found.notes.append(said("dates_of_what", headers=quoted(dates)))


def count(found: Found, ready: Set[str] = frozenset()) -> None:
    """How many patients have what; ``ready`` are those with features, who need neither image nor region."""
    excluded = _excluded(found)
    rows = set(found.rows) - excluded
    regions = ready.union(*(found.files.get(name, {}) for name in ("mask", "mask_T12", "points")))
    images = ready.union(found.files.get("image", {}))
    unknown = found.table is not None and found.numbers() is None
    filled = {name: _rows_with(found, names) for name, names in _NEEDED.items()}
    complete = rows & images & regions & filled["age"] & filled["sex"] & filled["t_score"]
    found.tally |= {
        "rows": len(found.table.cells) if unknown else len(found.rows),
        "excluded": len(excluded),
        "features": len(rows & ready),
        "no_image": len(rows - images),
        "no_region": len((images & rows) - regions),
        "no_age": len(rows - filled["age"]),
        "no_sex": len(rows - filled["sex"]),
        "no_t_score": len(rows - filled["t_score"]),
        "second": len(found.files.get("mask_2", {})),
        "complete": len(complete),
    }


def _excluded(found: Found) -> set[str]:
    """Patient numbers of the rows that the table itself excludes."""
    numbers, reasons = found.numbers(), found.texts("exclusion")
    if numbers is None or reasons is None:
        return set()
    return set(numbers[cells.values(reasons, "exclusion") != ""])


_NEEDED = {"age": ("age", "birth_date"), "sex": ("sex",), "t_score": cells.T_SCORES}


def _rows_with(found: Found, names: Iterable[str]) -> set[str]:
    """Patient numbers of the rows that have a value in one of our columns."""
    numbers, texts = found.numbers(), [found.texts(name) for name in names]
    has = [~cells.is_missing(one) for one in texts if one is not None]
    if numbers is None:
        return set()
    return set(numbers[pd.concat(has, axis=1).any(axis=1)]) if has else set()
