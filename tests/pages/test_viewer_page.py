"""The viewer's volumes are small and whole; the libraries it is shipped with are the recorded ones."""

import base64
import gzip
import hashlib
import json
from functools import partial

import numpy as np
import pytest
import SimpleITK as sitk
from predicted_run import VIRTUAL, predicted_run

from helpers.imaging.regions import LAYERS
from helpers.pages import staging
from helpers.study.places import REPOSITORY

VENDOR = REPOSITORY / "book" / "extra" / "vendor"


@pytest.fixture
def make_run(tmp_path):
    return partial(predicted_run, tmp_path)


@pytest.mark.slow
def test_the_viewers_volumes_are_small_whole_and_the_same_each_time(make_run, tmp_path):
    run = make_run(VIRTUAL)
    name = "extra/interactive/virtual_patient.js"
    script = staging.made_pages(run)[name]
    assert script == staging.made_pages(run)[name]
    assert len(script) < 2_000_000
    volumes = json.loads(script.decode().removeprefix("const radbookVolumes = ").removesuffix(";\n"))
    images = {}
    for key, address in volumes.items():
        packed = base64.b64decode(address.removeprefix("data:application/gzip;base64,"))
        (tmp_path / f"{key}.nii").write_bytes(gzip.decompress(packed))
        images[key] = sitk.ReadImage(str(tmp_path / f"{key}.nii"))
    assert images["ct"].GetSize() == images["layers"].GetSize()
    assert images["ct"].GetSpacing() == images["layers"].GetSpacing() == (1, 1, 1)
    layers = sitk.GetArrayFromImage(images["layers"])
    assert set(np.unique(layers)) == {0, *LAYERS}
    hu = sitk.GetArrayFromImage(images["ct"])
    assert -50 < hu[layers > 0].mean() < 400  # cancellous bone
    assert hu.max() > 500  # cortex


def test_shipped_libraries_are_the_recorded_files_with_their_licences():
    recorded = json.loads((VENDOR / "versions.json").read_text())
    for library in recorded:
        assert hashlib.sha256((VENDOR / library["file"]).read_bytes()).hexdigest() == library["sha256"]
        assert all((VENDOR / text).stat().st_size > 500 for text in library["licence_texts"])
    named = {name for library in recorded for name in (library["file"], *library["licence_texts"])}
    there = {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file()}
    assert there == named | {"versions.json"}
