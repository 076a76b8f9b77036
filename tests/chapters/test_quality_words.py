"""Chapter 02 names every limit that decides, and hides small counts of patients."""

import pandas as pd

from helpers.chapters import quality_words
from helpers.features.quality import LIMITS
from helpers.imaging.regions import REFUSED_BEYOND
from helpers.study.places import REPOSITORY
from helpers.study.study_file import load_study


def test_few_refused_patients_are_not_told():
    quality = pd.DataFrame({"status": ["ok"] * 30 + ["refused"] * 3})
    words = quality_words.counts_in_words(quality, min_cell=10)
    assert words == {"ok-patients": "30", "warned-patients": "0", "refused-patients": "<10"}


def test_every_limit_and_rule_has_a_line():
    study = load_study(REPOSITORY / "data" / "studies" / "virtual.yml")
    lines = quality_words.limits_in_words(study).splitlines()
    named = [line.split()[0] for line in lines if line.startswith("  ")]
    assert {*LIMITS, *REFUSED_BEYOND, *dict(study.rules)} <= set(named)


def test_the_densest_layer_is_named_for_a_reader():
    quality = pd.DataFrame(
        {"hu_t12_upper": [100, 120], "hu_l1_lower": [140, 150], "trabecular_hu": [118, 138]}
    )
    words = quality_words.layers_in_words(quality)
    assert words == {"densest": "L1 LOWER", "layer-range": "35", "patient-sd": "14"}
