"""Protects the two promises of a long run: nothing finished is lost, and no bad case stops the others."""

import os
import time

import numpy as np
import pytest

from helpers.cases import Case, CaseCache, map_cases
from helpers.errors import StudyError

CASES = [Case(f"D{number:04d}", "here") for number in range(12)]


def square_unless_seven(case):
    number = int(case.patient_id[1:])
    if number == 7:
        raise StudyError(f"{case.patient_id}: the mask is empty.")
    time.sleep(0.02 * (number % 3))  # cases end in another order than they start
    return number**2


def read_missing_file(case):
    open(f"/nowhere/Zhang_San_{case.patient_id}.nii.gz")


def die(case):
    os._exit(1)


@pytest.mark.parametrize("workers", [1, 2])
def test_order_is_that_of_the_cases_and_a_bad_case_stops_nobody(workers):
    outcomes = map_cases(square_unless_seven, CASES, workers, "squares")
    assert [outcome.case for outcome in outcomes] == CASES
    assert [o.value for o in outcomes if not o.refused] == [n**2 for n in range(12) if n != 7]
    assert [o.reason for o in outcomes if o.refused] == ["D0007: the mask is empty."]


def test_reason_of_an_unexpected_error_shows_no_path():
    (outcome,) = map_cases(read_missing_file, CASES[:1], 1, "reading")
    assert outcome.refused
    assert "No such file" in outcome.reason
    assert "Zhang" not in outcome.reason


def test_a_worker_that_the_system_ends_is_told_in_plain_words():
    with pytest.raises(StudyError, match="fewer workers"):
        map_cases(die, CASES, 2, "dying")


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
    monkeypatch.setattr("helpers.cases.version", lambda name: "0.0")
    keys.add(cache.key("block", "one", {"binWidth": 25}))
    assert len(keys) == 5


def test_interrupted_save_leaves_the_old_entry(tmp_path, monkeypatch):
    cache = CaseCache(tmp_path)
    key = cache.key("block", "one")
    cache.save(key, {"values": np.arange(3)})

    def power_cut(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("helpers.cases.os.replace", power_cut)
    with pytest.raises(KeyboardInterrupt):
        cache.save(key, {"values": np.arange(5)})
    assert cache.load(key)["values"].size == 3
