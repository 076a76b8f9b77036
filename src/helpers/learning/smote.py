"""SMOTE that also works where a class has few patients (paper 2.4)."""

from __future__ import annotations

import numpy as np
from imblearn.over_sampling import SMOTE

from helpers.errors import StudyError


class LimitedSmote(SMOTE):
    """SMOTE that makes do with few patients.

    A synthetic patient lies between a patient of the smaller class and one of the five nearest of that class;
    with five or fewer, one of all others. Chawla et al. 2002, doi 10.1613/jair.953.
    """

    def fit_resample(self, X, y, **parameters):
        """Return patients and outcomes with both classes of equal size."""
        smallest = int(np.unique(y, return_counts=True)[1].min())
        if smallest < 2:
            raise StudyError("SMOTE needs at least two patients of the rarer class in every training fold.")
        neighbours = min(self.k_neighbors, smallest - 1)
        limited = SMOTE(
            sampling_strategy=self.sampling_strategy, random_state=self.random_state, k_neighbors=neighbours
        )
        return limited.fit_resample(X, y, **parameters)
