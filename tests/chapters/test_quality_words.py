"""Chapter 02 names every limit that decides, and hides small counts of patients."""

import pandas as pd

from helpers.chapters import quality_words
from helpers.study.places import REPOSITORY
from helpers.study.study_file import Limits, Plausibility, Rules, load_study


def test_few_refused_patients_are_not_told():
    quality = pd.DataFrame({"status": ["ok"] * 30 + ["refused"] * 3})
    words = quality_words.counts_in_words(quality, min_cell=10)
    assert words == {"ok-patients": "30", "warned-patients": "0", "refused-patients": "<10"}


def test_every_rule_and_limit_of_a_study_file_is_in_the_table():
    study = load_study(REPOSITORY / "data" / "studies" / "virtual.yml")
    table = quality_words.plausibility_table(study)
    assert table["rule"].tolist() == list(Plausibility.model_fields)
    named = {limit.split()[0] for limits in table["limits"] for limit in limits.split("; ") if limit}
    assert named == set(Limits.model_fields)
    row = table.set_index("rule").loc["thickness"]
    assert (row["limits"], row["a breach is"]) == ("slice_mm 3", "refused")
    rules = quality_words.rules_table(study)
    said = dict(rules.to_numpy())
    assert said["missing vertebra"] == "left out" and said["fracture"] == "kept"
    assert said["metal or cement (above 2000 HU)"] == "kept"
    assert len(rules) == len(Rules.model_fields) - 1  # the limit stands beside what it is about


def test_the_densest_layer_is_named_for_a_reader():
    quality = pd.DataFrame(
        {"hu_t12_upper": [100, 120], "hu_l1_lower": [140, 150], "trabecular_hu": [118, 138]}
    )
    words = quality_words.layers_in_words(quality)
    assert words == {"densest": "L1 lower", "layer-range": "35", "patient-sd": "14"}


def test_the_short_table_has_the_layers_in_words():
    facts = {"patient_id": ["D1"], "status": "ok", "reason": "", "volume": 1.0, "trabecular_hu": 2.0}
    quality = pd.DataFrame(facts | {"hu_t12_upper": 3.0, "block_max_abs_hu": 4.0, "noise": 5.0})
    assert quality_words.short_quality(quality).columns.tolist()[3:] == [
        "volume (mm³)", "region (HU)", "T12 upper (HU)", "largest near it (HU)",
    ]  # fmt: skip
