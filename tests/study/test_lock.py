"""Two runs do not work in one folder, and a dead one does not keep it."""

import json
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from helpers.errors import StudyError
from helpers.study.lock import in_turn, locked

HOLD = """
import sys, time
from pathlib import Path
from helpers.study.lock import locked
with locked(Path(sys.argv[1])):
    print("mine", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that has the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"mine\n"
    yield process
    process.kill()
    process.communicate()


def lock_of(folder, **owner):
    me = {"machine": platform.node(), "pid": os.getpid(), "started": psutil.Process().create_time()}
    path = folder / "private" / "lock.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(me | owner), encoding="utf-8")
    return path


def test_a_folder_in_use_is_refused_with_its_owner(other, tmp_path):
    with pytest.raises(StudyError, match=rf"process {other.pid} on {platform.node()}.*--run-dir"):
        with locked(tmp_path):
            pass


def test_the_lock_of_a_killed_process_is_taken_over(other, tmp_path):
    other.kill()
    other.wait()
    with locked(tmp_path):
        assert json.loads((tmp_path / "private" / "lock.json").read_text())["pid"] == os.getpid()
    assert not list((tmp_path / "private").iterdir())


def test_a_number_that_another_process_has_now_does_not_keep_the_folder(tmp_path):
    lock_of(tmp_path, started=time.time() - 86400)
    with locked(tmp_path):
        pass


def test_another_machines_lock_says_how_to_remove_it(tmp_path):
    path = lock_of(tmp_path, machine="elsewhere", pid=1)
    with pytest.raises(StudyError, match=r"process 1 on elsewhere.*no longer works.*remove .*lock\.json"):
        with locked(tmp_path):
            pass
    assert path.exists()


@pytest.mark.parametrize("content", ["", "{}", "[1]", "null"])
def test_a_damaged_lock_keeps_nobody_out_for_long(tmp_path, content):
    """One without an owner may be just being written by another."""
    path = lock_of(tmp_path)
    path.write_text(content, encoding="utf-8")
    with pytest.raises(StudyError, match="just begun"), locked(tmp_path):
        pass
    os.utime(path, (time.time() - 60,) * 2)
    with locked(tmp_path):
        pass


def test_an_error_releases_the_folder(tmp_path):
    with pytest.raises(RuntimeError), locked(tmp_path):
        raise RuntimeError
    with locked(tmp_path):
        pass


def test_writers_of_one_file_take_turns(tmp_path):
    """Each adds one to what it reads; without turns some read the same number."""
    path = tmp_path / "number"
    path.write_text("0", encoding="utf-8")

    def add(_):
        with in_turn(path):
            read = int(path.read_text(encoding="utf-8"))
            time.sleep(0.001)
            path.write_text(f"{read + 1}", encoding="utf-8")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(40)))
    assert path.read_text(encoding="utf-8") == "40"
    assert [one.name for one in tmp_path.iterdir()] == ["number"]


def test_a_killed_writer_keeps_nobody_waiting(tmp_path):
    """Its lock is old by the time somebody looks, and its process gone, or its number another's."""
    path = tmp_path / ".number.lock"
    reused = {"machine": platform.node(), "pid": os.getpid(), "started": 0}
    for content in (json.dumps(reused), ""):
        path.write_text(content, encoding="utf-8")
        os.utime(path, (time.time() - 60,) * 2)
        with in_turn(tmp_path / "number"):
            assert json.loads(path.read_text(encoding="utf-8"))["started"] > 0
        assert not path.exists()


@pytest.mark.skipif(os.name == "nt" or not os.geteuid(), reason="root may write anywhere")
def test_a_folder_that_takes_no_lock_is_told_in_a_sentence(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StudyError, match="'.*number' could not be written"), in_turn(tmp_path / "number"):
        pass
