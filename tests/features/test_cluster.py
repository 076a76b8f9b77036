"""Protects the promise that a dask cluster gives the same bytes as this computer, though workers die."""

import os
import shutil
import signal
import time
from functools import partial
from threading import Thread

import pytest
from distributed import LocalCluster
from small_hospital import run_of

from helpers.errors import StudyError
from helpers.features import cluster, extraction, prepare
from helpers.features.cases import Case, map_cases
from helpers.features.cluster import ADDRESS_VARIABLE
from helpers.study.study_file import load_study

pytestmark = pytest.mark.slow

CASES = [Case(f"D{number:04d}", "here") for number in range(12)]


@pytest.fixture(scope="module")
def two_workers():
    """A scheduler with two worker processes on this computer."""
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as local:
        yield local.scheduler_address


def root_unless_seven(case):
    number = int(case.patient_id[1:])
    if number == 7:
        raise StudyError(f"{case.patient_id}: the mask is empty.", "mask")
    time.sleep(0.02 * (number % 3))  # cases end in another order than they start
    return number**0.5


def test_order_values_and_refusals_are_those_of_joblib(two_workers):
    there = map_cases(root_unless_seven, CASES, 1, "roots", two_workers)
    assert there == map_cases(root_unless_seven, CASES, 1, "roots")
    assert [one.case for one in there] == CASES
    assert [(one.reason, one.kind) for one in there if one.refused] == [("D0007: the mask is empty.", "mask")]


def test_tables_of_a_study_that_names_a_scheduler_are_bit_identical(two_workers, hospital, tmp_path):
    tables = []
    for scheduler in (None, two_workers):
        study = hospital.model_copy(update={"scheduler": scheduler})
        run, cases = run_of(study, tmp_path)  # one folder, so that the pseudonyms are the same
        shutil.rmtree(run.cache)
        run.write("preprocessing", prepare.quality_table(run, cases, workers=1))
        features, refused = extraction.features_table(run, cases, workers=1)
        run.write("features", features)
        tables.append([run.artifact_path(name).read_bytes() for name in ("preprocessing", "features")])
        assert len(refused) == 1
    assert tables[0] == tables[1]


def feature_and_trace(case, measure, folder):
    """Features of a real case; says who was at it and leaves time to be killed."""
    (folder / f"{case.patient_id}-{os.getpid()}-{time.monotonic_ns()}").touch()
    time.sleep(0.3)
    return measure(case)


def test_a_worker_killed_midway_loses_nothing(two_workers, hospital, tmp_path):
    run, cases = run_of(hospital, tmp_path)
    measure = partial(_fingerprint, prepare.preparation(run))
    function = partial(feature_and_trace, measure=measure, folder=tmp_path / "trace")
    (tmp_path / "trace").mkdir()
    many = cases[:3] * 4
    killed = []
    killer = Thread(target=_kill_one, args=(tmp_path / "trace", killed))
    killer.start()
    survived = map_cases(function, many, 1, "killed", two_workers)
    killer.join()
    trace = [path.name.split("-") for path in (tmp_path / "trace").iterdir()]
    assert survived == map_cases(measure, many, 1, "undisturbed")
    assert len(trace) > len(many)  # what the dead worker was at has been done again
    assert str(killed[0]) in [pid for _, pid, _ in trace]


def _fingerprint(measure, case):
    return measure(case).block.fingerprint()


def _kill_one(folder, killed):
    while len(list(folder.iterdir())) < 4:
        time.sleep(0.01)
    latest = max(folder.iterdir(), key=lambda path: int(path.name.split("-")[2]))
    killed.append(int(latest.name.split("-")[1]))
    os.kill(killed[0], signal.SIGKILL)


def die(case):
    os._exit(1)


def test_a_patient_that_kills_every_worker_ends_the_run_in_plain_words(two_workers):
    with pytest.raises(StudyError, match="died again and again"):
        map_cases(die, CASES[:1], 1, "dying", two_workers)


def test_a_worker_with_other_code_is_refused(two_workers, monkeypatch):
    monkeypatch.setattr(cluster, "code_version", lambda: "an older version")
    with pytest.raises(StudyError, match="same version"):
        map_cases(root_unless_seven, CASES, 1, "roots", two_workers)


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "_SECONDS_TO_ANSWER", 0.2)
    with pytest.raises(StudyError, match="'tcp://127.0.0.1:1'.*does not answer"):
        map_cases(root_unless_seven, CASES, 1, "roots", "tcp://127.0.0.1:1")


def test_the_command_line_wins_over_the_study_file(monkeypatch):
    study = load_study("data/studies/quick.yml")
    assert cluster.scheduler_address(study) is None
    study = study.model_copy(update={"scheduler": "tcp://study:1"})
    assert cluster.scheduler_address(study) == "tcp://study:1"
    monkeypatch.setenv(ADDRESS_VARIABLE, "tcp://command:1")
    assert cluster.scheduler_address(study) == "tcp://command:1"
