"""The pooled folder: the files of all hospitals, which of them made each result, and the results.

It looks like this::

    pooled/sites/site-<checksum>/site.json   a hospital's file as it came
    pooled/registry.json                     each pool that was made here: hospitals, files, versions
    pooled/share/                            tables and figures; their first column names the pool
    pooled/notebooks/, pooled/book/          the chapter, and the book of it
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field, ValidationError

from helpers.errors import StudyError
from helpers.pooling.contract import SHOWN, SITE_FILE, Count, Digest, SiteFile, named
from helpers.pooling.folders import read_folder, require_together
from helpers.pooling.measures import is_small
from helpers.study.content_hash import content_hash
from helpers.study.lock import locked
from helpers.study.places import made_folder, replacing, shown_path, write_json
from helpers.study.run_folder import BookFolder, Run
from helpers.study.sites import Strict
from helpers.study.spreadsheets import to_plain_csv


class Member(Strict):
    """A hospital's file in a pool; of each of its hospitals patients and events, as far as it tells them."""

    hospitals: list[str]
    counts: list[tuple[Count, Count]] = []
    study: str
    sha256: Digest
    software: str


class Pool(Strict):
    """The hospitals of which results were made, and when these came together."""

    id: Annotated[str, Field(pattern=rf"^pool-[0-9a-f]{{{SHOWN}}}$")]
    made: datetime.date
    members: list[Member]


class Registry(Strict):
    """Every pool that was made in a folder, the newest last."""

    format: Literal["radbook pooled"] = "radbook pooled"
    pools: list[Pool] = []


