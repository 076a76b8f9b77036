"""Pool many hospitals: take their share folders together, execute chapter 16, render its book."""

from __future__ import annotations

from pathlib import Path

from papermill import PapermillExecutionError

from helpers.commands.run import drop_messages, run_notebook
from helpers.errors import StudyError
from helpers.pages import leaks
from helpers.pages.build import render
from helpers.pages.pooled_book import nothing_private, stage_pooled
from helpers.pooling import registry
from helpers.pooling.contract import SITE_FILE, SiteFile
from helpers.pooling.folders import read_folder
from helpers.pooling.round_files import Answer, read_round
from helpers.pooling.versions import Versions
from helpers.study.places import POOLED, REPOSITORY, shown_path
from helpers.study.run_folder import open_run, read_record

WITHHELD = (
    f"{SITE_FILE} is withheld: since a version that was sent, few patients came, went or were corrected, and "
    "both together would tell of them. Wait until enough others have come; share/README says how many."
)


def pool_sites(folders: list[Path], out: Path) -> Path:
    """Make the book of many hospitals; returns its landing page.

    Parameters
    ----------
    folders : list of Path
        The hospitals' share folders.
    out : Path
        The pooled folder. Hospitals that are in it stay, the new ones join them.

    Raises
    ------
    StudyError
        For a folder that is refused, before anything is written; when another process works in the pooled
        folder; when the chapter fails, or Sphinx warns.
    """
    with registry.working_in(out):
        pooled = registry.pool(folders, out)
        execute_chapter(pooled)
        return render(pooled, {"": stage_pooled}, search=nothing_private)


def execute_chapter(pooled: registry.Pooled) -> Path:
    """Execute chapter 16 on a pooled folder and return the notebook."""
    source, output = REPOSITORY / "notebooks" / f"{POOLED}.ipynb", pooled.notebooks / f"{POOLED}.ipynb"
    try:
        run_notebook(source, output, {"pooled": shown_path(pooled.folder)})
    except PapermillExecutionError as error:
        raise StudyError(
            f"Chapter {POOLED} stopped in its code cell {error.exec_count}: {error.ename}: {error.evalue}. "
            f"The notebook with the error: {shown_path(output)}"
        ) from None
    drop_messages(output)
    return output


def check_share(folder: Path) -> list[str]:
    """Search a share folder again, before it leaves the hospital; what was done, a line each.

    The file is read as a centre reads it (contract, checksum, small counts). Where the folder lies in its run
    folder, everything outside private/ is searched for the patients' numbers, names and days as well; the
    file is compared with earlier ones that were sent, and put down as sent itself.

    Raises
    ------
    StudyError
        With what was found.
    """
    record = read_record(folder.resolve().parent)
    run = record and open_run(REPOSITORY / Path(record["study_file"]).expanduser(), folder.resolve().parent)
    if run and not (folder / SITE_FILE).is_file() and Versions(run).sent():
        raise StudyError(WITHHELD)
    site = read_folder(folder)
    counts = ", ".join(f"{one.label}: {one.patients} patients" for one in site.hospitals)
    done = [
        f"{SITE_FILE} keeps to its contract (version {site.version}) and is as it was written: {counts}.",
        f"No count of 1 to {site.min_cell - 1} stands in it or follows from it."
        if site.min_cell > 1
        else "CAUTION: min_cell is not set in the study file, so that small counts are told.",
    ]
    for path in sorted(folder.glob("round_*.json")):
        read_round(path, Answer)
        done.append(f"{path.name} keeps to its contract and is as it was written: sums over judged patients.")
    if not run:
        return [
            *done,
            "Not searched for identifiers, nor compared with earlier versions: the folder does not lie in "
            "its run folder.",
        ]
    leaks.require_no_leaks(run)
    done.append("No number, name or day of a patient was found in what lies outside private/.")
    return [*done, _put_down(Versions(run), site, folder)]


def _put_down(versions: Versions, site: SiteFile, folder: Path) -> str:
    """Compare a file with those that were sent, and put it down as sent; what was done, in a line."""
    if not versions.knows(site.sha256):
        return "Not compared with earlier versions: the run does not know which patients are behind this one."
    if versions.too_like(site.sha256, site.min_cell):
        raise StudyError(WITHHELD)
    others = sum(one.sha256 != site.sha256 for one in versions.sent())
    versions.put_down(site, (folder / SITE_FILE).read_bytes())
    return f"It tells of no few patients beside {others} earlier version(s), and is put down as sent."
