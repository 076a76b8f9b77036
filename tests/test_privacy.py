"""Raw identifiers stay in private/; pseudonyms are stable and cannot be guessed from the identifier."""

import pytest

from helpers import privacy
from helpers.study import open_run


@pytest.fixture
def run(tmp_path):
    return open_run("data/studies/quick.yml", tmp_path / "run")


def test_pseudonyms_are_stable_and_lead_back(run):
    first = privacy.pseudonyms(run, "A", ["0012", "77"])
    assert privacy.pseudonyms(run, "A", ["0012", "77"]) == first
    assert privacy.raw_ids(run) == dict(zip(first, ["0012", "77"], strict=True))


def test_the_same_number_in_two_hospitals_is_two_patients(run):
    assert privacy.pseudonyms(run, "A", ["1"]) != privacy.pseudonyms(run, "B", ["1"])


def test_another_key_gives_other_pseudonyms(run, tmp_path):
    other = open_run("data/studies/quick.yml", tmp_path / "other")
    assert privacy.pseudonyms(run, "A", ["1"]) != privacy.pseudonyms(other, "A", ["1"])


def test_the_key_is_readable_by_its_owner_only(run):
    privacy.pseudonyms(run, "A", ["1"])
    assert (run.private / "pseudonym.key").stat().st_mode & 0o077 == 0
