"""What several test modules share: one finished run of the tiny study, one hospital with broken patients."""

import shutil

import pytest
from broken_hospital import write_hospital

from helpers.commands import run
from helpers.pages.printing import BROWSERS
from helpers.study.places import REPOSITORY, STEPS
from helpers.study.run_folder import open_run


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The tiny study, run from the first notebook to the book."""
    study = REPOSITORY / "tests" / "data" / "tiny.yml"
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    results = run.run_study(study, folder, workers=2)
    assert [result.status for result in results] == ["ok"] * (len(STEPS) + 1)
    return open_run(study, folder)


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
    folder = tmp_path_factory.mktemp("broken")
    return folder, write_hospital(folder)
