"""Net benefit at a few thresholds is that of the curves, per 100 patients."""

import pandas as pd
import pytest

from helpers.chapters import decision_tables
from helpers.evaluation.decision_curves import decision_curves, net_benefit


def test_chosen_thresholds_per_100_patients_and_the_best_of_each():
    y, p = [1, 1, 0, 0, 0], [0.9, 0.3, 0.4, 0.2, 0.1]
    people = pd.DataFrame({"patient_id": list("abcde"), "cohort": "training", "outcome": y})
    curves = decision_curves(people.assign(model="nomogram", probability=p), ["nomogram"], [0.1, 0.2, 0.5])
    wide = decision_tables.net_benefit_per_100(curves, ["nomogram"], [0.2, 0.5])
    assert wide.index.tolist() == [("training", 0.2), ("training", 0.5)]
    assert wide.columns.tolist() == ["nomogram", "treat all", "treat none"]
    assert wide["nomogram"].tolist() == pytest.approx((100 * net_benefit(y, p, [0.2, 0.5])).tolist())
    words = decision_tables.best_in_words(wide)
    assert words == "training at 0.20 nomogram; training at 0.50 nomogram"
