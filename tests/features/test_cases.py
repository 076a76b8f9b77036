"""Protects the two promises of a long run: nothing finished is lost, and no bad case stops the others."""

import os
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from helpers import cli
from helpers.commands import record
from helpers.errors import StudyError
from helpers.features.cache import CaseCache
from helpers.features.cases import Case, map_cases
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run

CASES = [Case(f"D{number:04d}", "here") for number in range(12)]


def square_unless_seven(case):
    number = int(case.patient_id[1:])
    if number == 7:
        raise StudyError(f"{case.patient_id}: the mask is empty.", "mask")
    time.sleep(0.02 * (number % 3))  # cases end in another order than they start
    return number**2


def read_missing_file(case):
    open(f"/nowhere/Zhang_San_{case.patient_id}.nii.gz")


def die(case):
    os._exit(1)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_order_is_that_of_the_cases_and_a_bad_case_stops_nobody(workers):
    results = map_cases(square_unless_seven, CASES, workers, "squares")
    assert [one.case for one in results] == CASES
    assert [one.value for one in results if not one.refused] == [n**2 for n in range(12) if n != 7]
    assert [(one.reason, one.kind) for one in results if one.refused] == [
        ("D0007: the mask is empty.", "mask")
    ]


def test_reason_of_an_unexpected_error_shows_no_path():
    (result,) = map_cases(read_missing_file, CASES[:1], 1, "reading")
    assert result.refused
    assert result.kind == "other"
    assert "No such file" in result.reason
    assert "Zhang" not in result.reason


@pytest.mark.slow
def test_a_worker_that_the_system_ends_is_told_in_plain_words():
    with pytest.raises(StudyError, match="fewer workers"):
        map_cases(die, CASES, 2, "dying")


def starve_at_seven(case):
    if case.patient_id == "7":
        with open("/dev/full", "w") as disk:
            disk.write("block")
    return case


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no disk that is always full")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_refuses_no_patient_but_stops(workers):
    """Else a cohort would be smaller without a word."""
    cases = [Case(str(number), "A") for number in range(9)]
    with pytest.raises(StudyError, match="disk is full.*goes on where it stopped"):
        map_cases(starve_at_seven, cases, workers, "test")


def test_cache_returns_what_was_saved_bit_by_bit(tmp_path):
    cache = CaseCache(tmp_path)
    key = cache.key("features", "fingerprint", {"binWidth": 25})
    assert cache.load(key) is None
    cache.save(key, {"values": np.array([0.1, np.nan, -np.inf]), "names": np.array(["a", "b", "c"])})
    loaded = cache.load(key)
    assert loaded["values"].tobytes() == np.array([0.1, np.nan, -np.inf]).tobytes()
    assert loaded["names"].tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("damage", [lambda b: b[:-20], lambda b: b[:50] + b"x" + b[51:], lambda b: b""])
def test_damaged_entry_counts_as_absent(tmp_path, damage):
    cache = CaseCache(tmp_path)
    key = cache.key("block", "one")
    cache.save(key, {"values": np.arange(100)})
    (path,) = tmp_path.glob("block/*.case")
    path.write_bytes(damage(path.read_bytes()))
    assert cache.load(key) is None
    cache.save(key, {"values": np.arange(100)})
    assert cache.load(key)["values"][-1] == 99


def test_key_changes_with_content_settings_stage_and_engine(tmp_path, monkeypatch):
    cache = CaseCache(tmp_path)
    keys = {
        cache.key("block", "one", {"binWidth": 25}),
        cache.key("block", "two", {"binWidth": 25}),
        cache.key("block", "one", {"binWidth": 10}),
        cache.key("features", "one", {"binWidth": 25}),
    }
    monkeypatch.setattr("helpers.features.cache.engine_versions", lambda: {"SimpleITK": "0.0"})
    keys.add(cache.key("block", "one", {"binWidth": 25}))
    assert len(keys) == 5


def test_interrupted_save_leaves_the_old_entry(tmp_path, monkeypatch):
    cache = CaseCache(tmp_path)
    key = cache.key("block", "one")
    cache.save(key, {"values": np.arange(3)})

    def power_cut(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("helpers.features.cache.os.replace", power_cut)
    with pytest.raises(KeyboardInterrupt):
        cache.save(key, {"values": np.arange(5)})
    assert cache.load(key)["values"].size == 3


def test_prune_removes_what_was_not_used_lately_and_no_file_in_the_making(tmp_path):
    cache = CaseCache(tmp_path)
    old, used, new = (cache.key("block", name) for name in ("old", "used", "new"))
    for key in (old, used, new):
        cache.save(key, {"values": np.arange(10)})
    for name, age in {
        f"{old}.case": 9000,
        f"{used}.case": 9000,
        "block/a.part": 9000,
        "block/b.part": 60,
    }.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    cache.load(used)
    entries, size, unused = cache.usage(since=time.time() - 600)["block"]
    assert (entries, unused) == (5, 2)
    assert size == sum(path.stat().st_size for path in (tmp_path / "block").iterdir())
    assert cache.prune(before=time.time() - 600) == 2
    assert cache.load(old) is None
    assert cache.load(used) is not None
    cache.prune(before=time.time())
    assert [path.name for path in (tmp_path / "block").iterdir()] == ["b.part"]


def test_a_cluster_that_cannot_see_the_run_folder_says_so(tmp_path):
    cache = CaseCache(tmp_path / "elsewhere")
    with pytest.raises(StudyError, match="run folder cannot be seen"):
        cache.load(cache.key("block", "one"))


def test_the_command_shows_and_prunes_what_the_last_run_did_not_use(tmp_path):
    run = open_run(REPOSITORY / "tests" / "data" / "tiny.yml", tmp_path / "run")
    cache = CaseCache(run.cache)
    stale, needed = cache.key("features", "stale"), cache.key("features", "needed")
    for key in (stale, needed):
        cache.save(key, {"values": np.arange(10)})
    os.utime(run.cache / f"{stale}.case", (time.time() - 9000,) * 2)
    record.write_record(run, record.StepResult("02_preprocessing", "failed", 60.0))
    unfinished = CliRunner().invoke(cli.app, ["cache", str(run.folder), "--prune"])
    assert unfinished.exit_code == 1
    assert "did not finish" in unfinished.output
    record.write_record(run, record.StepResult("02_preprocessing", "ok", 60.0))
    shown = CliRunner().invoke(cli.app, ["cache", str(run.folder), "--prune"])
    assert [line.split()[:2] for line in shown.output.splitlines()][1:] == [
        ["features", "2"],
        ["1", "entries"],
    ]
    assert cache.load(stale) is None
    assert cache.load(needed) is not None
    CliRunner().invoke(cli.app, ["cache", str(run.folder), "--all"])
    assert cache.load(needed) is None
