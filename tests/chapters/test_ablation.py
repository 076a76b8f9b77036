"""The ablation leaves the shape features out and nothing else, and stands by the scores of each analysis."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from helpers.chapters import ablation
from helpers.chapters.strict_validation import Procedure, fit_and_predict, nested_predictions
from helpers.learning.selection import SelectionSettings, select_features
from helpers.study.places import REPOSITORY
from helpers.study.study_file import load_study

SEEDS = {"selection": 1, "nested": 2, "final": 3}
SHAPES = ["original_shape_Sphericity", "original_shape_Elongation"]


def shared(names: list[str]) -> ablation.Common:
    """Patients whose outcome is told by the first of ``names``, and faintly by the last."""
    rng = np.random.default_rng(8)
    index = [f"P{i}" for i in range(130)]
    patients = pd.DataFrame({"cohort": np.repeat(["training", "external"], [90, 40])}, index=index)
    patients["outcome"] = rng.permutation(np.tile([0, 1], 65))
    patients["age"] = rng.normal(60, 8, 130)
    features = pd.DataFrame(rng.normal(size=(130, len(names))), index=index, columns=names)
    features[names[0]] += 2.5 * patients["outcome"]
    features[names[-1]] += 0.8 * patients["outcome"]
    icc = dict.fromkeys(names, 1.0)
    procedure = Procedure(icc, SelectionSettings(smote="none", folds=3))
    return ablation.Common(patients, features, ["age"], icc, procedure, SEEDS, 3, 1)


def analysed(common: ablation.Common, names: list[str]) -> ablation.Analysis:
    training = common.patients["cohort"] == "training"
    data = common.features.loc[training, names], common.patients.loc[training, "outcome"].to_numpy()
    chosen = select_features(*data, common.icc, SelectionSettings(), SEEDS["selection"]).as_dict()
    nested = nested_predictions(common.procedure, *data, 3, 2, SEEDS["nested"], 1)
    final = fit_and_predict(common.procedure, *data, common.features[names], SEEDS["final"])
    return ablation.Analysis(chosen, nested.probability[0], final.probability)


@pytest.fixture(scope="module")
def both():
    names = [*SHAPES, "original_firstorder_Mean", "wavelet-LLL_glcm_Contrast"]
    common = shared(names)
    return common, analysed(common, names)


def test_without_shape_is_the_analysis_of_a_table_that_never_had_shape(both):
    common, full = both
    reduced = ablation.without_shape(common, full)
    other = analysed(common, [name for name in common.features if name not in SHAPES])
    assert reduced.selection == other.selection
    # The first repeat of several has the folds of the only one.
    np.testing.assert_array_equal(reduced.held_out, other.held_out)
    np.testing.assert_array_equal(reduced.risks, other.risks)


def test_table_holds_the_aucs_of_each_mode_and_the_loss(both):
    common, full = both
    table = ablation.ablation_table(common, full, ablation.without_shape(common, full))
    assert len(table) == 8 and table["without_shape"].notna().all()
    row = table.set_index(["mode", "model", "cohort"]).loc[("strict", "radiomics", "external")]
    external = (common.patients["cohort"] == "external").to_numpy()
    auc = roc_auc_score(common.patients.loc[external, "outcome"], full.risks[external])
    assert row["all_features"] == pytest.approx(auc)
    # The outcome was written into a shape feature: what is left of it is the faint one.
    assert (table.loc[table["model"] == "radiomics", "difference"] < -0.1).all()


def test_no_shape_is_the_same_analysis_and_nothing_but_shape_is_said_as_missing(both):
    _, full = both
    plain = shared(["other_one", "other_two"])
    assert ablation.without_shape(plain, full) is full
    common = shared(SHAPES)
    assert ablation.without_shape(common, full) is None
    alone = ablation.ablation_table(common, analysed(common, SHAPES), None)
    assert alone["without_shape"].isna().all() and alone["all_features"].notna().all()


def test_words_count_shape_and_speak_of_the_protocol_only_to_virtual_patients():
    virtual = load_study(REPOSITORY / "data" / "studies" / "quick.yml")
    words = ablation.shape_in_words(virtual, [*SHAPES, "a_name"], SHAPES[:1])
    assert (words["shape-n"], words["shape-chosen"]) == ("2", "1") and "protocol" in words["shape-origin"]
    real = virtual.model_copy(
        update={"sites": [site.model_copy(update={"virtual": None}) for site in virtual.sites]}
    )
    assert "virtual" not in ablation.shape_in_words(real, [], [])["shape-origin"]
