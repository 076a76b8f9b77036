"""The command `radbook`: begin, check, run and build a study, pool hospitals, teach, export patients."""

from __future__ import annotations

import os
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Annotated, Literal

import typer

from helpers.commands.record import cache_needed_since, summary
from helpers.commands.run import apply_bundle, run_folder, run_study
from helpers.errors import StudyError
from helpers.features.cache import CaseCache
from helpers.features.cluster import ADDRESS_VARIABLE
from helpers.frozen.new_hospital import VIRTUAL_ON_REAL, open_bundle, virtual_on_real
from helpers.pages.build import book_page, build_book
from helpers.pages.doubts import require_own
from helpers.study.lock import locked
from helpers.study.places import FULL, REPOSITORY, shown_path, unwritable
from helpers.study.run_folder import Run, open_run, read_record
from helpers.study.study_file import load_study

AcceptForeign = Annotated[
    bool,
    typer.Option("--accept-foreign", help="Succeed although files are not the run's own; the pages tell."),
]
app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)


@contextmanager
def _readable_errors() -> Iterator[None]:
    """A mendable error, or a disk that takes no more, is a message and exit status 1, not a traceback."""
    try:
        yield
    except StudyError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        if error.errno not in FULL:
            raise
        typer.echo(
            str(unwritable(Path(error.filename) if error.filename else "The run folder", error)), err=True
        )
        raise typer.Exit(1) from None


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="Study file, for example data/studies/virtual.yml.")],
    first: Annotated[str, typer.Option("--from", help="First notebook, for example 04.")] = "01",
    last: Annotated[str, typer.Option("--to", help="Last notebook.")] = "99",
    parameter: Annotated[
        list[str] | None, typer.Option("-p", help="NN.name=value, for example 04.mrmr_features=30.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Parallel processes; 0: one per core.")] = 0,
    run_dir: Annotated[Path | None, typer.Option(help="Run folder; runs/<study> by default.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Measure patients on the dask cluster at this address.")
    ] = None,
    accept_foreign: AcceptForeign = False,
    preview: Annotated[bool, typer.Option(help="Show the book so far after 03, 06 and 10.")] = True,
) -> None:
    """Execute the notebooks on a study and render its book."""
    if scheduler:
        os.environ[ADDRESS_VARIABLE] = scheduler
    with _readable_errors():
        options, started = (tuple(parameter or ()), workers, accept_foreign, preview), time.perf_counter()
        run, results = run_study(study, run_dir, first, last, *options)
        typer.echo(summary(results, time.perf_counter() - started))
        typer.echo(f"The book: {book_page(run)}")


@app.command()
def build(
    run_dir: Annotated[Path, typer.Argument(help="Run folder, for example runs/virtual.")],
    accept_foreign: AcceptForeign = False,
) -> None:
    """Render the book of a run again, without executing anything."""
    with _readable_errors(), locked((run := _finished(run_dir)).folder):
        typer.echo(f"The book: {build_book(run)}")
        if not accept_foreign:
            require_own(run)


@app.command("print")
def print_pdf(
    run_dir: Annotated[Path, typer.Argument(help="Run folder, for example runs/virtual.")],
    accept_foreign: AcceptForeign = False,
) -> None:
    """Print the book of a run as PDF; needs Chromium."""
    from helpers.pages import printing

    with _readable_errors(), locked((run := _finished(run_dir)).folder):
        typer.echo(f"The book as PDF: {printing.print_book(run)}")
        if not accept_foreign:
            require_own(run)


def _finished(run_dir: Path) -> Run:
    record = read_record(run_dir)
    if not record:
        raise StudyError(f"'{run_dir}' is not a run folder (it has no run.json): start with radbook run.")
    return open_run(REPOSITORY / Path(record["study_file"]).expanduser(), run_dir)


@app.command()
def cache(
    run_dir: Annotated[Path | None, typer.Argument(help="Run folder; all in runs/ by default.")] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove what the last run did not use.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Remove it all; the next run is long.")] = False,
) -> None:
    """Show how much the patients' intermediate results take, and remove what is no longer used."""
    found = sorted(path.parent for path in (REPOSITORY / "runs").glob("*/run.json"))
    with _readable_errors():
        for run in map(_finished, [run_dir] if run_dir else found):
            _keep_cache(run, prune, everything)


