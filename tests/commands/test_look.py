"""A look at a patient reads the scan once, keeps what it saw, and shows regions that are refused too."""

import pandas as pd
import pytest
from synthetic_scan import SETTINGS, synthetic_scan

from helpers.commands.look import look
from helpers.errors import StudyError
from helpers.features.cache import CaseCache
from helpers.features.cases import Case
from helpers.features.prepare import prepare

CASE = Case("P1", "here")


class Counting:
    """A site with one scan, which counts how often its files are read."""

    def __init__(self, fault="", there=True):
        self.fault, self.there, self.reads = fault, there, 0

    def load(self, patient_id, reader=1):
        return self.checked(patient_id, self.drawn(patient_id, reader))

    def drawn(self, patient_id, reader=1):
        self.reads += 1
        if not self.there:
            raise StudyError("P1: no file", "missing file")
        return synthetic_scan()

    def checked(self, patient_id, scan, reader=1):
        if self.fault:
            raise StudyError(self.fault, "mask")
        return scan

    def fingerprint(self, patient_id, reader=1):
        return "one"


@pytest.fixture
def cache(tmp_path):
    return CaseCache(tmp_path)


def test_a_scan_is_read_once_by_the_first_look_and_never_again(cache):
    source = Counting()
    first = look(CASE, {"here": source}, SETTINGS, cache)
    assert source.reads == 1
    again = look(CASE, {"here": source}, SETTINGS, cache)
    prepare(CASE, {"here": source}, SETTINGS, cache)  # what `radbook apply` and notebook 02 do
    assert source.reads == 1
    assert again.pictures == first.pictures
    pd.testing.assert_series_equal(pd.Series(again.quality), pd.Series(first.quality))
    assert [one.title for one in first.pictures] == ["Sagittal", "Coronal", "Ribs", "Axial"]


def test_regions_that_are_refused_are_drawn_and_the_reason_is_kept(cache):
    source = Counting("P1: regions in the air")
    for _ in range(2):
        seen = look(CASE, {"here": source}, SETTINGS, cache)
        assert (seen.quality, str(seen.refusal), seen.refusal.kind) == (
            None,
            "P1: regions in the air",
            "mask",
        )
        assert len(seen.pictures) == 4


def test_where_nothing_can_be_read_the_reason_is_raised(cache):
    with pytest.raises(StudyError, match="P1: no file"):
        look(CASE, {"here": Counting(there=False)}, SETTINGS, cache)
