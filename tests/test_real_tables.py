"""The real patients in data/real are those that its README describes, and nobody has touched a number.

The ten columns of noise are drawn anew here, as radMLBench's script draws them.
"""

import hashlib
import re

import numpy as np
import pandas as pd
import pytest

from helpers.patients.cells import read_cells
from helpers.study.places import REPOSITORY

REAL = REPOSITORY / "data" / "real"
README = (REAL / "README.md").read_text(encoding="utf-8")
NOISE = [
    "IH_min",
    "Shape_volumeNumber",
    *(f"Wavelet_{a}{b}{c}_IH_min" for a in "HL" for b in "HL" for c in "HL"),
]


@pytest.fixture(scope="module")
def tables():
    names = ("keek2020_clinical.csv", "keek2020_features.csv.gz")
    return [read_cells(REAL / name, None, name) for name in names]


def test_checksums_are_those_of_the_readme():
    stated = dict(re.findall(r"^\| `(keek2020_\S+)` \|.*`([0-9a-f]{64})` \|$", README, re.MULTILINE))
    files = {path.name: path for path in REAL.iterdir() if path.name != "README.md"}
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()} == stated


def test_the_packed_file_holds_no_date_and_no_name():
    header = (REAL / "keek2020_features.csv.gz").read_bytes()[:10]
    assert header[3] == 0 and header[4:8] == bytes(4)


def test_both_tables_are_of_the_same_patients(tables):
    people, features = tables
    assert people.shape == (273, 8) and features.shape == (273, 1323)
    assert people["ID"].tolist() == features["ID"].tolist() and people["ID"].is_unique
    counts = people.assign(died=people["died_within_3_years"].astype(int)).groupby("centre")["died"]
    stated = re.findall(r"^\| ([A-Z]{3,}) \| (\d+) \| (\d+) \|$", README, re.MULTILINE)
    assert {(centre, str(len(one)), str(one.sum())) for centre, one in counts} == set(stated)
    assert people["ID"].str.startswith(tuple(people["centre"].str[:3].unique())).all()


def test_every_column_is_a_z_score_over_all_hospitals(tables):
    values = tables[1].drop(columns="ID").astype(float)
    assert np.allclose(values.mean(), 0, atol=1e-6) and np.allclose(values.std(ddof=0), 1, atol=1e-6)


def test_ten_columns_are_noise_of_a_known_seed(tables):
    generator = np.random.RandomState(471)
    for name in NOISE:
        drawn = pd.Series(generator.normal(0, 1, 273))
        scaled = (drawn - drawn.mean()) / drawn.std(ddof=0)
        assert np.allclose(tables[1][name].astype(float), scaled, rtol=1e-5, atol=1e-7), name
