"""What a reader takes along is whole and the same for the same run; of a hospital's run it holds no patient
and no model."""

import io
import zipfile
from functools import partial

import pytest
from reported_run import REAL, reported_run

from helpers.pages import downloads


@pytest.fixture
def make_run(tmp_path):
    return partial(reported_run, tmp_path)


def test_archives_are_whole_and_the_same_each_time(make_run):
    run = make_run()
    first = downloads.archives(run)
    run.table_path("table_5").touch()
    assert downloads.archives(run) == first
    with zipfile.ZipFile(io.BytesIO(first["reporting/bundle.zip"])) as archive:
        assert sorted(archive.namelist()) == ["extraction.yml", "manifest.json", "model.json"]
        assert archive.read("model.json") == (run.bundle / "model.json").read_bytes()
    with zipfile.ZipFile(io.BytesIO(first["reporting/tables.zip"])) as archive:
        assert archive.read("table_5.csv") == run.table_path("table_5").read_bytes()


def test_a_hospital_keeps_its_model_and_its_patients(make_run):
    run = make_run(REAL)
    page = downloads.page(run)
    assert set(downloads.archives(run)) == {"reporting/tables.zip"}
    assert "`private/bundle`" in page
    assert "bundle.zip" not in page
    assert "figure_2" not in page


def test_downloads_stand_by_their_chapter_and_the_build_names_nobody(make_run):
    page = downloads.page(make_run())
    row = page.split("* - [](/notebooks/06_nomogram.ipynb)")[1].split("* - ")[0]
    assert "{download}`table_5 <share/tables/table_5.csv>`" in row
    assert "{download}`png <share/figures/figure_5.png>`" in row
    assert "abc123" in page
    assert "2026-04-28" in page
    assert "10:11" not in page
    assert "dr-who" not in page