def _keep_cache(run: Run, prune: bool, everything: bool) -> None:
    kept, since = CaseCache(run.cache), cache_needed_since(run)
    typer.echo(f"{run.folder.name:<24}{'entries':>9}{'MB':>9}{'unused':>9}")
    for stage, (entries, size, unused) in kept.usage(since or 0).items():
        typer.echo(f"  {stage:<22}{entries:>9}{size / 1e6:>9.1f}{'?' if since is None else unused:>9}")
    if prune and since is None:
        raise StudyError("The last run did not finish, so what it needs is not known: finish it, then prune.")
    if prune or everything:
        typer.echo(f"  {kept.prune(time.time() if everything else since)} entries removed")


@app.command()
def apply(
    bundle: Annotated[
        Path, typer.Argument(help="Folder of the frozen model, for example runs/x/private/bundle.")
    ],
    study: Annotated[Path, typer.Argument(help="Study file of the new patients.")],
    run_dir: Annotated[
        Path | None, typer.Option(help="Run folder; by default runs/<study>, as of radbook check.")
    ] = None,
    accept_differences: Annotated[
        bool,
        typer.Option("--accept-differences", help="Go on with other settings or versions; the page tells."),
    ] = False,
    workers: Annotated[int, typer.Option(min=0, help="Parallel processes; 0: one per core.")] = 0,
    accept_foreign: AcceptForeign = False,
) -> None:
    """Score new patients with a frozen model, and judge it where their outcomes are known."""
    with _readable_errors():
        run = apply_bundle(bundle, study, run_dir, accept_differences, workers, accept_foreign)
        if virtual_on_real(open_bundle(run, str(bundle)), run.study):
            typer.echo(VIRTUAL_ON_REAL, err=True)
        typer.echo(f"Each patient's result: {shown_path(run.private / 'scores.xlsx')} (and scores.csv)")
        typer.echo(f"The book: {book_page(run)}")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder with images and tables, as they came.")],
    language: Annotated[Literal["en", "zh"], typer.Option(help="Of comments and summary.")] = "en",
    again: Annotated[bool, typer.Option("--again", help="Write a study file anew that is there.")] = False,
) -> None:
    """Look through a hospital's folder and write its study file, each guess with its evidence."""
    from helpers.commands.init import init_study

    with _readable_errors():
        typer.echo(init_study(folder, language, again))


@app.command()
def check(
    study: Annotated[Path, typer.Argument(help="Study file.")],
    workers: Annotated[int, typer.Option(min=0, help="Parallel processes; 0: one per core.")] = 0,
    run_dir: Annotated[Path | None, typer.Option(help="Run folder; runs/<study> by default.")] = None,
) -> None:
    """Look at tables, settings, images and masks, and tell everything that is wrong, before any long work.

    Ends with status 0 when nothing is wrong, 1 when the study cannot run, 3 when it can, but without refused
    patients.
    """
    from helpers.commands import check_page
    from helpers.commands.check import as_text, check_study

    with _readable_errors():
        folder = run_folder(load_study(study), run_dir)
        with locked(folder.folder):
            report = check_study(folder, workers)
            page = check_page.write_page(report, folder)
        typer.echo(as_text(report))
        typer.echo(f"As a page, with pictures of the regions: {page}")
    raise typer.Exit(report.exit_status)


@app.command()
def click(
    study: Annotated[Path, typer.Argument(help="Study file; sites with 'points: click' are asked for.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this computer; 0: a free one.")] = 0,
    run_dir: Annotated[Path | None, typer.Option(help="Run folder; runs/<study> by default.")] = None,
) -> None:
    """Set a point in T12 and one in L1 of every patient without a mask, in the browser."""
    from helpers.commands.click import Session, asked_of
    from helpers.commands.click_server import ClickServer
    from helpers.pages.click_page import page_files

    with _readable_errors(), locked((own := run_folder(load_study(study), run_dir)).folder):
        session = Session(own, asked_of(own))
        with ClickServer(session, page_files(own.study), port) as server:
            typer.echo(f"{len(session.asked)} patients. The page, for nobody else: {server.address}")
            typer.echo("It ends with the page's button 'Finish', or here with Ctrl+C.")
            # A browser in the terminal does not return before it ends.
            Thread(target=webbrowser.open, args=[server.first_address], daemon=True).start()
            with suppress(KeyboardInterrupt):
                server.serve_forever()
        session.close()
        typer.echo(session.summary())


