"""The ten seeds are those of this simulator, and their mean lies in the paper's intervals."""

import pandas as pd
import pytest
from published_ranges import SITES

from helpers.chapters import replicates
from helpers.chapters.replicates import EVALUATION_SEEDS, TEN_SEEDS


@pytest.fixture(scope="module")
def seeds() -> pd.DataFrame:
    if not TEN_SEEDS.is_file():
        pytest.skip("No evaluation seed is computed yet: run benchmarks/calibrate_virtual.py")
    return replicates.ten_seeds()


def test_ten_seeds_are_of_this_simulator_and_of_the_seeds_fixed_beforehand(seeds):
    assert set(seeds["seed"]) <= set(EVALUATION_SEEDS) and seeds["seed"].is_unique
    lag = "data/virtual/ten_seeds.csv is older than the simulator: run benchmarks/calibrate_virtual.py"
    assert set(seeds["simulator"]) == {SITES["development"].simulator()}, lag


def test_mean_over_the_seeds_lies_in_the_papers_intervals(seeds):
    if missing := set(EVALUATION_SEEDS) - set(seeds["seed"]):
        pytest.skip(f"Seeds {sorted(missing)} are not computed yet: run benchmarks/calibrate_virtual.py")
    table = replicates.seeds_table(seeds).set_index("quantity")
    free = ["AUC, clinical, external", "AUC, nomogram, external", "AUC, radiomics minus clinical, external"]
    assert table.drop(free)["within"].all(), table.index[~table["within"]].tolist()


def test_summary_places_a_run_among_the_seeds(seeds):
    place = replicates.seeds_summary(seeds, {"clinical_training": 2.0, "nomogram_external": 0.0})
    place = place.set_index(["model", "cohort"])["seeds_below"]
    assert place["clinical", "training"] == len(seeds) and place["nomogram", "external"] == 0
