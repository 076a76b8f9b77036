"""The command `radbook`: run a study, build its book, check it, export virtual patients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from helpers import rendering, runner
from helpers.errors import StudyError
from helpers.study import REPOSITORY, open_run

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)


@contextmanager
def _readable_errors() -> Iterator[None]:
    """A mendable error is a message and exit status 1, not a traceback."""
    try:
        yield
    except StudyError as error:
        typer.echo(str(error), err=True)
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
) -> None:
    """Execute the notebooks on a study and render its book."""
    with _readable_errors():
        results = runner.run_study(study, run_dir, first, last, tuple(parameter or ()), workers)
        typer.echo(runner.summary(results))
        typer.echo(f"The book: {rendering.book_page(runner.run_folder(study, run_dir))}")


@app.command()
def build(run_dir: Annotated[Path, typer.Argument(help="Run folder, for example runs/virtual.")]) -> None:
    """Render the book of a run again, without executing anything."""
    with _readable_errors():
        record = run_dir / "run.json"
        if not record.is_file():
            raise StudyError(f"'{run_dir}' is not a run folder (it has no run.json): start with radbook run.")
        study = REPOSITORY / json.loads(record.read_text(encoding="utf-8"))["study_file"]
        typer.echo(f"The book: {rendering.build_book(open_run(study, run_dir))}")


@app.command()
def check(study: Annotated[Path, typer.Argument(help="Study file.")]) -> None:
    """Look for everything that would stop a study, without running it."""
    with _readable_errors():
        problems = runner.problems(study)
    if problems:
        typer.echo("\n".join(problems), err=True)
        raise typer.Exit(1)
    typer.echo("No problems found.")


@app.command()
def export_virtual(
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
    patients: Annotated[int, typer.Option(min=8, help="How many virtual patients.")] = 20,
    seed: Annotated[int, typer.Option(help="Another seed, other patients.")] = 1,
) -> None:
    """Write virtual patients as a hospital would hand them over: DICOM, ITK-SNAP masks, a DXA table."""
    from helpers.virtual import VirtualSite
    from helpers.virtual.export import export_virtual

    protocol = REPOSITORY / "data" / "virtual" / "protocol.yml"
    with _readable_errors():
        export_virtual(VirtualSite(protocol, "development", patients, seed), out, patients)
        typer.echo(f"{patients} virtual patients: {out}. Run them with: radbook run {out / 'study.yml'}")


if __name__ == "__main__":
    app()
