"""Two runs do not work in one folder, and a dead one does not keep it."""

import json
import os
import platform
import subprocess
import sys
import time

import psutil
import pytest

from helpers.errors import StudyError
from helpers.study.lock import locked

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
