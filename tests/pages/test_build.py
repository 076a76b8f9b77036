"""The built book: a warning is a failure, and pictures of earlier runs do not stay."""

import shutil
import subprocess

import pytest

from helpers.errors import StudyError
from helpers.pages import build


def test_a_warning_fails_the_build_and_is_not_forgotten(run, monkeypatch):
    """Sphinx tells of a page's warning only when it reads the page: its memory of pages must go."""
    (run.book / "doctrees").mkdir()
    build.printed_book(run).write_bytes(b"%PDF of the book as it was")

    def warning(command, **options):
        code = 1 if "sphinx" in command else 0
        return subprocess.CompletedProcess(command, code, "", "index.md:3: WARNING: unknown label")

    monkeypatch.setattr(build.subprocess, "run", warning)
    with pytest.raises(StudyError, match="index.md:3: WARNING: unknown label"):
        build.build_book(run)
    assert not (run.book / "doctrees").exists()
    assert not build.printed_book(run).exists()


def test_pictures_of_earlier_runs_do_not_stay_in_the_book(run, monkeypatch):
    """Sphinx names an output's picture by its content and removes none: they would pile up."""
    html = run.book / "html"
    files = {
        "index.html": '<img src="_images/now.png"><a href="_downloads/0a/table.csv">',
        "_images/now.png": "",
        "_images/before.png": "",
        "_downloads/0a/table.csv": "",
        "_downloads/0b/gone.csv": "",
        "_static/scripts/theme.js": "",
        "_static/scripts/theme.js.map": "",
    }
    for name, content in files.items():
        (html / name).parent.mkdir(parents=True, exist_ok=True)
        (html / name).write_text(content, encoding="utf-8")
    done = subprocess.CompletedProcess([], 0, "", "")
    monkeypatch.setattr(build.subprocess, "run", lambda *command, **options: done)
    build.build_book(run)
    left = {path.relative_to(html).as_posix() for path in html.rglob("*") if path.is_file()}
    assert left == {"index.html", "_images/now.png", "_downloads/0a/table.csv", "_static/scripts/theme.js"}


def test_after_a_kill_no_page_and_no_memory_of_sphinx_is_trusted(run, monkeypatch):
    """Killed while it writes, Sphinx leaves half a search index or page, and would not make it again."""

    def killed(command, **options):
        for name in ("html/searchindex.js", "html/old.html", "doctrees/environment.pickle"):
            (run.book / name).parent.mkdir(exist_ok=True)
            (run.book / name).write_text("half", encoding="utf-8")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(build.subprocess, "run", killed)
        build.build_book(run)
    seen = []

    def sphinx(command, **options):
        seen.extend(path.name for path in run.book.rglob("*") if path.suffix in (".js", ".pickle"))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(build.subprocess, "run", sphinx)
    build.build_book(run)
    assert "environment.pickle" not in seen and "searchindex.js" not in seen
    assert not (run.book / "html" / "old.html").exists()
    (run.book / "doctrees").mkdir()
    build.build_book(run)  # the last one came to its end: Sphinx may use what it knows
    assert (run.book / "doctrees").exists()


def test_a_full_disk_is_told_instead_of_what_sphinx_made_of_it(run, monkeypatch):
    def full(command, **options):
        return subprocess.CompletedProcess(command, 1, "", "Exception occurred: while writing")

    monkeypatch.setattr(build.subprocess, "run", full)
    usage = shutil.disk_usage(run.folder)
    monkeypatch.setattr(build.shutil, "disk_usage", lambda path: usage._replace(free=4096))
    with pytest.raises(StudyError, match="the disk is full"):
        build.build_book(run)
