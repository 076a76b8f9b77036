"""Protects the promise that nothing is lost when the power goes: killed 20 times, then resumed, same bytes.

The same with whole runs of notebooks and several workers, which take minutes: benchmarks/resume.py.
"""

import multiprocessing
import shutil
import time

import numpy as np
import pytest
import SimpleITK as sitk
from synthetic_scan import PAPER, synthetic_scan

from helpers.features import extraction, prepare
from helpers.features.cache import CaseCache
from helpers.features.cases import Case
from helpers.study.pseudonyms import pseudonyms
from helpers.study.run_folder import Run
from helpers.study.sites import Site
from helpers.study.study_file import Study

pytestmark = pytest.mark.slow

KILLS, PATIENTS = 20, 12
# Children start in milliseconds from a server that has imported everything.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["helpers.features.extraction"])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A hospital of twelve small scans in NIfTI files, with two classes of features."""
    folder = tmp_path_factory.mktemp("hospital")
    for number in range(PATIENTS):
        # One region each: the same mask twice is refused.
        scan = synthetic_scan(seed=number, radius_mm=(11.0 - number / 3, 8.0, 12.0))
        sitk.WriteImage(scan.image, folder / f"ct_{number}.nii")
        sitk.WriteImage(scan.mask, folder / f"mask_{number}.nii")
    text = PAPER.read_text(encoding="utf-8")
    lean = text[: text.index("imageType:")] + "imageType: {Original: {}}\nfeatureClass: {glcm: , shape: }\n"
    (folder / "lean.yml").write_text(lean, encoding="utf-8")
    site = Site(
        name="here",
        role="development",
        table={"path": "dxa.csv"},
        images="ct_{patient_id}.nii",
        masks="mask_{patient_id}.nii",
    )
    study = Study(
        name="own", title="Own", seed=1, extraction="lean.yml", sites=[site], file=folder / "study.yml"
    )
    return Run(study=study, folder=folder / "run")


def measure(run):
    """What notebooks 02 and 03 do with the patients."""
    names = pseudonyms(run, "here", [str(number) for number in range(PATIENTS)])
    cases = [Case(name, "here") for name in names]
    run.write("preprocessing", prepare.quality_table(run, cases, workers=1))
    run.write("features", extraction.features_table(run, cases, workers=1)[0])


def finish(run):
    child = PROCESSES.Process(target=measure, args=(run,))
    child.start()
    child.join()
    assert child.exitcode == 0
    return [run.artifact_path(name).read_bytes() for name in ("preprocessing", "features")]


def test_killed_twenty_times_at_random_moments_then_resumed_the_tables_are_the_same(run):
    finish(run)  # the pseudonyms' key is made once, compiled code is read
    started = time.monotonic()
    shutil.rmtree(run.cache)
    undisturbed, whole = finish(run), time.monotonic() - started
    cache, random = CaseCache(run.cache), np.random.default_rng(6)
    shutil.rmtree(run.cache)
    killed, entries = 0, []
    while killed < KILLS:
        child = PROCESSES.Process(target=measure, args=(run,))
        child.start()
        child.join(random.uniform(0, whole))
        if child.exitcode is None:
            child.kill()
            child.join()
            killed += 1
            found = [path.relative_to(run.cache).with_suffix("") for path in run.cache.glob("*/*.case")]
            assert all(cache.load(key) is not None for key in found)  # under its name an entry is whole
            entries.append(len(found))
        else:  # all was done: begin again
            shutil.rmtree(run.cache)
    assert len(set(entries)) > 3  # they were killed at different stages of the work
    assert finish(run) == undisturbed
