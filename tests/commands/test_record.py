"""The record tells what a run was made of."""

import json

from helpers.study.places import STEPS


def test_the_record_tells_versions_seed_and_times(finished):
    record = json.loads(finished.record.read_text(encoding="utf-8"))
    assert record["seed"] == 7
    assert record["virtual"] is True
    assert record["versions"]["pyradiomics-bhklab"] == "3.1.4"
    assert {entry["status"] for entry in record["notebooks"].values()} == {"ok"}
    assert set(record["notebooks"]) == {*STEPS.values(), "book"}
