"""What several test modules share: one finished run of the tiny study, one hospital with broken patients."""

import json
import shutil
from contextlib import redirect_stderr

import pytest
from broken_hospital import write_hospital
from shared_once import made_once

from helpers.commands import run
from helpers.pages.printing import BROWSERS
from helpers.study.places import REPOSITORY, STEPS
from helpers.study.run_folder import open_run

# Not copied with a run: another test may look into it at that moment.
LOCK = ("lock.json", ".*.lock")
# Tests that need one of these are slow.
SLOW = {"finished", "own_run", "whole_run", "broken_hospital", "hostile", "chromium"}


def pytest_configure(config):
    """Workers of pytest-xdist take the files in our order, not those with the most tests first."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    """Mark the tests that wait for whole runs or for a browser, and let quick ones fill what is left."""
    needed, slow = {}, set()
    for item in items:
        needed.setdefault(item.path, set()).update(item.fixturenames)
        if SLOW & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("slow"):
            slow.add(item.path)
    items.sort(key=lambda item: turn(item.path, needed[item.path], item.path in slow))


def turn(path, needed, is_slow):
    """When a file is taken: one worker makes the finished run, the other meanwhile what needs none."""
    if path.name == "test_exercises.py":
        return 0
    waits = bool(needed & {"finished", "own_run", "whole_run"})
    return 1 if "hostile" in needed else 2 + waits if is_slow else 4


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The tiny study, run from the first notebook to the book. Who changes it works on a copy.

    What the terminal would have shown lies beside it.
    """
    study = REPOSITORY / "tests" / "data" / "tiny.yml"

    def make(folder):
        with folder.with_suffix(".stderr").open("w", encoding="utf-8") as file, redirect_stderr(file):
            _, results = run.run_study(study, folder, workers=2)
        assert [result.status for result in results] == ["ok"] * (len(STEPS) + 1)

    return open_run(study, made_once(tmp_path_factory, "tiny", make))


@pytest.fixture
def own_run(finished, tmp_path, monkeypatch):
    """A copy of the finished run that may be changed; its book is not rendered."""
    shutil.copytree(finished.folder, tmp_path / "tiny", ignore=shutil.ignore_patterns(*LOCK, "book", "cache"))
    monkeypatch.setattr(run, "build_book", lambda run: None)
    return open_run(finished.study, tmp_path / "tiny")


@pytest.fixture
def whole_run(finished, tmp_path):
    """A copy of the finished run with its book, for commands."""
    shutil.copytree(finished.folder, tmp_path / "tiny", ignore=shutil.ignore_patterns(*LOCK, "cache"))
    return open_run(finished.study, tmp_path / "tiny")


@pytest.fixture(scope="module")
def chromium():
    """Headless Chromium; the processor draws, WebGL by SwiftShader. Skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no Chromium on this machine: the pages are not opened in a browser")
    options = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    # Pages themselves are quicker drawn without the detour through SwiftShader.
    options += ["--disable-gpu-compositing", "--disable-gpu-rasterization"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def broken_hospital(tmp_path_factory):
    """Folder of a study (study.yml) with 20 patients, and what is broken in 8 of them, by raw number."""

    def make(folder):
        broken = write_hospital(folder)
        (folder / "broken.json").write_text(json.dumps(broken), encoding="utf-8")

    folder = made_once(tmp_path_factory, "broken", make)
    return folder, json.loads((folder / "broken.json").read_text(encoding="utf-8"))
