"""Run a study: the notebooks in order with papermill, then the book; keep a record of it all."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError

from helpers.commands import memory, pace
from helpers.commands.parameters import chosen_steps, notebook_parameters, notebook_source
from helpers.commands.record import StepResult, write_record
from helpers.commands.side_by_side import ON_ONE, Turns, in_turns
from helpers.errors import StudyError
from helpers.features.blocks import read_settings
from helpers.features.feature_tables import check_feature_tables
from helpers.frozen.new_hospital import check_before_applying
from helpers.pages import leaks
from helpers.pages.build import book_page, build_book
from helpers.pages.doubts import require_own
from helpers.patients.table import check_tables
from helpers.study import pseudonyms
from helpers.study.lock import locked
from helpers.study.parallel import BARS_VARIABLE
from helpers.study.places import FULL, POOLED, REPOSITORY, STEPS, replacing, shown_path, unwritable
from helpers.study.run_folder import Run, open_run, read_record
from helpers.study.study_file import Study, load_study

NO_DEVELOPMENT = "No site has the role 'development': name one, or apply a frozen model (radbook apply)."
IMAGE_STEPS = ("02", "03")
PAPER_STEPS = ("09", "13", "14")
APPLY_STEP, EVIDENCE_STEP, POOLED_STEP = "11", "12", POOLED[:2]
NOT_NEEDED, AS_BEFORE = "not needed", "as before"
PREVIEWED = ("03", "06", "10")  # after these a reader may look at the book so far


def run_study(
    study_file: Path | str,
    run_dir: Path | str | None = None,
    first: str = "01",
    last: str = "99",
    overrides: tuple[str, ...] = (),
    workers: int = 0,
    accept_foreign: bool = False,
    preview: bool = False,
) -> tuple[Run, list[StepResult]]:
    """Execute the notebooks ``first`` to ``last`` and render the book.

    A notebook is not executed again when nothing changed that its results follow from. Only 01 to 03 always
    look at a hospital's own files, and are quick where every case is in the cache.

    Parameters
    ----------
    study_file : path
        The study file.
    run_dir : path, optional
        The run folder; ``runs/<name of the study>`` by default.
    first, last : str
        Notebook numbers, for example "04".
    overrides : tuple of str
        ``NN.name=value``, as on the command line; they win over the study file's ``parameters``.
    workers : int
        Parallel processes; 0 means one per core.
    accept_foreign : bool
        Succeed although the book shows what does not fit the run; its pages say so.
    preview : bool
        Render what there is after 03, 06 and 10 too.

    Raises
    ------
    StudyError
        Before anything runs when a name is unknown, or another process has the run folder; afterwards when a
        notebook failed, or the book shows what does not fit the run.
    """
    steps, study = chosen_steps(first, last), load_study(study_file)
    stop_beforehand(study, overrides)
    run = run_folder(study, run_dir)
    parameters = notebook_parameters(study.parameters, overrides, _common_parameters(run, workers))
    with locked(run.folder):
        chapters = _Chapters(run, steps, parameters, workers or os.cpu_count() or 1, preview)
        results = [*chapters.all_done(), _rendered(run)]
        if not accept_foreign:
            require_own(run, last)
    return run, results


def stop_beforehand(study: Study, overrides: tuple[str, ...] = ()) -> None:
    """Stop a study of which it is known that it cannot run, before anything does.

    Raises
    ------
    StudyError
        With everything that is wrong in tables, settings and parameters.
    """
    found = check_tables(study) + other_problems(study, overrides)
    if not study.development_sites:
        found.append(NO_DEVELOPMENT)
    if found:
        raise StudyError("\n".join(found))


def _common_parameters(run: Run, workers: int) -> dict[str, Any]:
    """What every notebook is told that asks for it."""
    return {"study": shown_path(run.study.file), "run_dir": shown_path(run.folder), "workers": workers}


class _Chapters:
    """The chapters of one run: what each is asked and told while `in_turns` has them done."""

    def __init__(
        self,
        run: Run,
        steps: Sequence[str],
        parameters: Mapping[str, dict[str, Any]],
        workers: int,
        preview: bool,
    ) -> None:
        self.run, self.parameters, self.preview = run, parameters, preview
        self.results: dict[str, StepResult] = {}
        parallel = {step for step in steps if "workers" in parameters[step]} - ON_ONE
        needed = {step for step in steps if is_needed(run.study, step, parameters[step])}
        self.expected = pace.recorded_work(run)
        work = {step: self.expected[step] * (step in needed) for step in steps}
        self.turns = Turns(steps, work, parallel, workers)

    def all_done(self) -> list[StepResult]:
        """Do them; raise the errors of those that failed when the others are done."""
        with chdir(REPOSITORY):  # notebooks are executed there, and threads have one working folder
            failed = in_turns(self.turns, self.is_settled, self.execute, self.ended, self.render)
        if failed:
            raise _together([failed[step] for step in sorted(failed)])
        return [self.results[step] for step in sorted(self.results)]

    def is_settled(self, step: str) -> bool:
        """Whether there is no work, or the notebook would only repeat what is there."""
        if not is_needed(self.run.study, step, self.parameters[step]):
            self.results[step] = StepResult(STEPS[step], NOT_NEEDED, 0.0)
        elif memory.holds(self.run, step, self.parameters[step]):
            self.results[step] = StepResult(STEPS[step], AS_BEFORE, 0.0)
        return step in self.results

    def execute(self, step: str, share: int) -> StepResult:
        """Execute the notebook with its share of the workers."""
        own = {"workers": share} if "workers" in self.parameters[step] else {}
        memory.begin(self.run, step)
        try:
            result = execute(self.run, step, self.parameters[step] | own, share == self.turns.workers)
        except Exception:
            _tell(f"{STEPS[step]}: failed; what does not need it is done first")
            raise
        return replace(result, workers=share)

    def ended(self, step: str, result: StepResult) -> bool:
        """Put down what was done and tell what is left; whether the book so far is to be shown."""
        self.results[step] = result
        _put_down(self.run, step, self.parameters[step], result)
        if not (self.turns.waiting or self.turns.running):
            return False
        to_go = self.turns.seconds_to_go(pace.pace(self.expected, self.results))
        _tell(f"{STEPS[step]}: {result.seconds:.0f} s, {pace.in_words(to_go)} to go")
        return self.preview and step in PREVIEWED

    def render(self) -> None:
        """Render the book so far, and tell where it is."""
        _rendered(self.run)
        _tell(f"The book so far: {shown_path(book_page(self.run))}")


def _together(errors: list[Exception]) -> Exception:
    """One error that tells of all; what is no message to users comes alone."""
    unforeseen = [error for error in errors if not isinstance(error, StudyError)]
    return unforeseen[0] if unforeseen else StudyError("\n\n".join(map(str, errors)))


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _put_down(run: Run, step: str, parameters: dict[str, Any], result: StepResult) -> None:
    write_record(run, result)
    memory.finish(run, step, parameters)


def _rendered(run: Run) -> StepResult:
    started = time.perf_counter()
    build_book(run)
    result = StepResult("book", "ok", time.perf_counter() - started)
    write_record(run, result)
    return result


def apply_bundle(
    bundle: Path | str,
    study_file: Path | str,
    run_dir: Path | str | None = None,
    accept_differences: bool = False,
    workers: int = 0,
    accept_foreign: bool = False,
) -> Run:
    """Score the patients of a study with a frozen model: notebook 11 and its book.

    Parameters
    ----------
    bundle : path
        The folder with model.json.
    study_file : path
        The new patients; all their sites count as external.
    run_dir : path, optional
        By default that of ``radbook check``, ``runs/<name of the study>``, so that pseudonyms and what was
        read are the same; ``runs/<name of the study>-applied`` where that holds the study's own run.
    accept_differences : bool
        Go on when settings, engine or outcome are not the bundle's; the page then tells.
    workers : int
        Parallel processes; 0 means one per core.
    accept_foreign : bool
        As for `run_study`.

    Raises
    ------
    StudyError
        Before anything is measured when tables, settings or engine do not fit, or another process has the
        run folder; or when the notebook failed, or the book shows what does not fit the run.
    """
    study = load_study(study_file)
    run = applied_folder(study, run_dir)
    with locked(run.folder):
        check_before_applying(run, shown_path(bundle), accept_differences)
        _apply(run, shown_path(bundle), accept_differences, workers)
        if not accept_foreign:
            require_own(run)
    return run


def _apply(run: Run, bundle: str, accept_differences: bool, workers: int) -> None:
    common = _common_parameters(run, workers)
    parameters = notebook_parameters({}, (), common)[APPLY_STEP]
    parameters |= {"bundle": bundle, "new_study": common["study"]}
    parameters |= {"accept_differences": accept_differences}
    memory.begin(run, APPLY_STEP)
    _put_down(run, APPLY_STEP, parameters, execute(run, APPLY_STEP, parameters))
    _rendered(run)


def is_needed(study: Study, step: str, parameters: dict[str, Any]) -> bool:
    """Whether a study has work for a notebook.

    Ready features need no images (02, 03). A new hospital (11) is one that the parameters name, or a third
    virtual one. The evidence for the virtual cohort (12) is about the two virtual hospitals. What is about
    the paper, or shown on its question (09, 13, 14), is for studies of its design; real patients (15) stand
    beside virtual ones of its design, and small virtual hospitals (16) meet its model.
    """
    virtual = {site.role for site in study.sites if site.virtual}
    if step in IMAGE_STEPS:
        return not study.has_features
    if step in PAPER_STEPS:
        return study.is_of_paper_design
    if step == APPLY_STEP:
        return bool(parameters.get("new_study") or virtual)
    if step in (memory.REAL_STEP, POOLED_STEP):
        return study.is_virtual and study.is_of_paper_design
    return step != EVIDENCE_STEP or virtual == {"development", "external"}


def run_folder(study: Study, run_dir: Path | str | None = None) -> Run:
    """The run folder asked for, or ``runs/<name of the study>``.

    Raises
    ------
    StudyError
        When the latter holds the results of another study file of the same name, or run.json is damaged.
    """
    run, own = open_run(study, run_dir or REPOSITORY / "runs" / study.name), shown_path(study.file)
    owner = read_record(run.folder).get("study_file", own)
    if run_dir is not None:
        return run
    # A study file that was moved takes its results along.
    if owner != own and (REPOSITORY / Path(owner).expanduser()).is_file():
        raise StudyError(
            f"runs/{study.name} holds the results of the study file '{owner}'. Give this study another "
            "name, or name another folder with --run-dir."
        )
    return run


def applied_folder(study: Study, run_dir: Path | str | None = None) -> Run:
    """The run folder asked for, or that of ``radbook check``.

    Where that holds the study's own run, a folder beside it, with the same pseudonyms.

    Raises
    ------
    StudyError
        As `run_folder`.
    """
    run = run_folder(study, run_dir)
    if run_dir is not None or not (run.notebooks / f"{STEPS['01']}.ipynb").is_file():
        return run
    beside = open_run(study, run.folder.with_name(f"{run.folder.name}-applied"))
    pseudonyms.take_over(run, beside)
    return beside


def other_problems(study: Study, overrides: tuple[str, ...] = ()) -> list[str]:
    """What would stop a study beside its patients' tables: ready features, settings, parameter names."""
    found = check_feature_tables(study) if study.has_features else []
    checks = [
        lambda: study.extraction and read_settings(study.path(study.extraction)),
        lambda: notebook_parameters(study.parameters, overrides, {}),
    ]
    for check in checks:
        try:
            check()
        except StudyError as error:
            found.append(str(error))
    return found