@dataclass(frozen=True)
class Pooled(BookFolder):
    """A pooled folder with its hospitals.

    Attributes
    ----------
    folder : Path
    sites : list of SiteFile
        In the order of their first hospitals' labels.
    run : Run, optional
        Whose chapter 16 this is: tables and figures are the run's then.
    """

    folder: Path
    sites: list[SiteFile]
    run: Run | None = None

    @property
    def id(self) -> str:
        """What tells this set of files from any other."""
        return named("pool", content_hash("".join(sorted(site.sha256 for site in self.sites))))

    @property
    def is_virtual(self) -> bool:
        """Whether the patients are simulated."""
        return self.sites[0].virtual

    @property
    def data(self) -> str:
        """Whose data these are, for tables and corners of figures."""
        return "virtual" if self.is_virtual else "real patients"

    def members(self) -> pd.DataFrame:
        """Which files made the results: hospital, role, study, software, file (its checksum, in short)."""
        rows = [
            (hospital.label, hospital.role, site.study, site.software, named("site", site.sha256))
            for site in self.sites
            for hospital in site.hospitals
        ]
        return pd.DataFrame(rows, columns=["hospital", "role", "study", "radbook", "file"])

    def write_table(self, name: str, frame: pd.DataFrame) -> pd.DataFrame:
        """Write share/tables/<name>.csv; its first columns say whose data it is, and which pool made it."""
        labelled = frame.copy()
        labelled.insert(0, "pool", self.id)
        if self.run:
            self.run.write_table(name, labelled)
            return frame
        labelled.insert(0, "data", self.data)
        with replacing(self.table_path(name)) as path:
            to_plain_csv(labelled, path)
        return frame

    @contextmanager
    def writing_figure(self, name: str, suffix: str) -> Iterator[Path]:
        """Give a path to write the figure share/figures/<name> to, as svg or png."""
        own = self.run.writing(self.run.figure_path(name, suffix)) if self.run else None
        folder = self.folder / "share" / "figures"
        with own or replacing(made_folder(folder) / f"{name}.{suffix}") as path:
            yield path


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Keep a pooled folder for this process; StudyError when another has it.

    Of a new folder in which nothing came about nothing is left.
    """
    try:
        with locked(folder, inside="", instead="name another pooled folder"):
            yield
    finally:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def pool(folders: list[Path], out: Path) -> Pooled:
    """Take hospitals' share folders into a pooled folder, beside those that are there already.

    Parameters
    ----------
    folders : list of Path
        May be empty: then the hospitals that are there are pooled again.
    out : Path

    Raises
    ------
    StudyError
        For a folder that is refused (`helpers.pooling.folders`); nothing is written then.
    """
    there = _there(out)
    came = {shown_path(folder): read_folder(folder) for folder in folders}
    if len(came) < len(folders):
        raise StudyError("A folder is named twice: name each hospital's once.")
    require_together({shown_path(out / "sites" / name): site for name, site in there.items()} | came)
    for site in came.values():
        _require_no_few_others(site, read_registry(out))
    for site, folder in zip(came.values(), folders, strict=True):
        target = made_folder(out / "sites" / named("site", site.sha256)) / SITE_FILE
        with replacing(target) as path:
            path.write_bytes((folder / SITE_FILE).read_bytes())
    pooled = open_pooled(out)
    _enter(pooled)
    return pooled


def _require_no_few_others(site: SiteFile, known: Registry) -> None:
    """Stop at a hospital's later file that has few patients more or fewer than one that was pooled here.

    The hospital looks at its patients themselves (`helpers.pooling.versions`); here only their number is
    known. Books of both pools would stand beside each other.
    """
    members = {member.sha256: (member, pool.made) for pool in known.pools for member in pool.members}
    members.pop(site.sha256, None)
    for hospital in site.hospitals:
        now = (hospital.patients, hospital.events)
        for member, made in members.values():
            for label, before in zip(member.hospitals, member.counts, strict=False):
                if label.casefold() == hospital.label.casefold() and _few_others(now, before, site.min_cell):
                    raise StudyError(
                        f"The hospital '{hospital.label}' has few patients, or few with or without the "
                        f"outcome, more or fewer than in its file that was pooled on {made}: both together "
                        "would tell of them. Pool its earlier file, until enough others have come."
                    )


def _few_others(now: tuple, before: tuple, min_cell: int) -> bool:
    if any(isinstance(count, str) for count in (*now, *before)):
        return False
    (n, events), (n_before, events_before) = now, before
    gaps = [n - n_before, events - events_before, n - events - n_before + events_before]
    return bool(is_small([abs(gap) for gap in gaps], min_cell).any())


def open_pooled(folder: Path | str) -> Pooled:
    """A pooled folder as it is; StudyError when it holds no hospital, or one that is damaged."""
    sites = sorted(_there(Path(folder)).values(), key=lambda site: site.hospitals[0].label.casefold())
    if not sites:
        raise StudyError("No hospital is named, and none is there: name hospitals' share folders.")
    return Pooled(Path(folder).resolve(), sites)


def _there(out: Path) -> dict[str, SiteFile]:
    return {path.parent.name: read_folder(path.parent) for path in sorted(out.glob(f"sites/*/{SITE_FILE}"))}


def read_registry(folder: Path) -> Registry:
    """Every pool that was made in a folder; StudyError when registry.json is damaged."""
    path = folder / "registry.json"
    if not path.is_file():
        return Registry()
    try:
        return Registry.model_validate_json(path.read_bytes())
    except ValidationError:
        raise StudyError(
            "registry.json of the pooled folder is damaged. Remove it, and pool again: the hospitals' files "
            "are kept, earlier pools are forgotten."
        ) from None


def _enter(pooled: Pooled) -> None:
    """Put down the pool, once."""
    known = read_registry(pooled.folder)
    if known.pools and known.pools[-1].id == pooled.id:
        return
    members = [
        Member(
            hospitals=[hospital.label for hospital in site.hospitals],
            counts=[(hospital.patients, hospital.events) for hospital in site.hospitals],
            study=site.study,
            sha256=site.sha256,
            software=site.software,
        )
        for site in pooled.sites
    ]
    now = datetime.datetime.now(datetime.UTC).date()
    pools = [*known.pools, Pool(id=pooled.id, made=now, members=members)]
    content = known.model_copy(update={"pools": pools})
    write_json(pooled.folder / "registry.json", content.model_dump(mode="json"))


def changes(folder: Path) -> pd.DataFrame:
    """The pools of a folder: pool, made, hospitals (how many), came and went (against the one before)."""
    rows, before = [], set()
    for one in read_registry(folder).pools:
        files = {member.sha256: ", ".join(member.hospitals) for member in one.members}
        came = [name for sha, name in files.items() if sha not in {sha for sha, _ in before}]
        went = [name for sha, name in before if sha not in files]
        count = sum(len(member.hospitals) for member in one.members)
        rows.append((one.id, str(one.made), count, "; ".join(came), "; ".join(sorted(went))))
        before = set(files.items())
    return pd.DataFrame(rows, columns=["pool", "made", "hospitals", "came", "went"])