@app.command()
def pool(
    out: Annotated[Path, typer.Option("--out", help="The pooled folder; hospitals that are in it stay.")],
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Hospitals' share folders; each holds a site.json.")
    ] = None,
) -> None:
    """Make one book of many hospitals from their share folders."""
    from helpers.commands.pool import pool_sites

    with _readable_errors():
        typer.echo(f"The book: {pool_sites(folders or [], out)}")


@app.command()
def course(
    run_dir: Annotated[Path, typer.Argument(help="Run folder of a finished run, for example runs/quick.")],
) -> None:
    """Write a run's exercises as notebooks, and check that this computer is ready for a course."""
    from helpers.commands.course import prepare_course

    with _readable_errors(), locked((finished := _finished(run_dir)).folder):
        for line in prepare_course(finished):
            typer.echo(f"ok  {line}")
        typer.echo("Ready.")


@app.command()
def update(
    pooled: Annotated[Path, typer.Option("--from", help="The pooled folder.")],
    bundle: Annotated[Path, typer.Option("--bundle", help="The frozen model that the hospitals judged.")],
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Hospitals' share folders with their answers to a round.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="A hospital that drops out; the others begin anew.")
    ] = None,
) -> None:
    """Recalibrate and refit the nomogram for all hospitals of a pooled folder, in rounds of files."""
    from helpers.commands.update import update_from

    with _readable_errors():
        for line in update_from(pooled, bundle, folders or [], without or []):
            typer.echo(line)


@app.command()
def answer(
    run_dir: Annotated[Path, typer.Argument(help="The hospital's run folder, for example runs/x.")],
    request: Annotated[Path, typer.Argument(help="The centre's file of this round, round_NN.json.")],
) -> None:
    """Answer a round of an update: add this hospital's sums to its share folder, where these may be told."""
    from helpers.pooling.answering import answer as answered
    from helpers.pooling.round_files import file_of

    with _readable_errors(), locked((run := _finished(run_dir)).folder):
        told = answered(run, request)
        typer.echo(f"Send this file back: {shown_path(run.folder / 'share' / file_of(told.round))}")


@app.command()
def share_check(
    folder: Annotated[Path, typer.Argument(help="A run's share folder, for example runs/x/share.")],
) -> None:
    """Search a share folder again before it leaves the hospital: contract, small counts, identifiers."""
    from helpers.commands.pool import check_share

    with _readable_errors():
        for line in check_share(folder):
            typer.echo(line)


@app.command()
def export_virtual(
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
    patients: Annotated[int, typer.Option(min=8, help="How many virtual patients.")] = 20,
    seed: Annotated[int, typer.Option(help="Another seed, other patients.")] = 1,
    role: Annotated[
        Literal["development", "external"], typer.Option(help="Which of the paper's two hospitals.")
    ] = "development",
    chinese: Annotated[bool, typer.Option("--chinese", help="Table in GBK with Chinese headers.")] = False,
    as_pacs: Annotated[
        bool,
        typer.Option("--as-pacs", help="As an archive exports them, without a study file: for radbook init."),
    ] = False,
    sites: Annotated[
        int, typer.Option(min=0, help="So many hospitals that differ, each with so many patients.")
    ] = 0,
) -> None:
    """Write virtual patients as a hospital would hand them over: DICOM, ITK-SNAP masks, a DXA table."""
    from helpers.commands import hospitals_export, pacs_export
    from helpers.virtual import VirtualSite
    from helpers.virtual.export import CHINESE_GBK, PLAIN, export_virtual

    protocol = REPOSITORY / "data" / "virtual" / "protocol.yml"
    with _readable_errors():
        if sites:
            if chinese or as_pacs or role != "development":
                raise StudyError("With --sites the hospitals' roles and tables are their own: say no other.")
            for study in hospitals_export.export_hospitals(out, sites, patients, seed):
                typer.echo(f"{patients} virtual patients. Now: radbook apply BUNDLE {study}")
            return
        site = VirtualSite(protocol, role, patients, seed)
        if as_pacs:
            pacs_export.export_as_pacs(site, out, patients)
            typer.echo(f"{patients} virtual patients: {out}. Now: radbook init {out}")
            return
        export_virtual(site, out, patients, CHINESE_GBK if chinese else PLAIN)
        use = "radbook run" if role == "development" else "radbook apply BUNDLE"
        typer.echo(f"{patients} virtual patients: {out}. Now: {use} {out / 'study.yml'}")


if __name__ == "__main__":
    app()