def execute(run: Run, step: str, parameters: dict[str, Any], alone: bool = True) -> StepResult:
    """Run one notebook into the run folder, and put down how it failed when it does."""
    name = STEPS[step]
    output = run.notebooks / f"{name}.ipynb"
    started = time.perf_counter()
    try:
        run_notebook(notebook_source(step), output, parameters, alone)
    except (DeadKernelError, OSError) as error:
        write_record(run, StepResult(name, "failed", time.perf_counter() - started))
        raise _cut_off(step, error) from error
    except papermill.PapermillExecutionError as error:
        failed = StepResult(name, "failed", time.perf_counter() - started)
        write_record(run, failed)
        drop_messages(output)
        _blot(run, output)
        raise StudyError(_failure(run, step, error)) from None
    drop_messages(output)
    return StepResult(name, "ok", time.perf_counter() - started)


def run_notebook(source: Path, output: Path, parameters: Mapping[str, Any], alone: bool = True) -> None:
    """Execute a notebook with papermill; a terminal shows its progress bars when it runs ``alone``."""
    _tell(f"{output.stem} ...")
    os.environ.pop(BARS_VARIABLE, None)
    if alone and sys.stderr.isatty():
        os.environ[BARS_VARIABLE] = "1"  # the notebook's process cannot see the terminal
    papermill.execute_notebook(
        source,
        output,
        parameters=parameters,
        kernel_name="python3",
        cwd=REPOSITORY,
        progress_bar=False,
        stderr_file=sys.stderr,
        # The kernel listens on this machine only; its note about unencrypted ports is no news.
        extra_arguments=["--log-level=50"],
    )


