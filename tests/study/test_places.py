"""A file is written whole or not at all."""

import errno
from pathlib import Path

import pandas as pd
import pytest

from helpers.errors import StudyError
from helpers.study.places import replacing, visible_files

ALWAYS_FULL = Path("/dev/full")


def test_a_failed_write_leaves_the_old_file(run):
    run.write_table("table_1", pd.DataFrame({"n": [1]}))
    with pytest.raises(AttributeError):
        run.write_table("table_1", "not a table")
    assert run.table_path("table_1").read_text(encoding="utf-8").endswith("virtual,1\n")
    assert not list(run.table_path("table_1").parent.glob(".*"))


@pytest.mark.skipif(not ALWAYS_FULL.exists(), reason="this system has no disk that is always full")
def test_a_full_disk_is_a_sentence_and_the_old_file_stays(tmp_path):
    (tmp_path / "scores.csv").write_text("before", encoding="utf-8")
    with pytest.raises(StudyError, match=r"scores\.csv' could not be written: the disk is full.*are kept"):
        with replacing(tmp_path / "scores.csv") as path:
            path.touch()
            ALWAYS_FULL.write_text("after", encoding="utf-8")
    assert [one.name for one in tmp_path.iterdir()] == ["scores.csv"]
    assert (tmp_path / "scores.csv").read_text(encoding="utf-8") == "before"


def test_a_file_that_is_being_read_is_replaced_a_moment_later(tmp_path, monkeypatch):
    """Windows does not let a file go that another chapter reads."""
    refused, replace = [], Path.replace

    def busy(path, target):
        if len(refused) < 2:
            refused.append(path)
            raise PermissionError(errno.EACCES, "in use")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", busy)
    with replacing(tmp_path / "ledger.json") as path:
        path.write_text("after", encoding="utf-8")
    assert len(refused) == 2 and (tmp_path / "ledger.json").read_text(encoding="utf-8") == "after"


def test_an_error_of_the_program_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a"):
        (tmp_path / "nowhere" / "b").touch()


def test_what_a_killed_process_left_half_written_goes_with_the_next_write(run):
    path = run.table_path("table_1")
    left = path.with_name(".table_1.csv.99999999.part")
    left.write_text("data,n\nvirt", encoding="utf-8")
    assert visible_files(run.folder / "share") == []
    run.write_table("table_1", pd.DataFrame({"n": [1]}))
    assert visible_files(run.folder / "share") == [path]
    assert not left.exists()
