"""SMOTE takes the neighbours there are, and needs two patients."""

import numpy as np
import pytest

from helpers.errors import StudyError
from helpers.learning import smote


def test_smote_takes_the_neighbours_there_are():
    x = np.random.default_rng(0).normal(size=(12, 2))
    _, y = smote.LimitedSmote(random_state=0).fit_resample(x, np.repeat([0, 1], [9, 3]))
    assert np.bincount(y).tolist() == [9, 9]
    with pytest.raises(StudyError, match="at least two patients"):
        smote.LimitedSmote().fit_resample(x, np.repeat([0, 1], [11, 1]))