def _cut_off(step: str, error: DeadKernelError | OSError) -> Exception:
    """What to tell when a notebook ended with its process, or could not be written."""
    if isinstance(error, OSError):
        return unwritable(f"notebooks/{STEPS[step]}.ipynb", error) if error.errno in FULL else error
    return StudyError(
        f"Notebook {STEPS[step]} was cut off: its process is gone, mostly because the computer's memory was "
        f"full. Close other programs, or take fewer --workers. {_kept(step)} Go on with: "
        f"radbook run ... --from {step}"
    )


def _kept(start: str) -> str:
    before = ", ".join(number for number in STEPS if number < start) or "none"
    return f"Kept: the results of the notebooks before ({before}) and every case already computed."


def drop_messages(notebook: Path) -> None:
    """Take out what libraries said to the terminal, which has it: warnings quote this computer's paths."""
    content = nbformat.read(notebook, as_version=4)
    for cell in content.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    with replacing(notebook) as path:
        nbformat.write(content, path)


def _blot(run: Run, notebook: Path) -> None:
    """Take raw identifiers out of a notebook that failed: a library's error may quote a path."""
    text = notebook.read_text(encoding="utf-8")
    with replacing(notebook) as path:
        path.write_text(leaks.redacted(run, text), encoding="utf-8")


def _failure(run: Run, step: str, error: papermill.PapermillExecutionError) -> str:
    """Five lines: which notebook and cell, what went wrong, where to look, what is kept, how to go on."""
    start = memory.repeat_from(run, step)
    return "\n".join(
        [
            f"Notebook {STEPS[step]} stopped in its code cell {error.exec_count}.",
            f"{error.ename}: {leaks.redacted(run, ' '.join(str(error.evalue).split()))}",
            f"The notebook with the error: {shown_path(run.notebooks / STEPS[step])}.ipynb",
            _kept(start),
            f"When it is mended, go on with: radbook run ... --from {start}",
        ]
    )
